"""A thin progress bar."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.style import colour


class ProgressBar(QWidget):
    """A share in [0, 1]; warm while it runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(6)
        self.setAccessibleName("Progress")
        self._share = 0.0
        self._active = False

    @property
    def share(self) -> float:
        """How far it is."""
        return self._share

    def set_share(self, share: float, active: bool) -> None:
        """Show how far it is."""
        self._share, self._active = min(max(share, 0.0), 1.0), active
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("hover"))
        painter.drawRoundedRect(QRectF(self.rect()), 3, 3)
        painter.setBrush(colour("accent" if self._active else "dim"))
        painter.drawRoundedRect(QRectF(0, 0, self.width() * self._share, self.height()), 3, 3)
        painter.end()
