"""What steers the shapes: nothing, a picture or video from a file, or a camera."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from app.engine_bridge import EngineBridge
from app.widgets.buttons import Choice, ElidedLabel
from engine.commands import IMAGE_SUFFIXES, structure_choice, structure_file
from engine.messages import StructureStatus

FILE = "Picture or video\N{HORIZONTAL ELLIPSIS}"
CHOICES = (("Nothing: shapes are free", "none"), (FILE, ""), ("Camera", "camera:0"))
"""What the list shows, and its spec; the file's is asked for."""
FILE_FILTER = (
    f"Pictures and videos ({' '.join(f'*{suffix}' for suffix in IMAGE_SUFFIXES)} *.mp4 *.mov "
    "*.mkv *.webm *.avi);;All files (*)"
)


class StructurePanel(QWidget):
    """Posts a choice; shows what the engine is really steered by."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._status = StructureStatus()
        self.choice = Choice("What steers the shapes")
        for text, spec in CHOICES:
            self.choice.addItem(text, spec)
        self.note = ElidedLabel("", "dim")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 6)
        layout.setSpacing(8)
        layout.addWidget(self.choice)
        layout.addWidget(self.note)
        self.note.hide()
        self.choice.activated.connect(self._on_activated)
        bridge.structure_changed.connect(self._on_structure)

    def open_file(self, path: str) -> None:
        """Be steered by a file."""
        self._bridge.select_structure(structure_file(Path(path)))

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        spec = str(self.choice.itemData(index))
        self._show()  # the engine decides; until then the old choice stays
        if not spec:
            self._ask_for_file()
            return
        self._bridge.select_structure(structure_choice(spec))

    def _ask_for_file(self) -> None:
        dialog = QFileDialog(self.window(), "Steer the shapes by a file", "", FILE_FILTER)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self._on_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def _on_file(self, path: str) -> None:
        self.open_file(path)

    @Slot(object)
    def _on_structure(self, status: StructureStatus) -> None:
        self._status = status
        self._show()

    def _show(self) -> None:
        status = self._status
        if self.choice.findData(status.spec) < 0:
            text = status.name if status.kind != "camera" else status.name.capitalize()
            self.choice.insertItem(1, text, status.spec)
        self.choice.setCurrentIndex(self.choice.findData(status.spec))
        self.choice.setToolTip(status.spec if status.kind in ("image", "video") else "")
        waits = status.kind == "camera" and not status.connected
        self.note.setVisible(waits)
        if waits:
            self.note.set_full_text("No pictures from it: shapes are free until there are")
