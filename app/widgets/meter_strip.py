"""The left strip: beat, level, bands and the panic buttons; what a performer glances at."""

from __future__ import annotations

from PySide6.QtCore import QSize, Slot
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.actions import shown_key
from app.engine_bridge import EngineBridge
from app.snapshots import PanicState, SignalState
from app.style import font
from app.widgets.band_meters import BandMeters
from app.widgets.beat_lamp import BeatLamp
from app.widgets.beat_source import BeatSource
from app.widgets.buttons import Button, label, restyle, rule
from app.widgets.form_line import FormLine
from app.widgets.icons import pixmap
from app.widgets.lane_lamps import LaneLamps
from app.widgets.level_meter import LevelMeter
from engine.messages import AudioFeatures

STRIP_WIDTH_PX = 208
AUTO_TIP = "Give the tempo back to the tracker"
CAPTIONS = {
    SignalState.NO_DEVICE: "No device",
    SignalState.WAITING: "Waiting",
    SignalState.PAUSED: "Paused",
    SignalState.SILENT: "Silent",
    SignalState.LIVE: "",
}


class SignalCaption(QWidget):
    """The level in figures, or in a word why there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = SignalState.WAITING
        self._shown_db = ""
        self.icon = QLabel()
        self.icon.setPixmap(pixmap("no-device", 22, "red"))
        self.text = QLabel()
        self.text.setFont(font(24, QFont.Weight.DemiBold))
        self.unit = label("dBFS", "small")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.icon)
        layout.addWidget(self.text)
        self.unit.setContentsMargins(0, 9, 0, 0)
        layout.addWidget(self.unit)
        layout.addStretch(1)
        self.setFixedHeight(32)
        self.set_state(SignalState.WAITING)

    @Slot(object)
    def set_state(self, state: SignalState) -> None:
        """Show the figure or the word."""
        self._state = state
        self.icon.setVisible(state is SignalState.NO_DEVICE)
        self.unit.setVisible(state is SignalState.LIVE)
        tint = {SignalState.NO_DEVICE: "red", SignalState.SILENT: "ice"}.get(state, "text")
        restyle(self.text, "tint", tint)
        self.text.setText(CAPTIONS[state] or self._shown_db)

    @Slot(object)
    def set_features(self, features: AudioFeatures) -> None:
        """Take the newest level."""
        self._shown_db = f"{features.level_db:.0f}".replace("-", "\N{MINUS SIGN}")
        if self._state is SignalState.LIVE:
            self.text.setText(self._shown_db)


class PanicButtons(QWidget):
    """Freeze, black, still, restart."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.freeze = _panic_button("Freeze", "freeze", "Hold the picture", "freeze")
        self.black = _panic_button("Black", "black", "Black output, at once", "blackout")
        self.still = _panic_button("Still", "still", "Show the shipped still", "still")
        self.restart = _panic_button(
            "Restart", "restart", "Forget the picture and paint a new one from nothing", "restart"
        )
        self.restart.setCheckable(False)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.freeze, 0, 0)
        layout.addWidget(self.black, 0, 1)
        layout.addWidget(self.still, 1, 0)
        layout.addWidget(self.restart, 1, 1)
        self.freeze.clicked.connect(bridge.freeze)
        self.black.clicked.connect(bridge.blackout)
        self.still.clicked.connect(bridge.still)
        self.restart.clicked.connect(bridge.restart_picture)
        bridge.panic_changed.connect(self._on_panic)

    @Slot(object)
    def _on_panic(self, state: PanicState) -> None:
        self.freeze.setChecked(state.frozen)
        self.black.setChecked(state.blackout)
        self.still.setChecked(state.still)


class TempoButtons(QWidget):
    """Half and double tempo; the beat a little later or earlier."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.half = Button("\N{DIVISION SIGN}2", tip="Count half as many beats")
        self.double = Button("\N{MULTIPLICATION SIGN}2", tip="Count twice as many beats")
        self.later = Button("\N{MINUS SIGN}", tip="Let the beat come a little later")
        self.earlier = Button("+", tip="Let the beat come a little earlier")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for button in (self.half, self.double, self.later, self.earlier):
            layout.addWidget(button, 1)
        self.half.clicked.connect(bridge.halve_tempo)
        self.double.clicked.connect(bridge.double_tempo)
        self.later.clicked.connect(bridge.beat_later)
        self.earlier.clicked.connect(bridge.beat_earlier)


class MeterStrip(QFrame):
    """Everything left of the picture."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self.setFixedWidth(STRIP_WIDTH_PX)
        self._bridge = bridge
        self.beat = BeatLamp()
        self.tap = Button("TAP", kind="tap", tip=f"Tap the tempo ({shown_key('tap')})")
        self.auto = Button("Auto", kind="auto", tip=AUTO_TIP)
        self.hand = TempoButtons(bridge)
        self.lanes = LaneLamps()
        self.form = FormLine()
        self.source = BeatSource(bridge)
        self.caption = SignalCaption()
        self.level = LevelMeter()
        self.bands = BandMeters()
        self.panic = PanicButtons(bridge)
        self._arrange()
        self.tap.pressed.connect(bridge.tap_tempo)
        self.auto.clicked.connect(self._on_auto)
        for widget in (
            self.beat, self.lanes, self.form, self.level, self.bands, self.caption,
        ):  # fmt: skip
            bridge.features_changed.connect(widget.set_features)
            bridge.signal_state_changed.connect(widget.set_state)
        bridge.features_changed.connect(self._on_features)

    def _arrange(self) -> None:
        tempo = QHBoxLayout()
        tempo.setSpacing(6)
        tempo.addWidget(self.tap, 2)
        tempo.addWidget(self.auto, 1)
        meters = QHBoxLayout()
        meters.setSpacing(8)
        meters.addWidget(self.level)
        meters.addWidget(self.bands, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 14)
        layout.setSpacing(10)
        layout.addWidget(self.beat)
        layout.addLayout(tempo)
        layout.addWidget(self.hand)
        layout.addWidget(self.lanes)
        layout.addWidget(self.form)
        layout.addWidget(self.source)
        layout.addWidget(rule())
        layout.addWidget(self.caption)
        layout.addLayout(meters, 1)
        layout.addWidget(rule())
        layout.addWidget(self.panic)

    @Slot(object)
    def _on_features(self, features: AudioFeatures) -> None:
        """Light the way back while the tempo is fixed by hand."""
        by_hand = features.tempo_by_hand
        restyle(self.auto, "state", "way-back" if by_hand else "")
        self.auto.setToolTip(f"The tempo is set by hand. {AUTO_TIP}" if by_hand else AUTO_TIP)

    @Slot()
    def _on_auto(self) -> None:
        self._bridge.set_tempo(0.0)


def _panic_button(text: str, icon_name: str, tip: str, action: str) -> Button:
    button = Button(
        text, kind="panic", icon_name=icon_name, on_colour="ink",
        tip=f"{tip} ({shown_key(action)})", checkable=True,
    )  # fmt: skip
    button.setIconSize(QSize(16, 16))
    return button
