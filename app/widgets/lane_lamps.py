"""What the ears tell apart: kick, snare and hat as lamps, and the beats of the bar as dots."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.snapshots import SignalState
from app.style import colour, font
from engine.messages import LANE_NAMES, AudioFeatures

LANE_FADE_S = 0.12
DOT_PX = 7.0
HEIGHT_PX = 46


class LaneLamps(QWidget):
    """Three lamps that flash at each stroke; over them, which beat of the bar it is.

    Strokes are counted, so that one between two looks is not missed. The dots are dim while no
    beat of the bar is clearly the first.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(HEIGHT_PX)
        self.setAccessibleName("Bar and drums")
        self.setToolTip("Dots: beats of the bar. Lamps: kick, snare and hat as they are heard.")
        self._live = False
        self._time_s = 0.0
        self._counts: tuple[int, ...] = ()
        self._glow = [0.0] * len(LANE_NAMES)
        self._beats = 4
        self._beat = 0
        self._sure = 0.0

    @property
    def glow(self) -> tuple[float, ...]:
        """Brightness of the lamps in [0, 1], order `LANE_NAMES`."""
        return tuple(self._glow)

    @property
    def beat_in_bar(self) -> int | None:
        """The lit dot, counted from 0; None while the bar is unknown."""
        return self._beat if self._live and self._sure > 0.0 else None

    def sizeHint(self) -> QSize:
        """Return the natural size."""
        return QSize(150, HEIGHT_PX)

    @Slot(object)
    def set_features(self, features: AudioFeatures) -> None:
        """Take strokes and bar."""
        now_s = features.sample_index / features.sample_rate
        fade = math.exp(-max(now_s - self._time_s, 0.0) / LANE_FADE_S)
        self._time_s = now_s
        counts = features.lanes.count
        for lane, before in enumerate(self._counts):
            struck = counts[lane] != before
            hit = max(0.35, float(features.lanes.hit[lane])) if struck else 0.0
            self._glow[lane] = max(self._glow[lane] * fade, hit)
        self._counts = counts
        bar = features.bar
        self._beats = bar.beats
        self._beat = int(bar.phase * bar.beats) % bar.beats
        self._sure = bar.confidence if features.tempo_bpm > 0.0 else 0.0
        self.update()

    @Slot(object)
    def set_state(self, state: SignalState) -> None:
        """Nothing is struck without sound."""
        self._live = state is SignalState.LIVE
        if not self._live:
            self._glow = [0.0] * len(LANE_NAMES)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw dots and lamps."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        self._paint_bar(painter)
        self._paint_lanes(painter)
        painter.end()

    def _paint_bar(self, painter: QPainter) -> None:
        step = self.width() / self._beats
        for beat in range(self._beats):
            size = DOT_PX if beat == 0 else DOT_PX - 2.0
            dot = QRectF(0, 0, step - 6.0, size / 2.0)
            dot.moveLeft(beat * step)
            dot.moveTop(3.0 - size / 4.0)
            lit = beat == self.beat_in_bar
            shade = colour("accent", 0.3 + 0.7 * min(self._sure, 1.0)) if lit else colour("hover")
            painter.setBrush(shade)
            painter.drawRoundedRect(dot, size / 4.0, size / 4.0)

    def _paint_lanes(self, painter: QPainter) -> None:
        gap = 6.0
        width = (self.width() - gap * (len(LANE_NAMES) - 1)) / len(LANE_NAMES)
        painter.setFont(font(10, QFont.Weight.DemiBold))
        for lane, name in enumerate(LANE_NAMES):
            pad = QRectF(lane * (width + gap), 14, width, HEIGHT_PX - 16)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("raised"))
            painter.drawRoundedRect(pad, 4, 4)
            glow = self._glow[lane]
            if glow > 0.02:
                painter.setBrush(colour("accent", glow))
                painter.drawRoundedRect(pad, 4, 4)
            painter.setPen(colour("ink" if glow > 0.5 else "dim"))
            painter.drawText(pad, Qt.AlignmentFlag.AlignCenter, name)
