"""The big level meter: dBFS, peak hold, clip lamp, gate line; readable from two metres."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QFont, QLinearGradient, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.snapshots import SignalState
from app.style import colour, font
from app.widgets.meter_paint import db_position, paint_well
from engine.messages import AudioFeatures

GATE_DB = -60.0
CLIP = 0.999
CLIP_HOLD_S = 1.5
PEAK_FALL_DB_PER_S = 14.0
MARKS_DB = (0, -6, -12, -24, -36, -48, -60)
FIGURE_PX = 26
LAMP_PX = 8.0


class LevelMeter(QWidget):
    """One bar with its scale; it runs on musical time and stands still when the sound does."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setFixedWidth(58)
        self.setMinimumHeight(120)
        self.setAccessibleName("Input level")
        self.setToolTip("Level of the sound, dBFS. The lamp on top lights when it clips.")
        self._state = SignalState.WAITING
        self._level_db = -120.0
        self._peak_db = -120.0
        self._time_s = 0.0
        self._clipped_at_s: float | None = None

    @property
    def clipping(self) -> bool:
        """Whether the clip lamp is lit."""
        since = self._clipped_at_s
        return since is not None and 0.0 <= self._time_s - since < CLIP_HOLD_S

    def sizeHint(self) -> QSize:
        """Return the natural size."""
        return QSize(58, 260)

    @Slot(object)
    def set_features(self, features: AudioFeatures) -> None:
        """Show the newest level."""
        now_s = features.sample_index / features.sample_rate
        dt_s = max(now_s - self._time_s, 0.0)
        self._time_s = now_s
        self._level_db = features.level_db
        self._peak_db = max(features.level_db, self._peak_db - PEAK_FALL_DB_PER_S * dt_s)
        if features.peak >= CLIP:
            self._clipped_at_s = now_s
        self.update()

    @Slot(object)
    def set_state(self, state: SignalState) -> None:
        """Show whether there is sound, silence or no device at all."""
        self._state = state
        if state in (SignalState.NO_DEVICE, SignalState.WAITING):
            self._level_db = self._peak_db = -120.0
            self._clipped_at_s = None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw lamp, bar, scale and gate line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        bar = self._bar_rect()
        connected = self._state is not SignalState.NO_DEVICE
        paint_well(painter, bar, connected)
        self._paint_lamp(painter, bar)
        if connected:
            self._paint_bar(painter, bar)
            self._paint_gate(painter, bar)
        self._paint_scale(painter, bar)
        painter.end()

    def _bar_rect(self) -> QRectF:
        return QRectF(0, LAMP_PX + 6, 30, self.height() - LAMP_PX - 6 - 18)

    def _paint_lamp(self, painter: QPainter, bar: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("red") if self.clipping else colour("hover"))
        painter.drawRoundedRect(QRectF(bar.left(), 0, bar.width(), LAMP_PX), 2, 2)

    def _paint_bar(self, painter: QPainter, bar: QRectF) -> None:
        height = db_position(self._level_db) * bar.height()
        if height >= 1.0:
            shade = QLinearGradient(bar.bottomLeft(), bar.topLeft())
            if self._state is SignalState.LIVE:
                shade.setColorAt(0.0, colour("accent_low"))
                shade.setColorAt(0.5, colour("accent"))
                shade.setColorAt(db_position(-6), colour("accent"))
                shade.setColorAt(1.0, colour("red"))
            else:
                shade.setColorAt(0.0, colour("edge"))
                shade.setColorAt(1.0, colour("edge"))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(shade)
            filled = QRectF(bar.left(), bar.bottom() - height, bar.width(), height)
            painter.drawRoundedRect(filled, 3, 3)
        if self._peak_db > GATE_DB:
            y = bar.bottom() - db_position(self._peak_db) * bar.height()
            painter.setPen(QPen(colour("text"), 2.0))
            painter.drawLine(round(bar.left()) + 1, round(y), round(bar.right()) - 1, round(y))

    def _paint_gate(self, painter: QPainter, bar: QRectF) -> None:
        y = round(bar.bottom() - db_position(GATE_DB) * bar.height())
        silent = self._state is SignalState.SILENT
        pen = QPen(colour("ice" if silent else "faint"), 1.5, Qt.PenStyle.DotLine)
        painter.setPen(pen)
        painter.drawLine(round(bar.left()), y, round(bar.right()), y)

    def _paint_scale(self, painter: QPainter, bar: QRectF) -> None:
        painter.setFont(font(10))
        connected = self._state is not SignalState.NO_DEVICE
        for mark in MARKS_DB:
            y = bar.bottom() - db_position(mark) * bar.height()
            if mark in (-36, -48) and bar.height() < 200:
                continue
            gate = mark == GATE_DB
            name = "ice" if gate and self._state is SignalState.SILENT else "faint"
            painter.setPen(colour(name if connected else "edge"))
            text = "gate" if gate else str(abs(mark))
            where = QRectF(bar.right() + 5, y - 7, 26, 14)
            painter.drawText(where, Qt.AlignmentFlag.AlignVCenter, text)
        painter.setFont(font(11, QFont.Weight.DemiBold))
        painter.setPen(colour("dim" if connected else "edge"))
        where = QRectF(0, self.height() - 15, 58, 15)
        painter.drawText(where, Qt.AlignmentFlag.AlignVCenter, "LEVEL")
