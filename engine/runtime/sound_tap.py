"""`SoundTap`: the sound that a picture answers, from the ring of the source that is heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.conditioning.sound_embedding import SoundMoment
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

    def note(self, source: AudioSource, sample_index: int, ring_index: int) -> None:
        """Say where the newest analysed sample is. Analysis thread, never blocks."""
        self._place = _Place(source, sample_index, ring_index)

    def sound_at(
        self, control: ControlState, window_s: float
    ) -> Sequence[tuple[SoundMoment, float]]:
        """Return the window that ends where the picture's own state was made, or nothing.

        Nothing in silence, before the first sound, and where the ring has moved on: the next
        picture is near. Diffusion thread, never blocks.
        """
        place = self._place
        if place is None or control.silent:
            return ()
        end = place.ring_index + control.sample_index - place.sample_index
        rate = place.source.sample_rate
        ring = place.source.ring
        count = min(round(window_s * rate), end, ring.capacity * 3 // 4)
        if not 0 < count <= end <= ring.written:
            return ()
        try:
            window: Float32 = ring.read(end - count, count).mean(axis=1)
        except OverrunError:
            return ()
        return ((SoundMoment(window, rate), 1.0),)
