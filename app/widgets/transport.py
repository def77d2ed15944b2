"""Play, seek, loop and volume of a file; hidden for live input."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.actions import shown_key
from app.engine_bridge import EngineBridge
from app.style import font
from app.widgets.buttons import Button, label
from app.widgets.icons import pixmap
from app.widgets.seek_bar import SeekBar
from engine.messages import SourceStatus


def clock_text(seconds: float) -> str:
    """Write seconds as m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(int(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Transport(QWidget):
    """Follows the source; shows itself only when the source has a length."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._status = SourceStatus("none", "", False)
        self.play = Button(icon_name="pause", tip=f"Play or pause ({shown_key('play')})")
        self.loop = Button(icon_name="loop", tip="Start again at the end", checkable=True)
        self.seek = SeekBar("Position", step=0.01)
        self.volume = SeekBar("Volume in the speakers", "dim", step=0.05)
        self.position = _time_label()
        self.duration = _time_label()
        self._arrange()
        self.play.clicked.connect(self._on_play)
        self.loop.clicked.connect(bridge.set_loop)
        self.seek.moved.connect(self._on_seek_moved)
        self.seek.released.connect(self._on_seek)
        self.volume.moved.connect(bridge.set_volume)
        bridge.source_changed.connect(self._on_source)
        self.hide()

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(4)
        top.addWidget(self.position)
        top.addWidget(self.seek, 1)
        top.addWidget(self.duration)
        speaker = QLabel()
        speaker.setPixmap(pixmap("volume", 18, "dim"))
        bottom = QHBoxLayout()
        bottom.setSpacing(6)
        bottom.addWidget(self.play)
        bottom.addWidget(self.loop)
        bottom.addSpacing(8)
        bottom.addWidget(speaker)
        bottom.addWidget(self.volume, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addLayout(bottom)

    @Slot(object)
    def _on_source(self, status: SourceStatus) -> None:
        before, self._status = self._status, status
        self.setVisible(status.duration_s is not None)
        if status.duration_s is None:
            return
        if before.playing != status.playing or before.duration_s is None:
            self.play.set_icon("pause" if status.playing else "play")
        self.loop.setChecked(status.loop)
        self.volume.set_share(status.volume)
        self.duration.setText(clock_text(status.duration_s))
        if not self.seek.dragging:
            self.seek.set_share(status.position_s / status.duration_s if status.duration_s else 0)
            self.position.setText(clock_text(status.position_s))

    @Slot()
    def _on_play(self) -> None:
        self._bridge.play(not self._status.playing)

    @Slot(float)
    def _on_seek_moved(self, share: float) -> None:
        self.position.setText(clock_text(share * (self._status.duration_s or 0.0)))

    @Slot(float)
    def _on_seek(self, share: float) -> None:
        self._bridge.seek(share * (self._status.duration_s or 0.0))


def _time_label() -> QLabel:
    result = label("0:00", "figure")
    result.setFont(font(12))
    result.setMinimumWidth(QFontMetrics(font(12)).horizontalAdvance("00:00"))
    return result
