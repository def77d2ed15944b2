"""From a source's ring to an analyzer, whatever the source does."""

from __future__ import annotations

import numpy as np

from engine.analysis.analyzer import Analyzer
from engine.clock import Clock
from engine.errors import OverrunError
from engine.messages import Float32, TempoReading
from engine.protocols import AudioSource, TempoSource

PUMP_WAIT_S = 0.05
"""How long the analysis waits for samples before it looks at its commands again."""
DEAD_SOURCE_S = 0.25
"""Without samples for this long the show goes on with silence."""
MOST_BEHIND_S = 0.4
"""When the machine stalls, older sound than this is recorded but no longer analysed."""
_MOST_EARLY_S = 1.0
"""No source reads its samples longer before they are heard."""


class Pump:
    """Takes samples from one source to one analyzer. Analysis thread only.

    Musical time of the show (`show_s`) never jumps back: sources come and go, it runs on.
    """

    def __init__(self, source: AudioSource, clock: Clock, start_s: float) -> None:
        self.analyzer = Analyzer(source.sample_rate)
        self.start_s = start_s
        """Musical time of the analyzer's sample 0."""
        self.arrived_s = clock.now()
        """Host time of the newest sample."""
        self.heard = 0
        """Samples given to the analyzer."""
        self.skipped = 0
        """Samples the analysis did not hear because it fell behind."""
        self.source = source
        self._clock = clock
        self._read = source.ring.written
        self._tempo: TempoSource | None = None

    @property
    def show_s(self) -> float:
        """Musical time after the newest sample heard."""
        return self.start_s + self.heard / self.source.sample_rate

    @property
    def device(self) -> str:
        """Name of what is listened to."""
        return self.source.status().name

    def behind_s(self, sample_index: int) -> float:
        """How much later than this sample of the analyzer is what is heard at `arrived_s`.

        Below 0 for a file, whose samples are here before the loudspeakers play them.
        """
        ring_s = self.ring_index(sample_index) / self.source.sample_rate
        return self.source.heard_s(self.arrived_s) - ring_s

    def ring_index(self, sample_index: int) -> int:
        """Where in the source's ring this sample of the analyzer is."""
        return self._read - self.heard + sample_index

    def next_block(self) -> Float32:
        """Return all new samples, shape `(n, channels)`; waits at most `PUMP_WAIT_S` for a hop.

        When none come for `DEAD_SOURCE_S`, silence of that length.
        """
        ring = self.source.ring
        if ring.wait(self._read + self.analyzer.hop_length, PUMP_WAIT_S):
            block = self._read_all()
        elif self._clock.now() - self.arrived_s > DEAD_SOURCE_S:
            count = round((self._clock.now() - self.arrived_s) * self.source.sample_rate)
            block = np.zeros((count, ring.channels), np.float32)
        else:
            return np.zeros((0, ring.channels), np.float32)
        self.arrived_s = self._clock.now()
        return block

    def fresh(self, block: Float32) -> Float32:
        """Return the part of a block that is worth analysing, and count it as heard."""
        late = block.shape[0] - round(MOST_BEHIND_S * self.source.sample_rate)
        if late > 0:
            self.skipped += late
            self.start_s += late / self.source.sample_rate
            block = block[late:]
        self.heard += block.shape[0]
        return block

    def follow(self, tempo: TempoSource | None) -> None:
        """Let this clock lead the beat from the next hop on; None: the sound."""
        if tempo is not self._tempo:
            self._tempo = tempo
            self.analyzer.outer_clock = self._tempo_at if tempo is not None else None

    def _tempo_at(self, sample_index: int) -> TempoReading:
        """What the outer clock says about the moment of this sample."""
        tempo = self._tempo
        return tempo.state_at(self._air_s(sample_index)) if tempo is not None else TempoReading()

    def _air_s(self, sample_index: int) -> float:
        """Host time at which this sample of the analyzer is, or was, in the air."""
        behind_s = self.behind_s(sample_index)
        if not -_MOST_EARLY_S <= behind_s <= MOST_BEHIND_S:  # a source that stands or is gone
            behind_s = (self.heard - sample_index) / self.source.sample_rate
        return self.arrived_s - behind_s

    def _read_all(self) -> Float32:
        ring = self.source.ring
        while True:
            behind = ring.written - self._read - ring.capacity * 3 // 4
            if behind > 0:  # nearly lapped by the writer: what lies there is lost
                self._read += behind
                self.skipped += behind
                self.start_s += behind / self.source.sample_rate
            count = ring.written - self._read
            try:
                block = ring.read(self._read, count)
            except OverrunError:  # the writer came by while we copied: look again, further on
                continue
            self._read += count
            return block
