"""`ToneSource`: a steady tone without hardware, the dull twin of a microphone."""

from __future__ import annotations

import math

import numpy as np

from engine.audio.paced import PacedSource
from engine.clock import Clock
from engine.messages import Float32, SourceStatus

_LEVEL = 0.25
"""-12 dBFS peak: clearly heard, far from clipping."""


class ToneSource(PacedSource):
    """A sine paced by a clock."""

    def __init__(
        self, frequency_hz: float = 220.0, *, clock: Clock, sample_rate: int = 48_000
    ) -> None:
        super().__init__(clock, sample_rate)
        self.frequency_hz = frequency_hz

    def status(self) -> SourceStatus:
        """How it is doing. Any thread, never blocks."""
        return SourceStatus("tone", f"{self.frequency_hz:g} Hz", connected=True)

    def _samples(self, first: int, count: int) -> Float32:
        # Whole turns are taken off in double precision, so an hour sounds like the first second.
        turns = np.arange(first, first + count) * (self.frequency_hz / self.sample_rate) % 1.0
        wave = (_LEVEL * np.sin(2.0 * math.pi * turns)).astype(np.float32)
        return np.repeat(wave[:, None], 2, axis=1)
