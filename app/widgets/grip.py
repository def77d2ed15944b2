"""What is dragged along a line: takes the keyboard by Tab, lights up under pointer and hand."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import QSizePolicy, QWidget


class Grip(QWidget):
    """The base of slider and seek bar: as wide as there is room, of a fixed height."""

    def __init__(self, height_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dragging = False
        self._hovered = False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(height_px)

    @property
    def dragging(self) -> bool:
        """True while a hand holds it."""
        return self._dragging

    @property
    def lit(self) -> bool:
        """True while pointer, hand or keyboard are on it."""
        return self._hovered or self._dragging or self.hasFocus()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Light up."""
        self._hovered = True
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Calm down."""
        self._hovered = False
        self.update()
