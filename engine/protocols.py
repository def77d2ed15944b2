"""The seams: what a source, a listener, an image model and a sink must be able to do.

Each has a dull twin without hardware (`ToneSource`, `SteadyTempo`, `DrawnShapes`, `NullModel`,
`MemorySink`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from engine.messages import (
    ControlState,
    Float32,
    Frame,
    LoraChoice,
    Reading,
    SourceStatus,
    StructureStatus,
    TempoReading,
    Uint8,
)
from engine.ring import SampleRing


class AudioSource(Protocol):
    """A sound source that writes into its ring. Made and closed by the runtime."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of the ring; fixed after `open`."""
        ...

    @property
    def ring(self) -> SampleRing:
        """Where the samples go, at most 2 channels; fixed after `open`."""
        ...

    @property
    def overflows(self) -> int:
        """Input overflows counted so far. Any thread, never blocks."""
        ...

    def open(self) -> None:
        """Start. Raises `AudioDeviceError` or `AudioFileError`; may block for a second."""
        ...

    def heard_s(self, now_s: float) -> float:
        """Musical time that is audible at host time `now_s` (the master clock of the show).

        For a file: what the speakers play now. For live input: what the microphone hears now.
        Any thread, never blocks.
        """
        ...

    def status(self) -> SourceStatus:
        """How it is doing. Any thread, never blocks."""
        ...

    def service(self, now_s: float) -> None:
        """Look after the device; called about once a second off the realtime threads."""
        ...

    def close(self) -> None:
        """Stop and free; idempotent."""
        ...


@runtime_checkable
class Transport(Protocol):
    """What file sources can do besides. Any thread; at most a block late."""

    def play(self, on: bool) -> None:
        """Play or pause."""
        ...

    def seek(self, position_s: float) -> None:
        """Jump; clamped to the file."""
        ...

    def set_loop(self, on: bool) -> None:
        """Start again at the end, or stop there."""
        ...

    def set_volume(self, volume: float) -> None:
        """Loudness in the speakers in [0, 1]; what is analysed does not change."""
        ...


@runtime_checkable
class Recorded(Protocol):
    """What sources can do whose future is known."""

    path: Path

    def position_s(self, sample: int) -> float:
        """Where in the file sample `sample` of the ring is, seconds. Any thread."""
        ...


class Listener(Protocol):
    """Hears what sound is about: sounds and texts become directions in one space.

    Made, loaded, asked and closed on the `semantic` thread only. It need not answer at once: one
    that works elsewhere takes a window when it is idle and hands its answer out later.
    """

    @property
    def name(self) -> str:
        """What `SemanticState.listener` says."""
        ...

    @property
    def window_s(self) -> float:
        """How much of the newest sound it is given."""
        ...

    @property
    def step_s(self) -> float:
        """Musical time from one question to the next."""
        ...

    @property
    def temperature(self) -> float:
        """By which cosine a label must be nearer to be e times as likely."""
        ...

    @property
    def least_cosine(self) -> float:
        """A sound that is less alike than this to every label is none of them."""
        ...

    @property
    def warning(self) -> str:
        """One line that the user should know once it is loaded; empty when all is well."""
        ...

    def load(self) -> None:
        """Get ready. Raises `ModelLoadError`; may take seconds."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Float32:
        """Unit directions `(n, width)` of texts; zeros for a text that says nothing to it."""
        ...

    def hear(self, samples: Float32, sample_rate: int) -> Float32 | None:
        """Listen to the newest window, mono `(n,)`; while the show is short, a shorter one.

        Returns the direction `(width,)` of its newest answer, maybe to an earlier window, and None
        when there is none that was not returned before: an answer counts for all the time since
        the one before. Raises `ModelLoadError` when it cannot go on.
        """
        ...

    def close(self) -> None:
        """Free all memory and end what it has started; idempotent."""


class TempoSource(Protocol):
    """A beat clock that is not the sound: MIDI clock, Ableton Link. Its twin: `SteadyTempo`."""

    @property
    def kind(self) -> str:
        """`midi` or `link`; what `AudioFeatures.tempo_source` says while it leads."""
        ...

    @property
    def name(self) -> str:
        """What the window shows beside it. Any thread, never blocks."""
        ...

    def open(self) -> None:
        """Start to listen. Raises `TempoSourceError`; may block for a second."""
        ...

    def state_at(self, host_time_s: float) -> TempoReading:
        """Tempo and phase at a moment of `Clock.now()`, within a second of now.

        Any thread, never blocks. The phase runs smoothly; it may step only where the clock itself
        is set anew (a start, another Link session), and the beat clock of the analysis glides.
        """
        ...

    def service(self, now_s: float) -> None:
        """Look after the device; called about once a second off the realtime threads."""
        ...

    def close(self) -> None:
        """Stop and free; idempotent."""
        ...


class StructureSource(Protocol):
    """Pictures whose shapes the painted ones follow. Its twin: `DrawnShapes`.

    Opened and closed on the `control` thread or that of an export; asked on the one that paints.
    """

    def open(self) -> None:
        """Get ready. Raises `StructureError`; a camera that is not there is waited for instead."""
        ...

    def picture_at(self, time_s: float) -> Uint8 | None:
        """Return the picture for a musical time, `(h, w, 3)` RGB, frozen; None: there is none now.

        The very same object as long as the picture is the same one.
        """
        ...

    def status(self) -> StructureStatus:
        """How it is doing. Any thread, never blocks."""
        ...

    def close(self) -> None:
        """Stop and free; idempotent."""
        ...


class ImageModel(Protocol):
    """Paints one picture after another. Made, called and closed on the `diffusion` thread only."""

    @property
    def name(self) -> str:
        """What the window shows."""
        ...

    def load(self) -> None:
        """Load weights and get ready. Raises `ModelLoadError`; may take seconds."""
        ...

    def generate(self, control: ControlState, dt_s: float) -> Uint8:
        """Paint the next picture, shape `(height, width, 3)`, for this state.

        `dt_s` is the musical time since the previous picture; 0 for the first.
        """
        ...

    def restart(self) -> None:
        """Forget the previous picture."""
        ...

    def reading(self, prompt: str) -> Reading:
        """What the model makes of the words of `prompt`."""
        ...

    def close(self) -> None:
        """Free all memory; idempotent."""
        ...


@runtime_checkable
class Steerable(Protocol):
    """An image model whose shapes can be steered by a picture."""

    def steer(self, picture: Uint8 | None) -> None:
        """Take the picture that steers from now on, `(h, w, 3)` RGB of any size; None: none."""
        ...


@runtime_checkable
class LoraWearer(Protocol):
    """An image model that LoRAs can be merged into. `diffusion` thread only."""

    def put_on(self, loras: Sequence[LoraChoice]) -> None:
        """Merge these and no others, from the next picture on.

        Raises `ModelLoadError`: what was on before then stays on.
        """
        ...

    @property
    def advice(self) -> str:
        """One line on how it would paint better; empty when all is well."""
        ...


@runtime_checkable
class Outspoken(Protocol):
    """An image model that may have something to say about how it was opened."""

    notice: str
    """One line for the user; empty when all is well."""


@runtime_checkable
class Resumable(Protocol):
    """What can be put aside and go on later as if nothing had happened, bit for bit."""

    def state(self) -> dict[str, Any]:
        """All it remembers: arrays, numbers, texts, lists and dicts of them; its own copies."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what `state` once returned, from an equal one of the same settings."""
        ...


@runtime_checkable
class OnRunner(Protocol):
    """An image model whose frames are executed by something that can change while it paints."""

    @property
    def runner(self) -> str:
        """What executes its frames now."""
        ...

    @property
    def runner_message(self) -> str:
        """One line about what is being prepared or could not be; empty when all is well."""
        ...


@runtime_checkable
class Breathing(Protocol):
    """An image model that can be left in the middle of a picture."""

    def breathe(self) -> None:
        """Call `engine.diffusion.breath.breathe` between the parts of every picture from now on.

        What that raises leaves `generate`; the next call paints the picture it would have painted.
        """
        ...


class FrameSink(Protocol):
    """Takes output frames, in order, on its own `sink-*` thread."""

    def open(self) -> None:
        """Get ready. Raises `SinkError`."""
        ...

    def write(self, frame: Frame) -> None:
        """Take one frame. Raises `SinkError`; what was written before stays usable."""
        ...

    def close(self) -> None:
        """Finish; idempotent."""
        ...
