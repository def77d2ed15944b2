"""From a source's ring to an analyzer, whatever the source does."""

from __future__ import annotations

import numpy as np

from engine.analysis.analyzer import Analyzer
from engine.clock import Clock
from engine.messages import Float32
from engine.protocols import AudioSource

PUMP_WAIT_S = 0.05
"""How long the analysis waits for samples before it looks at its commands again."""
DEAD_SOURCE_S = 0.25
"""Without samples for this long the show goes on with silence."""


class Pump:
    """Takes samples from one source to one analyzer; silence where none come. Analysis thread."""

    def __init__(self, source: AudioSource, clock: Clock, start_s: float) -> None:
        self.analyzer = Analyzer(source.sample_rate)
        self.start_s = start_s
        self.arrived_s = clock.now()
        self.heard = 0  # samples given to the analyzer
        self._source = source
        self._clock = clock
        self._read = source.ring.written
        self._block = 0

    @property
    def show_s(self) -> float:
        """Musical time of the show: never jumps back when sources change."""
        return self.start_s + self.heard / self._source.sample_rate

    @property
    def block_s(self) -> float:
        """Musical time of the first sample of the newest block."""
        return self.show_s - self._block / self._source.sample_rate

    def next_block(self) -> Float32:
        """Return the next samples, shape `(n, channels)`; waits at most `PUMP_WAIT_S`."""
        ring, hop = self._source.ring, self.analyzer.hop_length
        if ring.wait(self._read + hop, PUMP_WAIT_S):
            oldest = ring.written - ring.capacity + 8 * hop
            if self._read < oldest:  # fell behind by seconds: hear the present, not the past
                self._read = oldest
            count = ring.written - self._read
            block = ring.read(self._read, count)
            self._read += count
        elif self._clock.now() - self.arrived_s > DEAD_SOURCE_S:
            count = round((self._clock.now() - self.arrived_s) * self._source.sample_rate)
            block = np.zeros((count, ring.channels), np.float32)
        else:
            return np.zeros((0, ring.channels), np.float32)
        self.arrived_s = self._clock.now()
        self.heard += len(block)
        self._block = len(block)
        return block
