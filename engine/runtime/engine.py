"""The running engine: builds the stages, starts and stops their threads, takes commands.

Nothing below knows this module; nothing above touches a stage but through it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

from engine import commands as cmd
from engine.clock import Clock, MonotonicClock
from engine.compose.composer import Composer
from engine.compose.still import first_still
from engine.conditioning.encodings import AdapterShelf
from engine.diffusion.brush import Brush
from engine.diffusion.loop import DiffusionLoop
from engine.errors import AudioDeviceError, CommandError, EngineError, StructureError
from engine.mailbox import Fifo, Latest
from engine.messages import (
    AudioFeatures,
    ControlState,
    EngineStatus,
    Frame,
    Phase,
    Picture,
    Uint8,
    freeze,
)
from engine.modulation.stage import Modulation
from engine.presets import Preset, load_preset
from engine.protocols import AudioSource, Transport
from engine.registry import DEFAULT_MODEL, DEFAULT_RUNNER, ModelRequest
from engine.runtime import limits
from engine.runtime.brushes import brush_for
from engine.runtime.config import EngineConfig
from engine.runtime.foresight import Foresight
from engine.runtime.lead import Lead
from engine.runtime.listening import open_missing_source, open_source, operate
from engine.runtime.pace import Pace
from engine.runtime.pump import PUMP_WAIT_S, Pump
from engine.runtime.recordings import Recordings
from engine.runtime.semantic_loop import SemanticLoop
from engine.runtime.skips import Skips
from engine.runtime.sound_tap import SoundTap
from engine.runtime.source_slot import SourceOpener, SourceSlot
from engine.runtime.structure_slot import StructureOpener, StructureSlot
from engine.runtime.tempo_slot import TempoOpener, TempoSlot
from engine.semantic.adapters import open_live_adapter
from engine.semantic.bank import open_bank
from engine.semantic.describer import Describer
from engine.semantic.far_ears import FarEars
from engine.semantic.far_hearing import FarHearing, work_of
from engine.semantic.listeners import open_listener
from engine.threads import Worker

logger = logging.getLogger(__name__)

EXTRAPOLATE_S = 0.25
"""A control state older than this no longer carries the motion on."""
WATCH_S = 0.5
"""A device that comes back is heard within 2 s."""
STOP_LIMIT_S = 10.0
"""Painting and opening are left midway (`engine.diffusion.breath`); what has no places to look up,
as importing torch or merging a LoRA, may need this long. After that the process ends all the same,
see `app.__main__`."""


@dataclass(frozen=True, slots=True)
class _AdoptPreset:
    preset: Preset


_FAST = (
    cmd.SetParam, cmd.SetPrompt, cmd.GoToPrompt, cmd.NextPrompt, cmd.RestartPicture,
    cmd.TapTempo, cmd.SetTempo, cmd.NudgeTempo, cmd.HalveTempo, cmd.DoubleTempo,
)  # fmt: skip


class Engine:
    """Sound in, frames out. `post`, `status`, `frames` are for any thread and never block."""

    def __init__(
        self,
        config: EngineConfig,
        *,
        clock: Clock | None = None,
        open_source: SourceOpener | None = None,
        open_tempo: TempoOpener | None = None,
        open_structure: StructureOpener | None = None,
    ) -> None:
        """What is to be `open`ed replaces the real one: tests and benchmarks bring their own.

        Raises `EngineError` for a preset, size, rate or seed that will not do.
        """
        limits.check_size(config.width, config.height)
        limits.check_model_size(config.model_width, config.model_height)
        limits.check_fps(config.fps)
        limits.check_param("diffusion/seed", config.seed)
        self.config = config
        self.frames: Latest[Frame] = Latest()
        self._clock = clock or MonotonicClock()
        self._slot = SourceSlot(
            open_source or self._open_source, open_source or self._open_missing_source, self._clock
        )
        self._tempo = TempoSlot(self._clock, open_tempo)
        self._structure = StructureSlot(self._clock, open_structure)
        self._controls: Latest[ControlState] = Latest()
        self._features: Latest[AudioFeatures] = Latest()
        self._pictures: Latest[Picture] = Latest()
        self._fast: Fifo[cmd.Command | _AdoptPreset] = Fifo(4096)
        self._slow: Fifo[cmd.Command] = Fifo(64)
        preset = load_preset(config.preset)
        self._preset_name = config.preset
        self._modulation = Modulation(preset)
        if config.seed is not None:
            self._modulation.apply(cmd.SetParam("diffusion/seed", float(config.seed)))
        self._composer = Composer(config.width, config.height, first_still(config.still))
        self._tap = SoundTap()
        far_ears = FarEars()
        self._diffusion = DiffusionLoop(
            self._controls,
            self._pictures,
            self._clock,
            self._brush(DEFAULT_MODEL, "auto", DEFAULT_RUNNER),
            self._structure.picture_at,
            self._tap.sound_at,
            AdapterShelf(config.adapters, partial(open_live_adapter, far_ears)),
        )
        self._semantic = SemanticLoop(
            self._slot,
            self._features,
            lambda: self._modulation.modulated["audio/gain"],
            lambda stopping: open_listener(
                config.listener, config.device_compute, stopping=stopping
            ),
            open_bank(config.labels),
            FarHearing(far_ears, partial(work_of, device=config.device_compute)),
        )
        self._recordings = Recordings(config.width, config.height, config.fps)
        self.logged = ""
        """The newest message that is in the log. Any thread may read."""
        self.model_wanted = config.model
        """The model that was asked for last. Any thread may read."""
        self._message = ""
        self._phase = Phase.STARTING
        self._pace = Pace()
        self._skips = Skips(self._log)
        self._describer = Describer()  # analysis thread only
        whole = config.lookahead == "whole"
        self._foresight = Foresight(lambda: self._pictures.get() is not None) if whole else None
        self._lead = Lead(self._pace, config.fps, config.offsets_ms)
        self._workers: list[Worker] = []

    def start(self) -> None:
        """Open the source, start all threads, begin to load the model. Raises `EngineError`."""
        self._tempo.choose(self.config.clock)
        self._slot.choose(self.config.source)
        self._choose_first_structure()
        self._wear(self._modulation.preset)
        self._diffusion.request_model(self._brush(self.config.model))
        bodies: dict[str, Callable[[threading.Event], None]] = {
            "analysis": self._analyse,
            "semantic": self._semantic.run,
            "diffusion": self._diffusion.run,
            "composer": self._compose,
            "control": self._obey,
            "watchdog": self._watch,
        }
        self._workers = [Worker(name, body, self._worker_died) for name, body in bodies.items()]
        for worker in self._workers:
            worker.start()
        self._phase = Phase.LOADING
        if self.config.record is not None:
            self.post(cmd.StartRecording(self.config.record))

    def _choose_first_structure(self) -> None:
        try:
            self._structure.choose(self.config.structure)
        except StructureError as error:  # the show goes on, its shapes are free
            self._say(str(error))

    def post(self, command: cmd.Command) -> None:
        """Ask for something; applied at the next boundary of the stage it concerns."""
        match command:
            case cmd.Freeze(on):
                self._composer.freeze = on
            case cmd.Blackout(on):
                self._composer.blackout = on
            case cmd.Still(on):
                self._composer.still = on
            case _ if isinstance(command, _FAST):
                self._fast.put(command)
            case _:
                self._slow.put(command)

    def status(self) -> EngineStatus:
        """Return one frozen look at everything."""
        picture = self._pictures.get()
        phase = self._phase
        if phase is Phase.LOADING and picture is not None:
            phase = self._phase = Phase.RUNNING
        opening = self._diffusion.model_opening
        if phase is Phase.RUNNING and opening:
            phase = Phase.LOADING
        source_status, tempo = self._slot.status(), self._tempo.status()
        structure, sound = self._structure.status(), self._diffusion.sound
        skipping = self._skips.message(self._clock.now())
        hearing = skipping or source_status.message or tempo.reading.message
        hearing = hearing or self._semantic.message
        return EngineStatus(
            phase=phase,
            message=self._message
            or self._diffusion.message
            or hearing
            or structure.message
            or sound.message
            or self._diffusion.runner_message
            or self._unled(structure.kind)
            or self._diffusion.advice,
            model=self._diffusion.model_name or self.config.model,
            model_asked=self._diffusion.model_asked,
            model_opening=opening,
            runner=self._diffusion.runner,
            model_problem=self._diffusion.message,
            preset=self._preset_name,
            source=source_status,
            tempo=tempo,
            structure=structure,
            sound=sound,
            features=self._features.get(),
            semantic=self._semantic.states.get(),
            values=self._modulation.base,
            modulated=self._modulation.modulated,
            prompts=self._modulation.prompts,
            prompt_texts=self._modulation.prompt_texts,
            prompt_index=self._modulation.prompt_index,
            unknown_words=self._diffusion.readings.unknown_words,
            words_left_out=self._diffusion.readings.words_left_out,
            loras=self._diffusion.loras,
            record=self._recordings.status(),
            recorded=self._recordings.last,
            ai_fps=self._diffusion.rate.per_second,
            output_fps=self._pace.frames_per_second,
            frames=self._pace.frames,
            pictures=self._diffusion.rate.made,
            dropped=self._pace.dropped,
            overflows=self._slot.overflows + self._skips.count,
            latency_ms=self._pace.latency_ms,
            longest_gap_ms=self._pace.longest_gap_ms,
            flashes_limited=self._composer.flashes_limited,
            frozen=self._composer.freeze,
            blackout=self._composer.blackout,
            still=self._composer.still,
        )

    def _unled(self, structure: str) -> str:
        """One line while a ControlNet has nothing to follow."""
        if not self.config.guides.controlnet or structure != "none":
            return ""
        return (
            "the ControlNet has nothing to follow: choose a structure (--structure, the window's "
            "Structure section, or /sonolume/structure/source)"
        )

    def report(self) -> dict[str, object]:
        """The figures of the whole run (`sonolume live --json`). Any thread."""
        import psutil

        status = self.status()
        features = status.features
        record = status.record or status.recorded
        return {
            "model": status.model,
            "runner": self._diffusion.runner,
            "frames": status.frames,
            "ai_fps": round(self._diffusion.rate.mean_per_second, 2),
            "output_fps": round(self._pace.mean_frames_per_second, 2),
            "dropped": status.dropped,
            "overflows": status.overflows,
            "beats": features.beat_count if features else 0,
            "tempo_bpm": round(features.tempo_bpm, 2) if features else 0.0,
            "latency_ms": self._pace.latency_percentiles_ms(),
            "longest_gap_ms": round(status.longest_gap_ms, 1),
            "hop_ms": self._pace.hop_percentiles_ms(),
            "tracker_ms": self._pace.tracker_percentiles_ms(),
            "rss_mb": round(psutil.Process().memory_info().rss / 2**20, 1),
            "record": asdict(record) if record is not None else None,
            "structure": status.structure.spec,
            "sound": asdict(status.sound),
            "message": status.message
            or (record.message if record is not None else "")
            or self.why_unpainted(),
        }

    @property
    def heard_any_source(self) -> bool:
        """False while the inputs asked for could not be opened, not once. Any thread."""
        return self._slot.opened

    def why_unpainted(self) -> str:
        """Return one line when nothing was painted, or not yet by the model asked for; else "".

        Any thread.
        """
        status = self.status()
        if status.pictures and status.model_opening:
            return f"{status.model_opening} was still loading, {status.model} painted; run longer"
        if status.pictures:
            return ""
        if status.model_opening:
            return f"no picture was painted: {status.model_opening} was still loading; run longer"
        if self._controls.get() is None:
            return "no picture was painted: nothing was heard yet; run longer"
        return f"no picture was painted: {status.model} was still at its first one; run longer"

    def warn(self, message: str) -> None:
        """Show a line that the caller has logged. Any thread, never blocks."""
        if self._phase is not Phase.FAILED:
            self._message = self.logged = message

    def newest_picture(self) -> Uint8 | None:
        """The newest generated picture. Any thread, never blocks."""
        picture = self._pictures.get()
        return picture.pixels if picture is not None else None

    def close(self) -> None:
        """Stop all threads, finish a recording, free the source; idempotent."""
        for worker in self._workers:
            worker.stopping.set()
        self._controls.wake()
        for worker in self._workers:
            worker.stop(STOP_LIMIT_S)
        self._workers = []
        if self._foresight is not None:
            self._foresight.close()
        problem = self._recordings.close()
        if problem:
            self._say(problem)
        self._slot.close()
        self._tempo.close()
        self._structure.close()
        self._phase = Phase.STOPPED

    # analysis thread ----------------------------------------------------------------------------

    def _analyse(self, stopping: threading.Event) -> None:
        number = -1
        pump: Pump | None = None
        while not stopping.is_set():
            heard = self._slot.heard
            if heard is None:
                stopping.wait(PUMP_WAIT_S)
                continue
            source = heard.source
            if pump is None or number != heard.number:
                number = heard.number
                pump = Pump(source, self._clock, pump.show_s if pump is not None else 0.0)
            pump.follow(self._tempo.source)
            self._apply_fast(pump)
            block = pump.next_block()
            recording = self._recordings.running
            if recording is not None and len(block):
                recording.hear(block, source.sample_rate, pump.show_s)
            self._modulation.start_s = pump.start_s
            self._modulation.listen(self._semantic.states.get())
            heard_features = pump.hear(block)
            if pump.skipped:
                self._skips.note(pump.skipped / source.sample_rate, self._clock.now())
            for features in heard_features:
                self._pace.note_hop(pump.analyzer.hop_s, pump.analyzer.tracker_s)
                if self._foresight is not None:
                    features = self._foresight.step(features, pump)
                dt_s = pump.step_s(features)
                if self._modulation.describes:
                    self._modulation.describe(self._describer.step(features, dt_s))
                control = self._modulation.step(
                    features,
                    dt_s,
                    host_time_s=pump.arrived_s,
                    lead_s=self._lead.seconds(pump, features.sample_index),
                )
                self._features.put(features)
                self._tap.note(
                    source, features.sample_index, pump.ring_index(features.sample_index)
                )
                self._controls.put(control)

    def _apply_fast(self, pump: Pump) -> None:
        for command in self._fast.drain():
            try:
                match command:
                    case _AdoptPreset(preset):
                        self._modulation.set_preset(preset)
                    case cmd.TapTempo():
                        pump.analyzer.tap(pump.heard)
                    case cmd.SetTempo(bpm):
                        pump.analyzer.set_tempo(bpm)
                    case cmd.NudgeTempo(beats):
                        pump.analyzer.nudge(beats)
                    case cmd.HalveTempo():
                        pump.analyzer.halve_tempo()
                    case cmd.DoubleTempo():
                        pump.analyzer.double_tempo()
                    case _:
                        self._modulation.apply(command)
            except CommandError as error:
                self._say(str(error))
        pump.analyzer.follow(self._modulation.modulated)

    # composer thread ----------------------------------------------------------------------------

    def _compose(self, stopping: threading.Event) -> None:
        interval_s = 1.0 / self.config.fps
        next_s = self._clock.now()
        previous_s = next_s - interval_s
        while not stopping.is_set():
            now_s = self._clock.now()
            if now_s < next_s:
                stopping.wait(next_s - now_s)
                continue
            late = int((now_s - next_s) / interval_s)  # whole frames we cannot make up for
            next_s += (late + 1) * interval_s
            first = not self._pace.frames
            self._make_frame(now_s, now_s - previous_s, late)
            if first:  # it warms everything up; the steady rate begins after it
                next_s = self._clock.now() + interval_s
            previous_s = now_s

    def _make_frame(self, now_s: float, dt_s: float, missed: int) -> None:
        control, picture = self._controls.get(), self._pictures.get()
        time_s = 0.0
        if control is not None:
            time_s = control.time_s + min(max(now_s - control.host_time_s, 0.0), EXTRAPOLATE_S)
        pixels = self._composer.compose(picture, control, time_s=time_s, dt_s=dt_s)
        done_s = self._clock.now()
        frame = Frame(
            index=self._pace.frames,
            pixels=freeze(pixels),
            sample_index=control.sample_index if control is not None else 0,
            host_time_s=done_s,
            picture_index=picture.index if picture is not None else -1,
        )
        self.frames.put(frame)
        latency_s = done_s - control.host_time_s if control is not None else None
        self._pace.note(now_s, latency_s, missed)
        recording = self._recordings.running
        if recording is not None:
            recording.see(frame, time_s)

    # control thread -----------------------------------------------------------------------------

    def _obey(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            command = self._slow.get(0.1)
            try:
                if command is not None:
                    self._execute(command)
            except EngineError as error:
                self._say(str(error))
            problem = self._recordings.settle()
            if problem:
                self._say(problem)

    def _execute(self, command: cmd.Command) -> None:
        match command:
            case cmd.LoadPreset(name):
                preset = load_preset(name)
                self._fast.put(_AdoptPreset(preset))
                self._wear(preset)
                self._preset_name = name
                self._say("")
            case cmd.SelectSource(choice):
                self._slot.choose(choice)
                self._say("")
            case cmd.SelectClock(choice):
                self._tempo.choose(choice)
                self._say("")
            case cmd.SelectStructure(choice):
                self._structure.choose(choice)
                self._say("")
            case cmd.LoadAdapter(encoding, path):
                self._diffusion.request_adapter(encoding, path)
                self._say("")
            case cmd.SelectModel(name):
                self._say("")
                self.model_wanted = name
                self._diffusion.request_model(self._brush(name))
            case cmd.StartRecording(path):
                heard = self._slot.heard
                rate = heard.source.sample_rate if heard is not None else 48_000
                self._recordings.start(path, rate)
                self._say("")
            case cmd.StopRecording():
                self._recordings.stop()
            case cmd.Play() | cmd.Seek() | cmd.SetLoop() | cmd.SetVolume():
                heard = self._slot.heard
                source: object = heard.source if heard is not None else None
                if isinstance(source, Transport):
                    operate(source, command)

    def _open_source(self, choice: cmd.SourceChoice) -> AudioSource:
        return open_source(choice, self._clock, audible=self.config.audible)

    def _open_missing_source(self, choice: cmd.SourceChoice) -> AudioSource:
        return open_missing_source(choice, self._clock)

    def _wear(self, preset: Preset) -> None:
        """Ask for the LoRAs of the show, or else of the preset."""
        own = tuple(lora.choice for lora in preset.loras)
        self._diffusion.request_loras(own if self.config.loras is None else self.config.loras)

    def _brush(self, name: str, device: str = "", runner: str = "") -> Brush:
        config = self.config
        return brush_for(
            ModelRequest(
                name,
                config.model_width or config.width,
                config.model_height or config.height,
                device or config.device_compute,
                runner=runner or config.runner,
                guides=config.guides,
                live=True,
                vae=config.vae,
            )
        )

    # watchdog thread ----------------------------------------------------------------------------

    def _watch(self, stopping: threading.Event) -> None:
        while not stopping.wait(WATCH_S):
            try:
                self._slot.service(self._clock.now())
                self._tempo.service(self._clock.now())
            except AudioDeviceError as error:
                self._say(str(error))

    def _worker_died(self, name: str, error: BaseException) -> None:
        self._phase = Phase.FAILED
        self._message = f"{name} stopped: {error or type(error).__name__}"

    def _say(self, message: str) -> None:
        if message and message != self._message:
            self._log(message)
        self._message = message

    def _log(self, line: str) -> None:
        logger.warning("%s", line)
        self.logged = line
