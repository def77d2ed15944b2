"""`SoundTap`: the sound that a picture answers, from the ring of the source that is heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.conditioning.sound_embedding import SoundMoment, stepped
from engine.errors import OverrunError
from engine.messages import ControlState, Float32
from engine.protocols import AudioSource


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a ring a sample of the analyzer is."""

    source: AudioSource
    sample_index: int
    ring_index: int


class SoundTap:
    """The analysis says where its samples lie, the diffusion reads the ones before a picture's."""

    def __init__(self) -> None:
        self._place: _Place | None = None  # written by analysis, read by diffusion
        self._newest: tuple[AudioSource, float, SoundMoment] | None = None  # diffusion only

    def note(self, source: AudioSource, sample_index: int, ring_index: int) -> None:
        """Say where the newest analysed sample is. Analysis thread, never blocks."""
        self._place = _Place(source, sample_index, ring_index)

    def sound_at(
        self, control: ControlState, window_s: float, step_s: float
    ) -> Sequence[tuple[SoundMoment, float]]:
        """Return the window that ends where the picture's own state was made, or nothing.

        With a step it ends at a whole number of steps, and is the same object until the next.

        Nothing in silence, before the first sound, and where the ring has moved on: the next
        picture is near. Diffusion thread, never blocks.
        """
        place = self._place
        if place is None or control.silent:
            return ()
        rate = place.source.sample_rate
        index = stepped(control.sample_index, step_s, rate)
        if self._newest is not None:
            source, known_s, moment = self._newest
            if (source, known_s, moment.sample_index) == (place.source, window_s, index):
                return ((moment, 1.0),)
        end = place.ring_index + index - place.sample_index
        ring = place.source.ring
        count = min(round(window_s * rate), end, ring.capacity * 3 // 4)
        if not 0 < count <= end <= ring.written:
            return ()
        try:
            window: Float32 = ring.read(end - count, count).mean(axis=1)
        except OverrunError:
            return ()
        moment = SoundMoment(window, rate, sample_index=index)
        self._newest = (place.source, window_s, moment)
        return ((moment, 1.0),)
