"""The five bands and their whole: a bar for how loud, a lamp for every hit."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.snapshots import SignalState
from app.style import colour, font
from app.widgets.meter_paint import paint_well
from engine.messages import BAND_NAMES, AudioFeatures

LAMP_PX = 8.0
GAP_PX = 4.0


class BandMeters(QWidget):
    """Six bars, order `BAND_NAMES`, each in [0, 1] against the last 45 s."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(110, 120)
        self.setAccessibleName("Band levels")
        self.setToolTip(
            "How loud each band is against the last 45 s; the lamp on top shows its hits.\n"
            "sub 20-60 Hz, low 60-250, mid 250-2000, high 2-6 kHz, air 6-16 kHz, all."
        )
        self._state = SignalState.WAITING
        self._levels = [0.0] * len(BAND_NAMES)
        self._hits = [0.0] * len(BAND_NAMES)

    def sizeHint(self) -> QSize:
        """Return the natural size."""
        return QSize(116, 260)

    @Slot(object)
    def set_features(self, features: AudioFeatures) -> None:
        """Show the newest bands."""
        self._levels = [float(value) for value in features.band_level]
        self._hits = [float(value) for value in features.band_hit]
        self.update()

    @Slot(object)
    def set_state(self, state: SignalState) -> None:
        """Show whether there is sound, silence or no device at all."""
        self._state = state
        if state in (SignalState.NO_DEVICE, SignalState.WAITING):
            self._levels = [0.0] * len(BAND_NAMES)
            self._hits = [0.0] * len(BAND_NAMES)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw six bars."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        count = len(BAND_NAMES)
        width = (self.width() - GAP_PX * (count - 1)) / count
        for index, name in enumerate(BAND_NAMES):
            self._paint_band(painter, index, name, index * (width + GAP_PX), width)
        painter.end()

    def _paint_band(
        self, painter: QPainter, index: int, name: str, left: float, width: float
    ) -> None:
        bar = QRectF(left, LAMP_PX + 6, width, self.height() - LAMP_PX - 6 - 18)
        connected = self._state is not SignalState.NO_DEVICE
        paint_well(painter, bar, connected)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("hover"))
        lamp = QRectF(left, 0, width, LAMP_PX)
        painter.drawRoundedRect(lamp, 2, 2)
        if connected:
            live = self._state is SignalState.LIVE
            if live and self._hits[index] > 0.02:
                painter.setBrush(colour("accent", min(self._hits[index] * 1.25, 1.0)))
                painter.drawRoundedRect(lamp, 2, 2)
            height = min(max(self._levels[index], 0.0), 1.0) * bar.height()
            if height >= 1.0:
                painter.setBrush(colour(("text" if name != "all" else "dim") if live else "edge"))
                filled = QRectF(bar.left(), bar.bottom() - height, width, height)
                painter.drawRoundedRect(filled, 2, 2)
        painter.setFont(font(9 if width < 16 else 10))
        painter.setPen(colour("dim" if connected else "edge"))
        where = QRectF(left - 4, self.height() - 15, width + 8, 15)
        painter.drawText(where, Qt.AlignmentFlag.AlignCenter, name)
