"""One prompt of the preset: a line to click, with its share of the picture as a hairline."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.style import colour
from app.widgets.buttons import Button

LONGEST_TIP = 300


class SceneButton(Button):
    """Click goes to this prompt now."""

    picked = Signal(int)

    def __init__(self, index: int, prompt: str, parent: QWidget | None = None) -> None:
        super().__init__(prompt, kind="scene", tip=_tip(prompt), parent=parent)
        self.index = index
        self.prompt = prompt
        self._share = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self._on_clicked)

    @property
    def share(self) -> float:
        """Weight of this prompt in [0, 1]."""
        return self._share

    def set_share(self, share: float) -> None:
        """Show the weight."""
        if share != self._share:
            self._share = share
            self.update()

    def sizeHint(self) -> QSize:
        """Return the natural size; the width is the column's."""
        return QSize(80, 28)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Elide the prompt."""
        super().resizeEvent(event)
        room = self.width() - 22
        shown = self.fontMetrics().elidedText(self.prompt, Qt.TextElideMode.ElideRight, room)
        self.setText(shown)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the button and the hairline."""
        super().paintEvent(event)
        if 0.0 < self._share < 1.0:
            painter = QPainter(self)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("accent"))
            painter.drawRect(QRectF(2, self.height() - 2, (self.width() - 2) * self._share, 2))
            painter.end()

    @Slot()
    def _on_clicked(self) -> None:
        self.picked.emit(self.index)


def _tip(prompt: str) -> str:
    """The prompt, in lines: a tooltip of plain text would be one line across the screen."""
    cut = len(prompt) > LONGEST_TIP
    shown = prompt[:LONGEST_TIP] + "\N{HORIZONTAL ELLIPSIS}" if cut else prompt
    return f"<p>{escape(shown)}</p>"
