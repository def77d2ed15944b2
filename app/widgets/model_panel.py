"""Which model paints: the named ones, and any folder or hub id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from app.engine_bridge import EngineBridge
from app.snapshots import ModelState
from app.widgets.buttons import Button, Choice, ElidedLabel
from app.widgets.field import Field
from engine.registry import model_entries

OTHER = "Folder or hub id\N{HORIZONTAL ELLIPSIS}"


class ModelBox(Field):
    """Enter sends; Esc leaves."""

    left = Signal()

    def leave(self) -> None:
        """Say so."""
        self.left.emit()


class ModelPanel(QWidget):
    """Posts a choice; shows the model that really paints, or the one that is being opened."""

    chosen = Signal(str)
    """A name, folder or hub id, to be remembered once it paints"""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._state = ModelState()
        self.choice = Choice("Model that paints")
        self.browse = Button(icon_name="folder", tip="Choose the folder of a model")
        self.box = ModelBox()
        self.box.setPlaceholderText("stabilityai/sd-turbo, or a folder, then Enter")
        self.box.setAccessibleName("Folder or hub id of a model")
        self.note = ElidedLabel("", "dim")
        self._arrange()
        self.choice.addItem(OTHER, "")  # always the last one
        for entry in model_entries():
            self._add(entry.name, f"{entry.name}: {entry.help}")
        self.choice.activated.connect(self._on_activated)
        self.browse.clicked.connect(self._on_browse)
        self.box.returnPressed.connect(self._on_return)
        self.box.left.connect(self._on_left)
        bridge.model_changed.connect(self._on_model)

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.choice, 1)
        row.addWidget(self.browse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(row)
        layout.addWidget(self.box)
        layout.addWidget(self.note)
        self.box.hide()
        self.note.hide()

    @property
    def names(self) -> tuple[str, ...]:
        """Every model in the list."""
        return tuple(str(self.choice.itemData(k)) for k in range(self.choice.count() - 1))

    def remember(self, names: Sequence[str]) -> None:
        """List folders and hub ids that were used before."""
        for name in names:
            self._add(name)

    def choose(self, name: str) -> None:
        """Ask for a model and have it remembered."""
        self._bridge.select_model(name)
        self.chosen.emit(name)

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        name = str(self.choice.itemData(index))
        self._show()  # the engine decides; until then the old choice stays
        if name:
            self._on_left()
            self.choose(name)
        else:
            self.box.show()
            self.box.setFocus()
            self.box.selectAll()

    @Slot()
    def _on_return(self) -> None:
        name = self.box.text().strip()
        self._on_left()
        if name:
            self.choose(name)

    @Slot()
    def _on_left(self) -> None:
        self.box.clearFocus()
        self.box.hide()

    @Slot()
    def _on_browse(self) -> None:
        dialog = QFileDialog(self.window(), "Folder of a model")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(self._on_folder)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def _on_folder(self, path: str) -> None:
        self.choose(path)

    @Slot(object)
    def _on_model(self, state: ModelState) -> None:
        self._state = state
        self._show()

    def _show(self) -> None:
        name = self._state.opening or self._state.asked
        if name:
            self._add(name)
        self.choice.setCurrentIndex(self.choice.findData(name) if name else 0)
        self.choice.setToolTip(name)
        switching = bool(self._state.opening and self._state.asked)
        self.note.setVisible(switching)
        if switching:
            self.note.set_full_text(f"Opening it; {_short(self._state.asked)} moves on meanwhile")

    def _add(self, name: str, tip: str = "") -> None:
        if self.choice.findData(name) < 0:
            index = self.choice.count() - 1
            self.choice.insertItem(index, _short(name), name)
            self.choice.setItemData(index, tip or name, Qt.ItemDataRole.ToolTipRole)


def _short(name: str) -> str:
    """A folder by its last part, anything else as it is."""
    path = Path(name).expanduser()
    return path.name if path.is_absolute() else name
