"""The sound itself in the picture: how strongly, by which encoding, and what a projector hears."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.engine_bridge import EngineBridge
from app.widgets.buttons import Button, Choice, ElidedLabel
from app.widgets.icons import icon
from app.widgets.level_slider import LEVEL_PARAMS, LevelSlider
from app.widgets.param_row import ParamRow
from engine.conditioning.projector.plan import DOMAINS
from engine.messages import SoundStatus
from engine.sound_choices import SOUND_ENCODINGS, readers_of, unread_by

NAMES = {
    "waveform": ("Waveform", "the samples themselves"),
    "fft": ("Spectrum", "the strengths of all frequencies (fft)"),
    "mel": ("Mel bands", "the spectrum as ears divide it"),
    "mfcc": ("Envelope", "the shape of the mel bands (mfcc)"),
    "projector": ("Projector", "a trained adapter that tells foreground, background and "
                  "atmosphere apart"),
    "mapper": ("Mapper", "a trained adapter from what is heard to words"),
}  # fmt: skip
"""What each encoding is called here, and what it is."""
FILE_FILTER = "Adapters (*.safetensors);;All files (*)"
BENT = "sound/bend"
SAME = 0.005
"""Gates nearer than this to a preset's are the preset's: sliders show two digits."""


class SoundPanel(QWidget):
    """Takes the rows of `sound/*` into its own order; greys out those that nothing reads now.

    The fader comes first: with the heading it is what has to be seen without a scroll. No slider
    comes or goes with the encoding, so that nothing moves under a hand.
    """

    def __init__(
        self, bridge: EngineBridge, rows: Mapping[str, ParamRow], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.rows = {name: row for name, row in rows.items() if row.spec.group == "sound"}
        self._encoding = ""
        self._status = SoundStatus()
        self._awaited = ""  # a file asked for here: its encoding is chosen once it is loaded
        self.choice = Choice("How the sound becomes a prompt")
        for name in SOUND_ENCODINGS:
            text, help_ = NAMES[name]
            self.choice.addItem(text, name)
            self.choice.setItemData(
                self.choice.count() - 1, f"{text}: {help_}", Qt.ItemDataRole.ToolTipRole
            )
        self.load = Button(
            "Load adapter\N{HORIZONTAL ELLIPSIS}", tip="Load a trained projector or mapper"
        )
        self.file = ElidedLabel("", "small")
        self.unload = Button(kind="quiet", tip="Back to the adapter that ships")
        self.unload.setIcon(icon("close", "dim"))
        self.unload.setFixedWidth(28)
        self.domains = {
            name: Button(
                name.capitalize(), kind="segment", checkable=True,
                tip=f"Gates for {name}; once more opens all three",
            )
            for name in DOMAINS
        }  # fmt: skip
        self.message = QLabel()
        self._file_row, self._domain_row = QWidget(), QWidget()
        self._arrange()
        self._connect()

    def _arrange(self) -> None:
        self.rows["sound/encoding"].hide()  # the list stands for it
        self.rows["sound/mix"].name_label.set_full_text("Strength")
        self.message.setProperty("role", "warn")
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.hide()
        head = QHBoxLayout()
        head.setSpacing(4)
        head.addWidget(self.choice, 1)
        head.addWidget(self.load)
        _line(self._file_row, self.file, self.unload)
        _line(self._domain_row, *self.domains.values())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.rows["sound/mix"])
        layout.addLayout(head)
        layout.addWidget(self._file_row)
        layout.addSpacing(4)
        for name in LEVEL_PARAMS:
            layout.addWidget(self.rows[name])
        layout.addWidget(self._domain_row)
        for name in ("sound/norm", "sound/temperature", "sound/scale", BENT):
            layout.addWidget(self.rows[name])
        layout.addWidget(self.message)

    def _connect(self) -> None:
        self.choice.activated.connect(self._on_activated)
        self.load.clicked.connect(self._on_load)
        self.unload.clicked.connect(self._on_unload)
        for name, button in self.domains.items():
            button.clicked.connect(partial(self._on_domain, name))
        for name in LEVEL_PARAMS:
            self.rows[name].slider.edited.connect(self._on_gate)
        self._bridge.values_changed.connect(self._on_values)
        self._bridge.sound_changed.connect(self._on_sound)

    def open_file(self, path: str) -> None:
        """Load an adapter, and hear by it once it is loaded."""
        self._awaited = path
        self._bridge.load_adapter(path)
        self._follow_file()

    # -- hand ---------------------------------------------------------------------------------

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        name = str(self.choice.itemData(index))
        self._show()  # the engine decides; until then the old choice stays
        self._choose(name)

    def _choose(self, name: str) -> None:
        self._bridge.set_param("sound/encoding", float(SOUND_ENCODINGS.index(name)))

    @Slot()
    def _on_load(self) -> None:
        dialog = QFileDialog(self.window(), "Load an adapter", "", FILE_FILTER)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.open_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot()
    def _on_unload(self) -> None:
        self._bridge.load_adapter(self._encoding)

    @Slot()
    def _on_domain(self, name: str) -> None:
        gates = DOMAINS[name] if not self._is_domain(name) else (1.0,) * len(LEVEL_PARAMS)
        for param, gate in zip(LEVEL_PARAMS, gates, strict=True):
            self.rows[param].slider.edit(gate)
        self._mark_domains()

    @Slot(float)
    def _on_gate(self, gate: float) -> None:
        self._mark_domains()

    # -- engine -------------------------------------------------------------------------------

    @Slot(object)
    def _on_values(self, values: Mapping[str, float]) -> None:
        if "sound/encoding" not in values:  # an engine that has failed has none
            return
        encoding = SOUND_ENCODINGS[int(values["sound/encoding"])]
        if encoding != self._encoding:
            self._encoding = encoding
            self._show()
        self._mark_domains()

    @Slot(object)
    def _on_sound(self, status: SoundStatus) -> None:
        self._status = status
        self._follow_file()
        if status.message:
            self._awaited = ""  # it was not taken
        self._show()

    def _follow_file(self) -> None:
        """Choose the encoding of the file that was asked for here, once the engine has it."""
        for encoding, path in self._status.files.items():
            if self._awaited and Path(path) == Path(self._awaited):
                self._awaited = ""
                if encoding != self._encoding:
                    self._choose(encoding)

    def _show(self) -> None:
        status, encoding = self._status, self._encoding
        self.choice.setCurrentIndex(self.choice.findData(encoding))
        unread = self._unread()
        for name, row in self.rows.items():
            row.set_unread(readers_of(name) if name in unread else "")
        self._domain_row.setEnabled(LEVEL_PARAMS[0] not in unread)
        for place, name in enumerate(LEVEL_PARAMS):
            slider = self.rows[name].slider
            assert isinstance(slider, LevelSlider)
            slider.set_level(status.levels[place] if status.levels else 0.0)
        self._show_file()
        self.message.setText(status.message)
        self.message.setVisible(bool(status.message))

    def _unread(self) -> Collection[str]:
        """What is open knows best; before it is, a projector counts as one with ears."""
        status, encoding = self._status, self._encoding
        if status.encoding == encoding:
            return status.unread
        return (*unread_by(encoding), *((BENT,) if encoding == "projector" else ()))

    def _show_file(self) -> None:
        own = self._status.files.get(self._encoding, "")
        is_open = self._status.encoding == self._encoding
        path = own or (self._status.adapter if is_open else "")
        self._file_row.setVisible(bool(path))
        self.unload.setVisible(bool(own))
        self.file.set_full_text(Path(path).name if own else f"{Path(path).name}, as shipped")

    def _is_domain(self, name: str) -> bool:
        gates = [self.rows[param].slider.value for param in LEVEL_PARAMS]
        pairs = zip(gates, DOMAINS[name], strict=True)
        return all(abs(gate - wanted) < SAME for gate, wanted in pairs)

    def _mark_domains(self) -> None:
        for name, button in self.domains.items():
            button.setChecked(self._is_domain(name))


def _line(row: QWidget, *widgets: QWidget) -> None:
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 2, 0, 2)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget, 0 if widget.maximumWidth() == widget.minimumWidth() else 1)
