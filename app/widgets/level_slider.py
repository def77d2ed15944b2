"""A gate of a projector: how much its level counts in the sound, and how far the hand opens it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from app.style import colour
from app.widgets.param_scale import ParamScale
from app.widgets.param_slider import ParamSlider
from engine.conditioning.sound_embedding import VIEWS

LEVEL_PARAMS = tuple(f"sound/{view}" for view in VIEWS)
"""The gates, in the order of `SoundStatus.levels`."""
BAR_PX = 10.0


class LevelSlider(ParamSlider):
    """A bar as long as the level counts, bright as far as the gate lets it through; a knob."""

    def __init__(self, scale: ParamScale, parent: QWidget | None = None) -> None:
        super().__init__(scale, parent)
        self._level = 0.0

    @property
    def level(self) -> float:
        """The share that shows, in [0, 1]."""
        return self._level

    def set_level(self, level: float) -> None:
        """Show how much the level counts in the newest sound, in [0, 1]."""
        if level != self._level:
            self._level = level
            self.update()

    def _paint_track(self, painter: QPainter, base: float, moved: float, centre: float) -> None:
        self._fill(painter, 1.0, centre, "well")
        if not self.isEnabled():
            return
        self._fill(painter, self._level, centre, "accent_low")
        self._fill(painter, self._level * moved, centre, "accent")
        self._paint_moved(painter, base, moved, centre)

    def _fill(self, painter: QPainter, end: float, centre: float, name: str) -> None:
        width = end * self._span()
        if width < 1.0:
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(name))
        bar = QRectF(self._left(), centre - BAR_PX / 2, width, BAR_PX)
        painter.drawRoundedRect(bar, 3, 3)
