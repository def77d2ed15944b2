"""The beat: a lamp that flashes, a ring that runs from beat to beat, the tempo in big figures."""

from __future__ import annotations

import math

from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.snapshots import SignalState
from app.style import colour, font
from engine.messages import AudioFeatures

BEAT_FADE_S = 0.22
ONSET_FADE_S = 0.15
GIVEN = {"hand": "set by hand", "midi": "MIDI clock", "link": "Ableton Link"}
"""Who has said the tempo, where it was not heard."""


class BeatLamp(QWidget):
    """Counts, so that a beat between two looks is not missed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(86)
        self.setAccessibleName("Beat and tempo")
        self.setToolTip(
            "Lamp: beats. Small lamp: onsets. Bar: how sure the tempo is; while that is 0 %, and "
            "in silence, no tempo shows. A tempo set by hand (taps, OSC) or by an outer clock "
            "shows always; Auto gives one set by hand back to the tracker."
        )
        self._live = False
        self._tempo_bpm = 0.0
        self._confidence = 0.0
        self._given = ""  # the note on a tempo that was not heard
        self._phase = 0.0
        self._beats = self._onsets = -1
        self._beat_glow = self._onset_glow = 0.0
        self._time_s = 0.0

    @property
    def tempo_text(self) -> str:
        """The tempo as shown."""
        return f"{self._tempo_bpm:.1f}" if self._known else "\N{EN DASH}"

    @property
    def note(self) -> str:
        """The line under the tempo: how sure it is, or who has said it."""
        if self._given:
            return self._given
        return f"confidence {round(self._confidence * 100)} %" if self._known else "no tempo yet"

    @property
    def _known(self) -> bool:
        """Whether there is a tempo worth a figure: one that runs on in silence is none."""
        if self._given:
            return self._tempo_bpm > 0
        return self._live and self._tempo_bpm > 0 and round(self._confidence, 2) > 0

    @property
    def beat_glow(self) -> float:
        """Brightness of the lamp in [0, 1]."""
        return self._beat_glow

    @property
    def onset_glow(self) -> float:
        """Brightness of the onset lamp in [0, 1]."""
        return self._onset_glow

    def sizeHint(self) -> QSize:
        """Return the natural size."""
        return QSize(150, 86)

    @Slot(object)
    def set_features(self, features: AudioFeatures) -> None:
        """Take counters and phase."""
        now_s = features.sample_index / features.sample_rate
        dt_s = max(now_s - self._time_s, 0.0)
        self._time_s = now_s
        self._beat_glow *= math.exp(-dt_s / BEAT_FADE_S)
        self._onset_glow *= math.exp(-dt_s / ONSET_FADE_S)
        if self._beats not in (-1, features.beat_count):
            self._beat_glow = 1.0
        if self._onsets not in (-1, features.onset_count):
            self._onset_glow = max(0.4, features.onset_strength)
        self._beats, self._onsets = features.beat_count, features.onset_count
        self._tempo_bpm = features.tempo_bpm
        self._confidence = features.tempo_confidence
        self._given = GIVEN.get("hand" if features.tempo_by_hand else features.tempo_source, "")
        self._phase = features.beat_phase
        self.update()

    @Slot(object)
    def set_state(self, state: SignalState) -> None:
        """Nothing beats without sound."""
        self._live = state is SignalState.LIVE
        if not self._live:
            self._beat_glow = self._onset_glow = 0.0
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw lamp, ring, figure and bar."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        known = self._known
        ring = QRectF(3, 6, 44, 44)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colour("hover"), 3))
        painter.drawEllipse(ring)
        if known:
            sure = 1.0 if self._given else self._confidence
            pen = QPen(colour("accent", 0.35 + 0.65 * sure), 3)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            painter.drawArc(ring, 90 * 16, -round(self._phase * 360 * 16))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("hover"))
        lamp = ring.adjusted(9, 9, -9, -9)
        painter.drawEllipse(lamp)
        if self._beat_glow > 0.02:
            painter.setBrush(colour("accent", self._beat_glow))
            painter.drawEllipse(lamp)
        self._paint_tempo(painter, known)
        self._paint_note(painter, known)
        painter.end()

    def _paint_tempo(self, painter: QPainter, known: bool) -> None:
        painter.setFont(font(32, QFont.Weight.DemiBold))
        painter.setPen(colour("text" if known else "faint"))
        where = QRectF(56, 2, self.width() - 56, 36)
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(where, flags, self.tempo_text)
        painter.setFont(font(11, QFont.Weight.DemiBold))
        painter.setPen(colour("dim"))
        painter.drawText(QRectF(58, 38, 40, 16), flags, "BPM")
        dot = QRectF(self.width() - 12, 41, 9, 9)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("hover"))
        painter.drawEllipse(dot)
        painter.setBrush(colour("text", self._onset_glow))
        painter.drawEllipse(dot)
        painter.setPen(colour("faint"))
        painter.setFont(font(10))
        text_rect = QRectF(self.width() - 60, 38, 44, 16)
        painter.drawText(
            text_rect, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, "onset"
        )

    def _paint_note(self, painter: QPainter, known: bool) -> None:
        """Say how sure the tempo is; one that was given has no such figure, and no bar."""
        if not self._given:
            bar = QRectF(0, 66, self.width(), 3)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("hover"))
            painter.drawRoundedRect(bar, 1.5, 1.5)
            share = self._confidence if known else 0.0
            painter.setBrush(colour("accent"))
            painter.drawRoundedRect(QRectF(0, 66, bar.width() * share, 3), 1.5, 1.5)
        painter.setFont(font(10))
        painter.setPen(colour("accent" if self._given else "faint"))
        where = QRectF(0, 71, self.width(), 14)
        painter.drawText(where, Qt.AlignmentFlag.AlignLeft, self.note)
