"""Listens to what is chosen, so that it is there again the next evening."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.engine_bridge import EngineBridge
from app.settings import Settings, SourceSettings
from app.snapshots import ModelState
from engine.commands import SourceChoice
from engine.messages import SourceStatus
from engine.registry import model_entries

SAVE_AFTER_MS = 1500
MOST_MODELS = 8


class Memory(QObject):
    """Keeps `Settings` up to date with the engine and says when to save. GUI thread only."""

    save_due = Signal()

    def __init__(
        self, bridge: EngineBridge, settings: Settings, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._settings = settings
        self._preset_chosen = ""  # by hand, not loaded yet
        self._model_chosen = ""  # by hand, not painting yet
        self._preset = ""  # the one that plays
        self._model_asked = ""  # the one that paints
        self._source = ("", "")  # kind and name of the file that has got its volume
        self._timer = QTimer(self, singleShot=True, interval=SAVE_AFTER_MS)
        self._timer.timeout.connect(self.save_due)
        bridge.preset_chosen.connect(self._note_preset)
        bridge.preset_changed.connect(self._on_preset)
        bridge.source_changed.connect(self._on_source)
        bridge.model_changed.connect(self._on_model)

    @Slot()
    def note(self) -> None:
        """Something changed: save soon."""
        self._timer.start()

    def stop(self) -> None:
        """Nothing more is due."""
        self._timer.stop()

    def note_source(self, choice: SourceChoice) -> None:
        """A source was chosen by hand."""
        self._settings.source = SourceSettings(
            kind=choice.kind, device=choice.device, path=choice.path
        )
        self.note()

    @Slot(str)
    def note_model(self, name: str) -> None:
        """A model was chosen by hand; it is remembered once it paints."""
        self._model_chosen = name
        self._keep_chosen_model()

    @Slot(object)
    def _on_model(self, state: ModelState) -> None:
        name, settings = state.asked, self._settings
        self._model_asked = name
        if name and name not in {entry.name for entry in model_entries()}:
            others = (known for known in settings.models if known != name)
            settings.models = (name, *others)[:MOST_MODELS]
            self.note()
        self._keep_chosen_model()

    def _keep_chosen_model(self) -> None:
        if self._model_chosen and self._model_chosen == self._model_asked:
            self._settings.model, self._model_chosen = self._model_chosen, ""
            self.note()

    @Slot(str)
    def _note_preset(self, name: str) -> None:
        """One was chosen by hand; remembered once it plays. One that OSC loads never is."""
        self._preset_chosen = name
        self._keep_chosen_preset()

    @Slot(str)
    def _on_preset(self, name: str) -> None:
        self._preset = name
        self._keep_chosen_preset()

    def _keep_chosen_preset(self) -> None:
        if self._preset_chosen and self._preset_chosen == self._preset:
            self._settings.preset, self._preset_chosen = self._preset_chosen, ""
            self.note()

    @Slot(object)
    def _on_source(self, status: SourceStatus) -> None:
        if status.duration_s is None:
            self._source = ("", "")
            return
        source = (status.kind, status.name)
        if source != self._source:
            self._source = source
            self._hand_over(status)
            return
        loops = status.loop if status.kind == "file" else self._settings.loop
        if (status.volume, loops) != (self._settings.volume, self._settings.loop):
            self._settings.volume, self._settings.loop = status.volume, loops
            self.note()

    def _hand_over(self, status: SourceStatus) -> None:
        """A new file begins with its own volume: give it the remembered one."""
        if status.volume != self._settings.volume:
            self._bridge.set_volume(self._settings.volume)
        if status.kind == "file" and status.loop != self._settings.loop:
            self._bridge.set_loop(self._settings.loop)
