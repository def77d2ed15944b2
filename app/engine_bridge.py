"""The one border between Qt and the engine: it polls frozen values and posts commands.

`EngineBridge` is the only object the widgets know. All its signals are emitted on the GUI thread
by its own timers, and only when something has changed; a slow repaint therefore never queues the
past. The engine never calls up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QObject, Qt, QTimer, Signal, SignalInstance, Slot

from app.begun_exports import BegunExports
from app.crash import CrashLog
from app.device_scan import DeviceScan, ListedDevice
from app.export_job import ExportJob, ExportRequest, ExportState
from app.message_board import MessageBoard
from app.recent import RecentFigures
from app.running_engine import RunningEngine
from app.snapshots import (
    Message,
    ModelState,
    PanicState,
    PromptState,
    figures,
    heard_text,
    signal_state,
)  # fmt: skip
from engine import commands
from engine.clock import Clock, MonotonicClock
from engine.conditioning.adapter_choice import adapter_choice
from engine.errors import ModelLoadError, PresetError
from engine.messages import EngineStatus, RecordStatus, SourceStatus
from engine.presets import preset_names

logger = logging.getLogger(__name__)

FRAME_POLL_MS = 8
STATUS_POLL_MS = 33
NUDGE_BEATS = 0.02
"""What one press moves the beat by."""


class EngineBridge(QObject):
    """Polls the engine and tells the widgets; one slot per command. GUI thread only."""

    frame_changed = Signal(object)
    """Frame"""
    features_changed = Signal(object)
    """AudioFeatures"""
    signal_state_changed = Signal(object)
    """SignalState"""
    values_changed = Signal(object)
    """Mapping[str, float]: base values"""
    modulated_changed = Signal(object)
    """Mapping[str, float]: after modulation"""
    source_changed = Signal(object)
    """SourceStatus"""
    structure_changed = Signal(object)
    """StructureStatus: what steers the shapes"""
    sound_changed = Signal(object)
    """SoundStatus: how the sound gets into the picture"""
    clock_changed = Signal(str)
    """Whose beat leads: `sound`, `midi` or `link`"""
    prompts_changed = Signal(object)
    """PromptState"""
    presets_changed = Signal(object)
    """tuple[str, ...]: all names that can be loaded"""
    preset_changed = Signal(str)
    preset_chosen = Signal(str)
    """A preset was asked for in this window, not by OSC; the engine may still refuse it."""
    scenes_changed = Signal(object)
    """tuple[str, ...]: the prompts of all scenes, with those set by hand"""
    model_changed = Signal(object)
    """ModelState"""
    loras_changed = Signal(object)
    """tuple[LoraChoice, ...]: what is merged into the model"""
    record_changed = Signal(object)
    """RecordStatus while a recording runs or is being finished, else None"""
    panic_changed = Signal(object)
    """PanicState"""
    figures_changed = Signal(object)
    """Figures"""
    message_changed = Signal(object)
    """Message: an error, until it is dismissed or resolved"""
    notice_changed = Signal(object)
    """Message: something good to know, for a while"""
    devices_changed = Signal(object)
    """DeviceList"""
    export_changed = Signal(object)
    """ExportState"""

    def __init__(
        self,
        engine: RunningEngine,
        list_devices: Callable[[], Sequence[ListedDevice]],
        crash_log: CrashLog | None = None,
        export_command: Sequence[str] | None = None,
        parent: QObject | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(parent)
        self._engine = engine
        self._clock = clock or MonotonicClock()
        self._recent = RecentFigures(engine.config.fps)
        self._crash_log = crash_log
        self._seen: dict[str, object] = {}
        self._frame_version = 0
        self._features_index = -1
        self._board = MessageBoard()
        self.devices = DeviceScan(list_devices)
        self._begun = BegunExports()
        self.export_job = ExportJob(export_command, self)
        self.export_job.changed.connect(self._on_export_changed)
        self._frame_timer = QTimer(self, interval=FRAME_POLL_MS)
        self._frame_timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._frame_timer.timeout.connect(self.poll_frame)
        self._status_timer = QTimer(self, interval=STATUS_POLL_MS)
        self._status_timer.timeout.connect(self.poll_status)

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to poll."""
        self._offer("presets", tuple(preset_names()), self.presets_changed)
        self._frame_timer.start()
        self._status_timer.start()

    def stop(self) -> None:
        """Stop polling; nothing is emitted afterwards. The engine stays as it is."""
        self._frame_timer.stop()
        self._status_timer.stop()
        self.export_job.close()

    # -- polling ------------------------------------------------------------------------------

    @Slot()
    def poll_frame(self) -> None:
        """Emit the newest frame if there is one that was not shown yet."""
        version = self._engine.frames.version
        if version == self._frame_version:
            return
        self._frame_version = version
        frame = self._engine.frames.get()
        if frame is not None:
            self._recent.see(frame, self._clock.now())
            self.frame_changed.emit(frame)

    @Slot()
    def poll_status(self) -> None:
        """Look at the engine once and emit what differs from the last look."""
        status = self._engine.status()
        self._offer_sound(status)
        self._offer("values", dict(status.values), self.values_changed)
        self._offer("modulated", dict(status.modulated), self.modulated_changed)
        self._offer("structure", status.structure, self.structure_changed)
        self._offer("sound", status.sound, self.sound_changed)
        self._offer_prompts(status)
        self._offer("scenes", status.prompt_texts, self.scenes_changed)
        self._offer("preset", status.preset, self.preset_changed)
        model = ModelState(status.model_asked, status.model_opening)
        self._offer("model", model, self.model_changed)
        self._offer("loras", status.loras, self.loras_changed)
        self._offer("record", status.record, self.record_changed)
        self._offer_recorded(status.recorded)
        panic = PanicState(status.frozen, status.blackout, status.still)
        self._offer("panic", panic, self.panic_changed)
        recent = self._recent.look(status, self._clock.now())
        asked_fps = self._engine.config.fps
        self._offer("figures", figures(status, recent, asked_fps), self.figures_changed)
        self._offer("devices", self.devices.result(), self.devices_changed)
        self._take_messages(status)

    def _offer(self, key: str, value: object, signal: SignalInstance) -> None:
        if key not in self._seen or self._seen[key] != value:
            self._seen[key] = value
            signal.emit(value)

    def _offer_sound(self, status: EngineStatus) -> None:
        self._offer("signal", signal_state(status), self.signal_state_changed)
        self._offer("source", status.source, self.source_changed)
        self._offer("clock", status.tempo.kind, self.clock_changed)
        features = status.features
        if features is not None and features.sample_index != self._features_index:
            self._features_index = features.sample_index
            self.features_changed.emit(features)

    def _offer_prompts(self, status: EngineStatus) -> None:
        prompts = PromptState(
            texts=tuple(prompt.text for prompt in status.prompts),
            weights=tuple(round(prompt.weight, 2) for prompt in status.prompts),
            index=status.prompt_index,
            model=status.model,
            unknown_words=status.unknown_words,
            words_left_out=status.words_left_out,
            heard=heard_text(status.semantic),
        )
        self._offer("prompts", prompts, self.prompts_changed)

    def _offer_recorded(self, recorded: RecordStatus | None) -> None:
        if recorded is not None and recorded != self._seen.get("recorded"):
            self._seen["recorded"] = recorded
            text = f"Recorded {recorded.seconds:.1f} s to {recorded.path}"
            self.report(Message(text, "notice"))

    # -- messages -----------------------------------------------------------------------------

    def _take_messages(self, status: EngineStatus) -> None:
        self._put_message("engine", status.message)
        self._put_message("model", status.model_problem)
        self._put_message("source", status.source.message)
        self._put_message("clock", status.tempo.reading.message)
        self._put_message("structure", status.structure.message)
        self._put_message("sound", status.sound.message)
        self._put_record_message(status.record)
        self._put_message("devices", self.devices.result().message)
        if self._crash_log is not None:
            self._put_message("crash", self._crash_log.latest())
        self._board.step(self._clock.now())
        self._show_messages()

    def _put_record_message(self, record: RecordStatus | None) -> None:
        if record is not None and record.finishing and not record.message:
            self._put_message("record", f"Finishing the recording {record.path}", "notice")
        else:
            self._put_message("record", record.message if record is not None else "")

    def _put_message(
        self, origin: str, text: str, level: Literal["error", "notice"] = "error"
    ) -> None:
        message = Message(text, level) if text else Message("")
        self._board.put(origin, message, self._clock.now())

    def _show_messages(self) -> None:
        self._offer("message", self._board.error, self.message_changed)
        self._offer("notice", self._board.notice, self.notice_changed)

    @Slot(object)
    def report(self, message: Message) -> None:
        """Show a line of the window itself; an empty one takes it back."""
        self._board.say(message, self._clock.now())
        self._show_messages()

    @Slot(str)
    def dismiss_message(self, level: Literal["error", "notice"]) -> None:
        """Hide the line of a level; it does not come back by itself."""
        self._board.dismiss(level)
        self._show_messages()

    @Slot(object)
    def _on_export_changed(self, state: ExportState) -> None:
        self._put_message("export", state.message)
        self._show_messages()
        if state.phase == "done":
            self._begun.forget(Path(state.output))
        self._offer("export", state, self.export_changed)

    # -- commands -----------------------------------------------------------------------------

    def _post(self, command: commands.Command) -> None:
        """Post what the performer asks for; what was only good to know has been read by then."""
        self._board.act(self._clock.now())
        self._show_messages()
        self._engine.post(command)

    @Slot(str, float)
    def set_param(self, name: str, value: float) -> None:
        """Set a base value, native unit."""
        self._post(commands.SetParam(name, value))

    @Slot(str)
    def set_prompt(self, text: str) -> None:
        """Go to this prompt; blank text is ignored."""
        if text.strip():
            self._post(commands.SetPrompt(text.strip()))

    @Slot(int)
    def go_to_prompt(self, index: int) -> None:
        """Go to this scene of the preset's walk; its text stays, and the others' too."""
        self._post(commands.GoToPrompt(index))

    @Slot()
    def next_prompt(self) -> None:
        """Walk to the next prompt of the preset."""
        self._post(commands.NextPrompt())

    @Slot(str)
    def load_preset(self, name: str) -> None:
        """Load a preset by name."""
        self._post(commands.LoadPreset(name))
        self.preset_chosen.emit(name)

    @Slot(int)
    def step_preset(self, step: int) -> None:
        """Load the preset `step` places further down the list; the list is a ring."""
        names = preset_names()
        if not names:
            return
        self._offer("presets", tuple(names), self.presets_changed)
        current = str(self._seen.get("preset", ""))
        index = (names.index(current) + step) if current in names else 0
        self.load_preset(names[index % len(names)])

    @Slot(str)
    def select_model(self, name: str) -> None:
        """Paint with another model: a name, a folder or a hub id; blank text is ignored."""
        if name.strip():
            self._post(commands.SelectModel(name.strip()))

    @Slot()
    def tap_tempo(self) -> None:
        """Count this moment as a tap."""
        self._post(commands.TapTempo())

    @Slot(float)
    def set_tempo(self, bpm: float) -> None:
        """Fix the tempo; 0 gives it back to the tracker."""
        self._post(commands.SetTempo(bpm))

    @Slot(object)
    def select_structure(self, choice: commands.StructureChoice) -> None:
        """Let another picture, video or camera steer the shapes."""
        self._post(commands.SelectStructure(choice))

    @Slot(str)
    def load_adapter(self, path: str) -> None:
        """Load an adapter of sound; `projector` or `mapper` alone: the one that ships."""
        try:
            self._post(adapter_choice(path))
        except ModelLoadError as error:
            self.report(Message(str(error)))

    @Slot(object)
    def select_clock(self, choice: commands.ClockChoice) -> None:
        """Let another beat clock lead."""
        self._post(commands.SelectClock(choice))

    @Slot()
    def halve_tempo(self) -> None:
        """Count half as many beats."""
        self._post(commands.HalveTempo())

    @Slot()
    def double_tempo(self) -> None:
        """Count twice as many beats."""
        self._post(commands.DoubleTempo())

    @Slot()
    def beat_earlier(self) -> None:
        """Let the beat come a little earlier from now on."""
        self._post(commands.NudgeTempo(NUDGE_BEATS))

    @Slot()
    def beat_later(self) -> None:
        """Let the beat come a little later from now on."""
        self._post(commands.NudgeTempo(-NUDGE_BEATS))

    @Slot()
    def toggle_recording(self) -> None:
        """Start to record into the user's video folder, or finish."""
        record = self._seen.get("record")
        if not isinstance(record, RecordStatus) or record.finishing:
            self._post(commands.StartRecording())
        else:
            self._post(commands.StopRecording())

    @Slot(bool)
    def freeze(self, on: bool) -> None:
        """Hold the picture."""
        self._post(commands.Freeze(on))

    @Slot(bool)
    def blackout(self, on: bool) -> None:
        """Black output."""
        self._post(commands.Blackout(on))

    @Slot(bool)
    def still(self, on: bool) -> None:
        """Show the shipped still."""
        self._post(commands.Still(on))

    @property
    def panic(self) -> PanicState:
        """Which holding buttons are down, as last seen."""
        state = self._seen.get("panic")
        return state if isinstance(state, PanicState) else PanicState()

    @Slot()
    def restart_picture(self) -> None:
        """Paint a fresh picture."""
        self._post(commands.RestartPicture())

    @Slot(object)
    def select_source(self, choice: commands.SourceChoice) -> None:
        """Listen to another source."""
        self._post(commands.SelectSource(choice))

    @Slot(bool)
    def play(self, on: bool) -> None:
        """Play or pause the file."""
        self._post(commands.Play(on))

    @Slot(float)
    def seek(self, position_s: float) -> None:
        """Jump in the file."""
        self._post(commands.Seek(position_s))

    @Slot(bool)
    def set_loop(self, on: bool) -> None:
        """Start the file again at its end, or not."""
        self._post(commands.SetLoop(on))

    @Slot(float)
    def set_volume(self, volume: float) -> None:
        """Loudness of the file in the speakers."""
        self._post(commands.SetVolume(volume))

    @property
    def source(self) -> SourceStatus:
        """The sound source as last seen."""
        source = self._seen.get("source")
        return source if isinstance(source, SourceStatus) else SourceStatus("none", "", False)

    @Slot()
    def scan_devices(self) -> None:
        """Look for sound devices on a thread of its own; `devices_changed` follows."""
        self.devices.start()

    @Slot(object)
    def start_export(self, request: ExportRequest) -> None:
        """Render the look of this moment in a process of its own; the show goes on."""
        self.export_job.start(self._as_played(request))

    def _as_played(self, request: ExportRequest) -> ExportRequest:
        """Return the request with sliders and prompts as they are now, not as the preset was."""
        try:
            return self._begun.begin(request, self._engine.status())
        except (PresetError, OSError) as error:
            self.report(Message(f"Exporting the preset without your changes: {error}"))
            return request

    def interrupted_export(self, output: Path) -> ExportRequest | None:
        """Return what goes on with an interrupted export of `output`, None if there is none."""
        return self._begun.recall(output)

    @Slot(object)
    def resume_export(self, request: ExportRequest) -> None:
        """Go on with an interrupted export, with the look it began with."""
        self.export_job.start(request)

    @Slot()
    def cancel_export(self) -> None:
        """Stop the export; what was rendered is kept."""
        self.export_job.cancel()
