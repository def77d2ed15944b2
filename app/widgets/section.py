"""A part of the control column: a heading that folds what lies under it."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.widgets.buttons import Button
from app.widgets.icons import icon


class Section(QWidget):
    """A heading and a body."""

    folded = Signal(str, bool)
    """Name and whether it is closed now."""

    def __init__(self, name: str, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.heading = Button(title.upper(), kind="section", tip=f"Fold or open {title.lower()}")
        self.heading.setCheckable(True)
        self.heading.setChecked(True)
        self.heading.toggled.connect(self._on_toggled)
        self._body = QWidget()
        self.body = QVBoxLayout(self._body)
        self.body.setContentsMargins(0, 0, 0, 8)
        self.body.setSpacing(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self._line = QHBoxLayout()
        self._line.setSpacing(8)
        self._line.addWidget(self.heading, 1)
        layout.addLayout(self._line)
        layout.addWidget(self._body)
        self._show_arrow(True)

    def add_note(self, note: QWidget) -> None:
        """Put what changes with the show into the heading's line, on the right."""
        self._line.addWidget(note, 2)

    @property
    def open(self) -> bool:
        """Whether the body shows."""
        return self.heading.isChecked()

    def set_open(self, on: bool) -> None:
        """Open or fold."""
        self.heading.setChecked(on)

    @Slot(bool)
    def _on_toggled(self, on: bool) -> None:
        self._body.setVisible(on)
        self._show_arrow(on)
        self.folded.emit(self.name, not on)

    def _show_arrow(self, on: bool) -> None:
        self.heading.setIcon(icon("chevron-down" if on else "chevron-right", "faint"))
