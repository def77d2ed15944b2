"""A line for a path: its end is what tells files apart, so the beginning gives way."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLineEdit, QStyle, QStyleOptionFrame, QWidget

from app.style import colour

MARGIN_PX = 10


class PathField(QLineEdit):
    """Elided at the left until it is written in; the tooltip has the whole path."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.textChanged.connect(self._on_text)

    @property
    def shown(self) -> str:
        """What fits, while nobody writes."""
        room = self.width() - 2 * MARGIN_PX
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideLeft, room)

    @Slot(str)
    def _on_text(self, text: str) -> None:
        self.setToolTip(text)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the field, and in it the end of the path."""
        shown = self.shown
        if self.hasFocus() or shown == self.text():
            super().paintEvent(event)
            return
        option = QStyleOptionFrame()
        self.initStyleOption(option)
        painter = QPainter(self)
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelLineEdit, option, painter, self)
        painter.setPen(colour("text" if self.isEnabled() else "faint"))
        where = self.rect().adjusted(MARGIN_PX, 0, -MARGIN_PX, 0)
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(where, flags, shown)
        painter.end()
