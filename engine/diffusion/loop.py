"""The diffusion stage: newest control state in, newest picture out, as fast as the machine can."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from engine.clock import Clock
from engine.conditioning.encodings import AdapterShelf
from engine.diffusion.adapter_slot import AdapterSlot
from engine.diffusion.breath import Abandoned, breathing
from engine.diffusion.brush import AwaitedBrush, Brush, ModelOpener
from engine.diffusion.memory import is_out_of_memory, release_memory
from engine.diffusion.picture_rate import PictureRate
from engine.diffusion.readings import Readings
from engine.diffusion.sound_led import HeardPart, SoundLed
from engine.errors import EngineError, MemoryShortError, ModelLoadError
from engine.mailbox import Fifo, Latest
from engine.messages import (
    ControlState,
    LoraChoice,
    Picture,
    SoundStatus,
    Uint8,
    control_from,
)
from engine.protocols import (
    Breathing,
    ImageModel,
    LoraWearer,
    OnRunner,
    Outspoken,
    Resumable,
    Steerable,
)

logger = logging.getLogger(__name__)

StructureAt = Callable[[float], "Uint8 | None"]
"""The picture that steers the shapes at a musical time; None while there is none."""

SoundAt = Callable[[ControlState, float, float], "Sequence[HeardPart]"]
"""The sound that a picture answers, so many seconds of it, another after so many seconds (0: at
every picture); empty while there is none."""

COME_BACK_S = 60.0
"""After running out of memory: when the size asked for is tried again; then after twice that."""


class DiffusionLoop:
    """Owns the device: opens, calls and closes models. `run` is the body of `diffusion`.

    A model that cannot be opened leaves the old one in place and puts one line into `message`.
    When there is no old one, or when one fails while painting, `fallback` paints instead; without
    a fallback the last picture stays. At the start, while the files of a large model are read, the
    fallback paints too. A model that runs out of memory is opened again with fewer pixels before
    that, and comes back to the size asked for when there is room.

    While a model is opened, what paints goes on between two tensors that are copied. A picture
    that nobody waits for any more, at the end of the show or when another model can be opened, is
    left between two blocks of a network.
    """

    def __init__(
        self,
        controls: Latest[ControlState],
        pictures: Latest[Picture],
        clock: Clock,
        fallback: Brush | None = None,
        structure_at: StructureAt = lambda time_s: None,
        sound_at: SoundAt = lambda control, window_s, step_s: (),
        adapters: AdapterShelf | None = None,
    ) -> None:
        self._controls = controls
        self._pictures = pictures
        self._clock = clock
        self._fallback = fallback  # immutable
        self._structure_at = structure_at  # immutable
        self._sound_at = sound_at  # immutable
        self._adapters = AdapterSlot(adapters or AdapterShelf())
        self._failed = ""  # diffusion thread only: the name of what left us without a model
        self._brush: Brush | None = None  # diffusion thread only: what paints
        self._short: Brush | None = None  # diffusion thread only: what ran out of memory just now
        self._awaited = AwaitedBrush()  # diffusion thread only
        self._meanwhile = False  # diffusion thread only: the fallback paints until it is open
        self._comes_back: Brush | None = None  # diffusion thread only: what it steps up to again
        self._come_back_s = 0.0  # when, on `clock`
        self._come_back_wait_s = COME_BACK_S
        self._stopping = Event()  # of the show; an export never sets it
        self._made_in_s = 0.0  # the newest picture
        self._requests: Fifo[Brush] = Fifo(8)
        self._lora_requests: Fifo[tuple[LoraChoice, ...]] = Fifo(8)
        self._model: ImageModel | None = None  # diffusion thread only
        self.rate = PictureRate()  # written by diffusion only
        self.readings = Readings()  # written by diffusion only
        self._fresh = True
        self._previous: ControlState | None = None
        self.message = ""  # written by diffusion only
        self.model_name = ""  # written by diffusion only
        self.model_asked = ""  # written by diffusion only: the name of the brush that paints
        self.model_opening = ""  # written by diffusion only: what is being opened
        self.runner = ""  # written by diffusion only: what executes the model's frames now
        self.runner_message = ""  # written by diffusion only: what it is preparing, or could not
        self._wanted_loras: tuple[LoraChoice, ...] = ()  # diffusion thread only
        self.advice = ""  # written by diffusion only: how the model would paint better
        self.loras: tuple[LoraChoice, ...] = ()  # written by diffusion only: what is put on

    @property
    def sound(self) -> SoundStatus:
        """How the sound gets into the picture. Any thread, never blocks."""
        return self._adapters.status

    @property
    def sound_message(self) -> str:
        """Why it does not though it is asked for; else empty. Any thread, never blocks."""
        return self._adapters.unheard

    def request_model(self, brush: Brush) -> None:
        """Switch models at the next picture boundary. Any thread, never blocks."""
        self._requests.put(brush)
        self._controls.wake()

    def request_loras(self, loras: tuple[LoraChoice, ...]) -> None:
        """Put on these LoRAs, and no others, at the next picture boundary.

        Those that do not fit are one line in `message`, and what was on before stays on. A model
        that comes later gets them too. Any thread, never blocks.
        """
        self._lora_requests.put(loras)
        self._controls.wake()

    def request_adapter(self, encoding: str, path: Path | None) -> None:
        """Load an adapter of an encoding at the next picture boundary; None: the shipped one.

        One that does not fit is one line in `sound`, and the one before stays. A model that comes
        later gets it too. Any thread, never blocks.
        """
        self._adapters.request(encoding, path)
        self._controls.wake()

    def run(self, stopping: Event) -> None:
        """Paint until told to stop. Diffusion thread only."""
        version = 0
        self._stopping = stopping
        try:
            while not stopping.is_set():
                try:
                    version = self._turn(version)
                except Abandoned:
                    logger.debug("a picture or an opening was left midway")
        finally:
            self.close()

    def _turn(self, version: int) -> int:
        """Switch models, wait for a state newer than `version` and paint it; its version."""
        self._switch_model()
        control, version = self._controls.wait(version, 0.1)
        if self._model is None:
            self._stopping.wait(0.02)
        elif control is not None:
            with breathing(self._look_up):
                self.step(control)
        return version

    def step(self, control: ControlState) -> Picture | None:
        """Paint one picture for `control` and publish it; None when the model failed."""
        assert self._model is not None, "no model is open"
        started_s = self._clock.now()
        if self._previous is not None and control.restart_count != self._previous.restart_count:
            self._model.restart()
            self._fresh = True
        dt_s = max(0.0, control.time_s - self._previous.time_s) if self._previous else 0.0
        self.readings.look(control, self._model)
        try:
            self._lead(control)
            pixels = self._model.generate(control, dt_s)
        except EngineError as error:
            self._give_up(str(error))
            return None
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            error.__traceback__ = None  # it holds on to the tensors of the picture
            self._short = self._brush
            self._give_up(self._short_words())
            return None
        self._note_runner()
        self._note_advice()
        finished_s = self._clock.now()
        self.rate.note(finished_s, fresh=self._fresh)
        self._made_in_s = finished_s - started_s
        picture = Picture(
            index=self.rate.made,
            pixels=pixels,
            control=control,
            made_in_ms=1000.0 * (finished_s - started_s),
            seconds_per_picture=self.rate.interval_s,
            fresh=self._fresh,
        )
        self._fresh = False
        self._previous = control
        self._pictures.put(picture)
        return picture

    def open_now(self, opener: ModelOpener) -> None:
        """Open a model at once; for export, where nobody else waits. Raises `ModelLoadError`."""
        try:
            model = opener()
            model.load()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            error.__traceback__ = None  # it holds on to what was loaded already
            release_memory()
            raise MemoryShortError(
                "the memory was not enough to load the model: close other programs or choose a "
                "smaller one"
            ) from None
        self._adopt(model)

    def put_on(self, loras: tuple[LoraChoice, ...]) -> None:
        """Put on LoRAs at once; for export. Raises `ModelLoadError`."""
        model: object = self._model
        if isinstance(model, LoraWearer):
            model.put_on(loras)
            self._note_advice()
        elif loras:
            raise ModelLoadError(f"{self.model_name} takes no LoRAs: choose another model")
        self.loras = loras

    def state(self) -> dict[str, Any] | None:
        """All that the next picture depends on, the model's memory too; None if that is unknown.

        Diffusion thread only, as is `restore`.
        """
        model: object = self._model
        if not isinstance(model, Resumable):
            return None
        return {
            "model": model.state(),
            "previous": None if self._previous is None else asdict(self._previous),
            "fresh": self._fresh,
            "pace": self.rate.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the picture that `state` was taken after; the model is open already."""
        model: object = self._model
        assert isinstance(model, Resumable), "no model is open that could be restored"
        model.restore(state["model"])
        previous = state["previous"]
        self._previous = None if previous is None else control_from(previous)
        self._fresh = state["fresh"]
        self.rate.restore(state["pace"])

    def close(self) -> None:
        """Close the model. Diffusion thread only."""
        self._awaited.close()
        self._close_model()

    def _look_up(self) -> None:
        """In the middle of a picture: go on, unless nobody waits for it any more."""
        if self._stopping.is_set():
            raise Abandoned
        self._take_requests()
        first = self._meanwhile and self._fresh  # the show begins with it, whatever is awaited
        if self._awaited.brush is not None and not first and self._awaited.is_read():
            raise Abandoned

    def _paint_beside(self) -> None:
        """In the middle of an opening: let what paints have every other picture's time."""
        self._look_up()
        control = self._controls.get()
        rested = self._clock.now() - self.rate.finished_s >= self._made_in_s
        if self._model is not None and control is not None and not self._fresh and rested:
            with breathing(self._look_up):
                self.step(control)

    def _take_requests(self) -> bool:
        """Await the model that was asked for last; whether any was."""
        requests = self._requests.drain()
        if requests:
            self._short = self._comes_back = None
            self._come_back_wait_s = COME_BACK_S
            self._ask(requests[-1])
        return bool(requests)

    def _switch_model(self) -> None:
        wishes = self._lora_requests.drain()
        if wishes:
            self._wanted_loras = wishes[-1]
        if (
            not self._take_requests()
            and wishes
            and self._model is not None
            and not self._meanwhile
        ):
            self.message = self._dress()
        if self._awaited.brush is not None:
            self._open_awaited(self._awaited.brush)
        if self._short is not None:
            self._step_down(self._short)
        if self._failed and self._model is None:
            self._fall_back()
        if self._comes_back is not None and self._clock.now() >= self._come_back_s:
            self._step_up(self._comes_back)
        self._adapters.serve(self._model)

    def _ask(self, brush: Brush) -> None:
        try:
            self._awaited.ask(brush)
        except EngineError as error:
            self._refuse(brush, error)
        self.model_opening = self._awaited.name

    def _refuse(self, brush: Brush, error: EngineError) -> None:
        self.message = str(error)
        self._failed = brush.name
        logger.info("model not opened: %s", error)

    def _open_awaited(self, brush: Brush) -> None:
        """Open what was asked for once its files are read; at the start the fallback is first."""
        if not self._awaited.begun:
            if self._model is None and self._paints_meanwhile(brush):
                return
            if self._model is not None and self._meanwhile and self._fresh:
                return  # the first picture of the show is not to wait for the disk
        if not self._awaited.is_read():
            return
        opened = self._open(self._awaited.take())
        meanwhile, self._meanwhile = self._meanwhile, False
        if not opened and meanwhile and self._model is not None:
            why = self.message
            self._dress()
            self.message = f"{why}; {self.model_name} paints instead"

    def _paints_meanwhile(self, brush: Brush) -> bool:
        """Let the fallback paint, without the LoRAs of the model that is awaited."""
        fallback = self._fallback
        if self._meanwhile or fallback is None or fallback.name == brush.name:
            return False
        self._meanwhile = self._open(fallback, dressed=False)
        self._failed = ""
        return self._meanwhile

    def _give_up(self, why: str) -> None:
        self.message = why
        logger.info("painting failed: %s", why)
        self._failed = self.model_asked
        self._close_model()

    def _short_words(self) -> str:
        size = f" at {self._brush.size}" if self._brush is not None and self._brush.size else ""
        return f"{self.model_asked} ran out of memory{size}: choose fewer pixels (--model-size)"

    def _step_down(self, asked: Brush) -> None:
        """Open what ran out of memory with fewer pixels; the fallback is next if that fails."""
        self._short = None
        self._comes_back = self._comes_back or asked
        self._come_back_s = self._clock.now() + self._come_back_wait_s
        self._come_back_wait_s *= 2.0
        smaller = asked.smaller()
        while smaller is not None:
            if self._open(smaller):
                self._failed = ""
                self.message = (
                    f"{smaller.name} ran out of memory at {asked.size} and paints {smaller.size}"
                )
                return
            smaller = smaller.smaller()
        self._failed = asked.name

    def _step_up(self, asked: Brush) -> None:
        """Open what was asked for beside what paints, if there is room for both by now."""
        message = self.message
        self._come_back_s = self._clock.now() + self._come_back_wait_s
        if self._open(asked):
            self._comes_back = None
        else:
            self._failed, self.message = "", message

    def _fall_back(self) -> None:
        failed, fallback, why = self._failed, self._fallback, self.message
        if fallback is not None and fallback.name != failed and self._open(fallback):
            self.message = f"{why}; {self.model_name} paints instead"
        else:
            self.message = why
        self._failed = ""  # only once: after that, the next request is the remedy

    def _open(self, brush: Brush, *, dressed: bool = True) -> bool:
        self.model_opening = brush.name
        try:
            with breathing(self._paint_beside):
                self.open_now(brush.opener)
        except EngineError as error:  # the show goes on with the model it has
            self._refuse(brush, error)
            return False
        else:
            problem = self._dress() if dressed else ""
            model: object = self._model
            self.message = model.notice if isinstance(model, Outspoken) else ""
            if problem:
                self.message = f"{problem}; {self.model_name} paints without"
            self.model_asked = brush.name
            self._brush, self._short = brush, None
            return True
        finally:
            self.model_opening = self._awaited.name

    def _dress(self) -> str:
        """Put on the LoRAs that are wanted; returns one line where they do not fit."""
        try:
            self.put_on(self._wanted_loras)
        except EngineError as error:
            logger.info("LoRAs not put on: %s", error)
            return str(error)
        return ""

    def _adopt(self, model: ImageModel) -> None:
        self._close_model()
        self._model = model
        if isinstance(model, Breathing):
            model.breathe()
        self.model_name = model.name
        self.readings.forget()
        self._note_runner()
        self._fresh = True
        self._adapters.give_to(model)
        self.loras = ()
        self._note_advice()

    def _close_model(self) -> None:
        if self._model is not None:
            self._model.close()
            self._model = None
            release_memory()

    def _lead(self, control: ControlState) -> None:
        """Let the model see and hear what leads the next picture, beside its prompts."""
        model: object = self._model
        if isinstance(model, Steerable):
            model.steer(self._structure_at(control.time_s))
        if isinstance(model, SoundLed):
            window_s = model.sound_window_s(control.values)
            if window_s > 0.0:
                model.hear(self._sound_at(control, window_s, model.sound_step_s))
            self._adapters.look(model, window_s)

    def _note_runner(self) -> None:
        model: object = self._model
        if isinstance(model, OnRunner):
            self.runner, self.runner_message = model.runner, model.runner_message
        else:
            self.runner = self.runner_message = ""

    def _note_advice(self) -> None:
        model: object = self._model
        self.advice = model.advice if isinstance(model, LoraWearer) else ""
