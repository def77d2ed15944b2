"""One render: sound in, pictures made at leisure, a movie out; resumable at any moment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from engine import commands as cmd
from engine.audio.decode import SoundReader
from engine.clock import ManualClock, MonotonicClock
from engine.compose.composer import Composer
from engine.compose.still import read_still
from engine.conditioning.encodings import AdapterShelf
from engine.diffusion.loop import DiffusionLoop
from engine.diffusion.models.lora_fit import check_loras_run
from engine.diffusion.structure.opening import open_structure
from engine.errors import ModelLoadError, ResumeError, SinkError
from engine.export.fingerprint import check_same, fingerprint
from engine.export.heard_sound import SlicedSound
from engine.export.hearing import Hearing
from engine.export.join import join
from engine.export.number_format import number_format
from engine.export.segments import Segments, frames_each
from engine.export.settings import (
    ExportProgress,
    ExportReport,
    ExportSettings,
    check_settings,
    frame_count,
)
from engine.export.sound_track import SoundTrack
from engine.export.unread_sound import UnreadSound
from engine.export.work_folder import WorkFolder
from engine.mailbox import Latest
from engine.messages import ControlState, Float32, Picture, Uint8, freeze
from engine.presets import Lora, Preset, PromptScene, load_preset
from engine.protocols import ImageModel, Outspoken
from engine.registry import ModelRequest, find_model, load_factory
from engine.runtime.structure_slot import StructureSlot
from engine.semantic.adapters import open_adapter
from engine.sinks.audio_offset import measure_audio_offset_ms
from engine.sinks.recorder import check_movie

logger = logging.getLogger(__name__)

OFFSET_PROBE_S = 20.0
SAVE_EVERY_S = 30.0
"""A slow model's work is saved this often, within a segment too."""
LOOK_EVERY_S = 1.0
"""So often it is looked whether the disk still has room."""


def render(
    settings: ExportSettings,
    *,
    progress: Callable[[ExportProgress], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    stop: Event | None = None,
    resume: bool = False,
) -> ExportReport:
    """Render a video. Raises `EngineError`; an interruption keeps what was made, playable.

    With `resume`, go on where an interrupted render of the same settings stopped, if there is
    one; the video is the same, picture by picture, as one that was never interrupted.
    The calling thread is the one that runs torch. `say` is told, in one line each, what one would
    like to know before an hour has passed.
    """
    return _Export(settings, progress, say, stop or Event(), resume=resume).run()


def resumable(output: Path) -> bool:
    """True when an interrupted render of `output` left something to go on from."""
    return WorkFolder(output).resumable


class _Export:
    """One render from beginning to end."""

    def __init__(
        self, settings: ExportSettings, progress: Callable[[ExportProgress], None],
        say: Callable[[str], None], stop: Event, *, resume: bool,
    ) -> None:  # fmt: skip
        check_settings(settings)
        self._settings = settings
        self._init_image = read_still(settings.init_image) if settings.init_image else None
        self._progress = progress
        self._say = say
        self._stop = stop
        self._size = (settings.width, settings.height)
        self._fps = Fraction(settings.fps).limit_denominator(1001)
        check_movie(settings.output, self._size, self._fps, settings.quality)
        self._clock = ManualClock()
        self._host = MonotonicClock()
        self._reference: list[Float32] = []
        reader = SoundReader(settings.audio)
        self._rate = reader.sample_rate
        self._total = frame_count(settings, reader.duration_s)
        preset = self._preset()
        self._unread = UnreadSound(preset, settings.sound_given, say)
        self._loras = tuple(lora.choice for lora in preset.loras)
        check_loras_run(settings.model, settings.runner, settings.dtype, self._loras)
        self._hearing = Hearing(settings, preset, reader, self._keep)
        self._controls: Latest[ControlState] = Latest()
        self._pictures: Latest[Picture] = Latest()
        self._structure = StructureSlot(
            self._clock, lambda choice: open_structure(choice, self._clock, patient=True)
        )
        self._structure.choose(settings.structure)
        self._slices = None
        if settings.slices is not None:
            self._slices = SlicedSound(
                settings.audio, settings.slices, settings.start_s, self._clock.now
            )
        self._diffusion = DiffusionLoop(
            self._controls, self._pictures, self._clock,
            structure_at=self._structure.picture_at,
            sound_at=(self._slices or self._hearing.sound).sound_at,
            adapters=AdapterShelf(settings.adapters, open_adapter),
        )  # fmt: skip
        self._composer = Composer(settings.width, settings.height, _black(settings))
        self._folder = WorkFolder(settings.output)
        self._fingerprint = fingerprint(settings, preset)
        self._saved = self._load() if resume else None
        self._made = 0  # pictures so far
        self._advised = ""  # what was said last of how it would paint better
        self._saved_s = self._looked_s = self._host.now()
        self._rendering = False

    def run(self) -> ExportReport:
        """Render."""
        self._folder.create()  # an unwritable path is found out before the model is loaded
        try:
            self._set_base_values()
            self._diffusion.open_now(self._open_model)
            self._diffusion.put_on(self._loras)
            if self._diffusion.runner_message:
                self._say(self._diffusion.runner_message)
            self._say_advice()
            if self._saved is None:
                if self._folder.resumable:
                    self._say(
                        f"the interrupted render in {self._folder.path} is kept as "
                        f"{self._folder.aside.name}; --resume would have gone on with it"
                    )
                self._folder.begin(self._fingerprint)
            else:
                self._check_numbers(self._saved["numbers"])
            if not self._stop.is_set():
                self._hearing.look_ahead(self._stop)
                self._hearing.warm_up()
            return self._render()
        except SinkError as error:
            if self._folder.resumable:
                raise SinkError(f"{error}; then go on with --resume") from error
            if self._rendering:
                raise SinkError(f"{error}; of this render nothing could be kept") from error
            raise
        finally:
            self._diffusion.close()
            self._hearing.close()
            self._structure.close()
            if self._slices is not None:
                self._slices.close()
            if not (self._folder.resumable or self._folder.part_movie.exists()):
                self._folder.remove()

    def _render(self) -> ExportReport:
        self._sound = SoundTrack(
            self._folder.sound, self._fps, self._rate, self._hearing.first_sample
        )
        self._segments = Segments(self._folder, self._size, self._fps, self._settings.quality)
        first = done = 0
        try:
            if self._saved is not None:
                first = self._go_on(self._saved)
                self._saved = None
            started_s = self._host.now()
            self._rendering = True
            done = self._render_frames(first, started_s)
            spent_s = max(self._host.now() - started_s, 1e-9)
            self._close_open_segment(done)
        finally:
            self._segments.close()
            self._sound.close(done)
        path = self._join(done)
        seconds = done / self._settings.fps
        return ExportReport(
            path=path,
            frames=done,
            seconds=seconds,
            x_realtime=(done - first) / self._settings.fps / spent_s,
            # Measuring takes seconds, which who interrupts does not have.
            audio_offset_ms=self._audio_offset_ms(path) if done == self._total else None,
            runner=self._numbers["runner"],
            dtype=self._numbers["dtype"],
            threads=self._numbers["threads"],
            finished=done == self._total,
            note=self._hearing.reader.note,
            resumed_frames=first,
        )

    def _render_frames(self, first: int, started_s: float) -> int:
        settings = self._settings
        ai_fps = min(settings.ai_fps or settings.fps, settings.fps)
        for k in range(first, self._total):
            if self._stop.is_set():
                return k
            time_s = k / settings.fps
            self._hear_for_frame(k)
            if k >= self._total:  # the sound broke off
                self._total = k
                break
            control = self._controls.get()
            if control is not None and self._made <= int(k * ai_fps / settings.fps + 1e-9):
                self._clock.set(time_s)
                if self._slices is not None:
                    control = self._slices.seeded(control)
                if self._diffusion.step(control) is None:
                    hint = "; then go on with --resume" if self._folder.resumable else ""
                    raise ModelLoadError(f"{self._diffusion.message}{hint}")
                if self._diffusion.sound_message:  # a video without what was asked for is none
                    raise ModelLoadError(self._diffusion.sound_message)
                self._unread.look(self._diffusion.sound)
                self._say_advice()
                self._made += 1
            shown_s = control.time_s if control is not None else settings.start_s + time_s
            pixels = self._composer.compose(
                self._pictures.get(), control, time_s=shown_s, dt_s=1.0 / settings.fps
            )
            self._segments.write(freeze(pixels))
            self._sound.write_until(k + 1)
            self._save_now_and_then(k + 1)
            spent_s = max(self._host.now() - started_s, 1e-9)
            rate = (k + 1 - first) / spent_s
            self._progress(ExportProgress(k + 1, self._total, rate, (self._total - k - 1) / rate))
        return self._total

    def _save_now_and_then(self, frames: int) -> None:
        if self._host.now() - self._looked_s > LOOK_EVERY_S:
            self._looked_s = self._host.now()
            self._folder.check_space()
        if self._segments.full:
            self._segments.close_segment(self._state(frames))
        elif self._host.now() - self._saved_s > SAVE_EVERY_S:
            self._segments.save(self._state(frames))
        else:
            return
        self._saved_s = self._host.now()

    def _close_open_segment(self, frames: int) -> None:
        state = self._state(frames) if frames else None
        if frames < self._total:
            self._segments.save(state)  # more pictures will come into the open segment
            state = None
        self._segments.close_segment(state)
        self._segments.wait()

    def _join(self, frames: int) -> Path:
        """Give what there is its name: the output, or, while unfinished, the part movie."""
        finished = frames == self._total
        path = self._settings.output if finished else self._folder.part_movie
        if frames:
            segments = self._segments.files
            each = self._segments.frames_each
            join(segments, each, self._fps, self._folder.sound, self._folder.joined)
            self._folder.publish(path)
        if finished:
            self._folder.remove()
        return path

    def _load(self) -> dict[str, Any] | None:
        saved = self._folder.load(frames_each(self._fps))
        if saved is not None:
            check_same(self._settings.output, self._folder.settings(), self._fingerprint)
        return saved

    def _state(self, frames: int) -> dict[str, Any] | None:
        """What the next frame depends on and listening anew does not give; None if unknown."""
        loop = self._diffusion.state()
        if loop is None:
            return None
        return {
            "frames_done": frames,
            "made": self._made,
            "numbers": self._numbers,
            "loop": loop,
            "composer": self._composer.state(),
        }

    def _go_on(self, saved: dict[str, Any]) -> int:
        """Listen anew to what was rendered, and continue after it."""
        frames: int = saved["frames_done"]
        for k in range(frames):
            self._hear_for_frame(k)
            self._sound.write_until(k + 1)
        self._made = saved["made"]
        self._diffusion.restore(saved["loop"])
        self._composer.restore(saved["composer"])
        if self._composer.picture is not None:
            self._pictures.put(self._composer.picture)
        self._segments.go_on(frames, saved["planes"])
        return frames

    def _hear_for_frame(self, k: int) -> None:
        """Hear the track up to the middle of frame `k`; end where a damaged one breaks off."""
        self._hearing.hear_until((k + 0.5) / self._settings.fps)
        if self._hearing.control is not None:
            self._controls.put(self._hearing.control)
        if self._hearing.broke_off_s is not None:  # no video for what is not there
            playable_s = self._hearing.broke_off_s - self._settings.start_s
            self._total = min(self._total, max(1, int(playable_s * self._settings.fps + 1e-6)))

    def _keep(self, index: int, block: Float32) -> None:
        self._sound.add(index, block)
        if index - self._hearing.first_sample < OFFSET_PROBE_S * self._rate:
            self._reference.append(block)

    def _preset(self) -> Preset:
        preset = self._settings.look or load_preset(self._settings.preset)
        if "audio/latency" in preset.params:  # a movie's picture and sound have none
            params = {n: v for n, v in preset.params.items() if n != "audio/latency"}
            preset = preset.model_copy(update={"params": params})
        if self._settings.loras is not None:
            worn = tuple(Lora(path=each.path, weight=each.weight) for each in self._settings.loras)
            preset = preset.model_copy(update={"loras": worn})
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
        self._hearing.modulation.apply(cmd.SetParam("diffusion/seed", float(self._settings.seed)))
        if self._settings.strength is not None:
            self._hearing.modulation.apply(
                cmd.SetParam("diffusion/strength", self._settings.strength)
            )

    def _say_advice(self) -> None:
        advice = self._diffusion.advice
        if advice and advice != self._advised:
            self._say(advice)
            self._advised = advice

    def _open_model(self) -> ImageModel:
        settings = self._settings
        request = ModelRequest(
            settings.model,
            settings.model_width or settings.width,
            settings.model_height or settings.height,
            settings.device_compute,
            settings.dtype,
            settings.threads,
            settings.runner,
            guides=settings.guides,
            vae=settings.vae,
        )
        model: ImageModel = load_factory(find_model(settings.model))(request)
        if isinstance(model, Outspoken) and model.notice:
            self._say(model.notice)
        self._numbers = number_format(model)
        readings = {text: model.reading(text) for text in self._hearing.modulation.prompt_texts}
        words = dict.fromkeys(word for r in readings.values() for word, _ in r.unknown_words)
        if words:
            self._say(f"{model.name} does not know {', '.join(words)}: it paints what is near")
        for text, reading in readings.items():
            if reading.left_out:
                self._say(
                    f"{model.name} leaves out the last {reading.left_out} of "
                    f"{len(text.split())} words: put what matters first"
                )
        start_from = getattr(model, "start_from", None)
        if self._init_image is not None and start_from is not None:
            start_from(self._init_image)
        return model

    def _check_numbers(self, before: dict[str, Any]) -> None:
        """Other arithmetic would paint other pictures from here on."""
        for name, now in self._numbers.items():
            if before[name] != now:
                raise ResumeError(
                    f"cannot continue {self._settings.output}: it was begun with {name} "
                    f"{before[name]} and would go on with {now}; ask for {before[name]}, or leave "
                    "out --resume to begin anew"
                )

    def _audio_offset_ms(self, path: Path) -> float | None:
        reference = np.concatenate(self._reference)
        return measure_audio_offset_ms(path, reference, self._rate)


def _black(settings: ExportSettings) -> Uint8:
    """The export has its first picture before its first frame: this is never shown."""
    return np.zeros((settings.height, settings.width, 3), np.uint8)
