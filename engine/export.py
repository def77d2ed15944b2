"""Export: the same stages as the live show under a clock that waits for every picture."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from engine import commands as cmd
from engine.analysis.analyzer import Analyzer
from engine.audio.decode import SoundReader
from engine.clock import ManualClock, MonotonicClock
from engine.compose.composer import Composer
from engine.compose.still import read_still
from engine.diffusion.loop import DiffusionLoop
from engine.errors import AudioFileError, SizeError
from engine.mailbox import Latest
from engine.messages import ControlState, Frame, Picture, freeze
from engine.modulation.stage import Modulation
from engine.presets import DEFAULT_PRESET, Preset, PromptScene, load_preset
from engine.protocols import ImageModel
from engine.registry import DEFAULT_MODEL, ModelRequest, find_model, load_factory
from engine.sinks.audio_offset import measure_audio_offset_ms
from engine.sinks.recorder import Recorder

logger = logging.getLogger(__name__)

SMALLEST_PX, LARGEST_PX = 64, 4096
WARM_UP_S = 12.0
"""With a start inside the track, what comes before is heard: levels and tempo are known then."""
OFFSET_PROBE_S = 20.0
_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What to render."""

    audio: Path
    output: Path
    preset: str = DEFAULT_PRESET
    prompts: tuple[str, ...] = ()
    """When given, these replace the preset's prompts, spread evenly over the video."""
    model: str = DEFAULT_MODEL
    width: int = 512
    height: int = 512
    model_width: int = 0
    model_height: int = 0
    fps: float = 30.0
    ai_fps: float | None = None
    """Pictures per second; None: one for every frame."""
    strength: float | None = None
    seed: int = 0
    start_s: float = 0.0
    seconds: float | None = None
    init_image: Path | None = None
    quality: int = 18
    device_compute: str = "auto"
    dtype: str = "auto"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """How far a render is."""

    frames_done: int
    frames_total: int
    fps: float
    eta_s: float


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was rendered."""

    path: Path
    frames: int
    seconds: float
    x_realtime: float
    audio_offset_ms: float | None
    """Sound against its source after encoding; None when the sound is silent."""
    runner: str
    dtype: str
    threads: int
    finished: bool
    """False when it was interrupted; `path` then holds what was rendered so far."""


def render(
    settings: ExportSettings,
    *,
    progress: Callable[[ExportProgress], None] = lambda _: None,
    stop: Event | None = None,
) -> ExportReport:
    """Render a video. Raises `EngineError`; an interruption keeps what was made, playable.

    The calling thread is the one that runs torch.
    """
    return _Export(settings, progress, stop or Event()).run()


def check_size(width: int, height: int) -> None:
    """Raise `SizeError` for an output size that cannot be made."""
    for length in (width, height):
        if not SMALLEST_PX <= length <= LARGEST_PX or length % 2:
            raise SizeError(
                f"{width}x{height} cannot be made: both sides must be even and "
                f"{SMALLEST_PX}..{LARGEST_PX} pixels"
            )


class _Export:
    """One render from beginning to end."""

    def __init__(
        self, settings: ExportSettings, progress: Callable[[ExportProgress], None], stop: Event
    ) -> None:
        check_size(settings.width, settings.height)
        self._settings = settings
        self._progress = progress
        self._stop = stop
        self._reader = SoundReader(settings.audio)
        self._rate = self._reader.sample_rate
        self._total = self._frame_count()
        self._clock = ManualClock()
        self._host = MonotonicClock()
        self._analyzer = Analyzer(self._rate)
        self._modulation = Modulation(self._preset())
        self._controls: Latest[ControlState] = Latest()
        self._pictures: Latest[Picture] = Latest()
        self._diffusion = DiffusionLoop(self._controls, self._pictures, self._clock)
        self._composer = Composer(settings.width, settings.height, _black(settings))
        self._recorder = Recorder(
            settings.output, settings.width, settings.height, settings.fps, self._rate,
            quality=settings.quality, final=True,
        )  # fmt: skip
        self._first_sample = round(settings.start_s * self._rate)
        self._heard = 0  # samples since the start of what is analysed
        self._reference: list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = []

    def run(self) -> ExportReport:
        """Render."""
        settings = self._settings
        self._recorder.open()  # an unwritable path is found out before the model is loaded
        try:
            self._set_base_values()
            self._diffusion.open_now(self._open_model)
            self._warm_up()
            started_s = self._host.now()
            done = self._render_frames(started_s)
            spent_s = max(self._host.now() - started_s, 1e-9)
            finished = done == self._total
            if finished:
                self._recorder.finish()
        finally:
            self._recorder.close()
            self._diffusion.close()
            self._reader.close()
        path = settings.output if finished else self._recorder.written_path
        return ExportReport(
            path=path,
            frames=done,
            seconds=done / settings.fps,
            x_realtime=done / settings.fps / spent_s,
            audio_offset_ms=self._audio_offset_ms(path) if done else None,
            runner="eager",
            dtype=self._dtype,
            threads=self._threads,
            finished=finished,
        )

    def _render_frames(self, started_s: float) -> int:
        settings = self._settings
        made = 0
        ai_fps = min(settings.ai_fps or settings.fps, settings.fps)
        for k in range(self._total):
            if self._stop.is_set():
                return k
            time_s = k / settings.fps
            self._hear_until(time_s + 0.5 / settings.fps)
            control = self._controls.get()
            if control is not None and made <= int(k * ai_fps / settings.fps + 1e-9):
                self._clock.set(time_s)
                self._diffusion.step(control)
                made += 1
            shown_s = control.time_s if control is not None else settings.start_s + time_s
            pixels = self._composer.compose(
                self._pictures.get(), control, time_s=shown_s, dt_s=1.0 / settings.fps
            )
            index = self._first_sample + round(time_s * self._rate)
            self._recorder.write(Frame(k, freeze(pixels), index, time_s, made))
            spent_s = max(self._host.now() - started_s, 1e-9)
            rate = (k + 1) / spent_s
            self._progress(ExportProgress(k + 1, self._total, rate, (self._total - k - 1) / rate))
        return self._total

    def _hear_until(self, time_s: float) -> None:
        """Analyse the track up to `time_s` after the start, at least one hop."""
        wanted = round(time_s * self._rate)
        while self._heard < wanted or self._controls.get() is None:
            block = self._reader.read(min(_BLOCK, max(wanted - self._heard, 256)))
            if block.shape[0] == 0:
                block = np.zeros((256, 2), np.float32)  # the track ended: the tail is silence
            start = self._first_sample + self._heard
            self._recorder.write_audio(start, block)
            if self._heard < OFFSET_PROBE_S * self._rate:
                self._reference.append(block)
            self._heard += block.shape[0]
            self._analyse(block)

    def _analyse(self, block: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        dt_s = self._analyzer.hop_length / self._rate
        for features in self._analyzer.push(block):
            time_s = self._modulation.start_s + features.sample_index / self._rate
            control = self._modulation.step(features, dt_s, host_time_s=time_s)
            self._controls.put(control)

    def _warm_up(self) -> None:
        """Listen to what comes before the start, so that levels and tempo are known there."""
        begin_s = max(0.0, self._settings.start_s - WARM_UP_S)
        self._modulation.start_s = begin_s
        self._reader.seek(round(begin_s * self._rate))
        left = self._first_sample - round(begin_s * self._rate)
        while left > 0:
            block = self._reader.read(min(_BLOCK, left))
            if block.shape[0] == 0:
                break
            left -= block.shape[0]
            self._analyse(block)

    def _frame_count(self) -> int:
        settings = self._settings
        duration_s = self._reader.duration_s
        if settings.start_s >= duration_s:
            raise AudioFileError(
                f"{settings.audio.name} is {duration_s:.1f} s long, so it cannot start at "
                f"{settings.start_s:.1f} s"
            )
        seconds = duration_s - settings.start_s
        if settings.seconds is not None:
            seconds = min(seconds, settings.seconds)
        return max(1, int(seconds * settings.fps + 1e-6))

    def _preset(self) -> Preset:
        preset = load_preset(self._settings.preset)
        texts = self._settings.prompts
        if not texts:
            return preset
        share_s = self._total / self._settings.fps / len(texts)
        transition_s = min(4.0, 0.4 * share_s) if len(texts) > 1 else 0.0
        scenes = tuple(
            PromptScene(text=text, hold_s=max(share_s - transition_s, 0.01),
                        transition_s=transition_s)
            for text in texts
        )  # fmt: skip
        return preset.model_copy(update={"prompts": scenes})

    def _set_base_values(self) -> None:
        self._modulation.apply(cmd.SetParam("diffusion/seed", float(self._settings.seed)))
        if self._settings.strength is not None:
            self._modulation.apply(cmd.SetParam("diffusion/strength", self._settings.strength))

    def _open_model(self) -> ImageModel:
        settings = self._settings
        request = ModelRequest(
            settings.model,
            settings.model_width or settings.width,
            settings.model_height or settings.height,
            settings.device_compute,
            settings.dtype,
            settings.threads,
        )
        model: ImageModel = load_factory(find_model(settings.model))(request)
        self._dtype, self._threads = _number_format(model)
        if settings.init_image is not None:
            start_from = getattr(model, "start_from", None)
            if start_from is not None:
                start_from(read_still(settings.init_image))
        return model

    def _audio_offset_ms(self, path: Path) -> float | None:
        reference = np.concatenate(self._reference)
        return measure_audio_offset_ms(path, reference, self._rate)


def _number_format(model: ImageModel) -> tuple[str, int]:
    bundle = getattr(model, "bundle", None)
    if bundle is None:
        return "uint8", 1
    import torch

    return str(bundle.dtype).removeprefix("torch."), torch.get_num_threads()


def _black(settings: ExportSettings) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The export has its first picture before its first frame: this is never shown."""
    return np.zeros((settings.height, settings.width, 3), np.uint8)
