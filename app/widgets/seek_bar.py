"""A thin bar to jump along, with the time on both sides; also serves as the volume slider."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from app.style import colour
from app.widgets.grip import Grip

MARGIN_PX = 6.0


class SeekBar(Grip):
    """A share in [0, 1]."""

    moved = Signal(float)
    """While a hand drags it."""
    released = Signal(float)
    """Where it was let go."""

    def __init__(
        self, tip: str, tint: str = "accent", step: float = 0.02, parent: QWidget | None = None
    ) -> None:
        super().__init__(22, parent)
        self._tint = tint
        self._step = step
        self._share = 0.0
        self.setToolTip(tip)
        self.setAccessibleName(tip)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    @property
    def share(self) -> float:
        """Where it stands."""
        return self._share

    def set_share(self, share: float) -> None:
        """Show a position; nothing is emitted, and a held bar stays in the hand."""
        share = min(max(share, 0.0), 1.0)
        if not self._dragging and share != self._share:
            self._share = share
            self.update()

    def sizeHint(self) -> QSize:
        """Return the natural size."""
        return QSize(120, 22)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take it."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._dragging = True
            self._move_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag it."""
        if self._dragging:
            self._move_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let it go."""
        if self._dragging:
            self._dragging = False
            self.released.emit(self._share)
            self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step with the arrows."""
        if event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            step = self._step if event.key() == Qt.Key.Key_Right else -self._step
            self.set_share(self._share + step)
            self.moved.emit(self._share)
            self.released.emit(self._share)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw track, way and knob."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        centre = self.height() / 2
        span = self.width() - 2 * MARGIN_PX
        painter.setBrush(colour("edge" if self.lit else "hover"))
        painter.drawRoundedRect(QRectF(MARGIN_PX, centre - 2, span, 4), 2, 2)
        painter.setBrush(colour(self._tint if self.isEnabled() else "edge"))
        way = span * self._share
        painter.drawRoundedRect(QRectF(MARGIN_PX, centre - 2, way, 4), 2, 2)
        if self.isEnabled():
            radius = 6.0 if self.lit else 5.0
            if self.hasFocus():
                painter.setPen(QPen(colour("accent"), 2))
            painter.setBrush(colour("text"))
            x = MARGIN_PX + way
            painter.drawEllipse(QRectF(x - radius, centre - radius, 2 * radius, 2 * radius))
        painter.end()

    def _move_to(self, x: float) -> None:
        span = max(self.width() - 2 * MARGIN_PX, 1.0)
        self._share = min(max((x - MARGIN_PX) / span, 0.0), 1.0)
        self.update()
        self.moved.emit(self._share)
