"""From a source's ring to an analyzer, whatever the source does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.analysis.analyzer import Analyzer
from engine.clock import Clock
from engine.errors import OverrunError
from engine.messages import AudioFeatures, Float32, TempoReading
from engine.protocols import AudioSource, TempoSource

PUMP_WAIT_S = 0.05
"""How long the analysis waits for samples before it looks at its commands again."""
DEAD_SOURCE_S = 0.25
"""Without samples for this long the show goes on with silence."""
MOST_BEHIND_S = 1.5
"""When the machine stalls, older sound than this is recorded but no longer analysed.

To hear a second of backlog takes a tenth of a second, so a stall while a model is imported loses
nothing."""
_LONGEST_STEP_S = 1.0
"""Of a longer gap the show makes up for this much; its musical time passes all of it."""
_MOST_EARLY_S = 1.0
"""No source reads its samples longer before they are heard."""


class Pump:
    """Takes samples from one source to one analyzer. Analysis thread only.

    Musical time of the show (`show_s`) never jumps back: sources come and go, it runs on.
    """

    def __init__(self, source: AudioSource, clock: Clock, start_s: float) -> None:
        self.analyzer = Analyzer(source.sample_rate)
        self.analyzer.timer = clock.now
        self.start_s = start_s
        """Musical time of the analyzer's sample 0."""
        self.arrived_s = clock.now()
        """Host time of the newest sample."""
        self.heard = 0
        """Samples that the analyzer knows of, those it had to skip among them."""
        self.skipped = 0
        """Samples right before the newest block that the analysis is too late for."""
        self.source = source
        self._clock = clock
        self._read = source.ring.written
        self._tempo: TempoSource | None = None
        self._stepped = 0  # sample index of the newest features

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
        self.skipped = 0
        if ring.wait(self._read + self.analyzer.hop_length, PUMP_WAIT_S):
            block = self._read_all()
        elif self._clock.now() - self.arrived_s > DEAD_SOURCE_S:
            count = round((self._clock.now() - self.arrived_s) * self.source.sample_rate)
            block = np.zeros((count, ring.channels), np.float32)
        else:
            return np.zeros((0, ring.channels), np.float32)
        self.arrived_s = self._clock.now()
        return block

    def hear(self, block: Float32) -> Iterator[AudioFeatures]:
        """Analyse the part of a block that is worth it; the analyzer goes on by the others.

        Hop by hop, so that the first of a long block is not late for the last.
        """
        late = block.shape[0] - round(MOST_BEHIND_S * self.source.sample_rate)
        if late > 0:
            self._miss(late)
            block = block[late:]
        if self.skipped:
            self.analyzer.skip(self.skipped)
        self.heard += block.shape[0]
        return self.analyzer.hops(block)

    def step_s(self, features: AudioFeatures) -> float:
        """How long after the features before these they are: a hop, and more after a gap."""
        samples = features.sample_index - self._stepped
        self._stepped = features.sample_index
        return min(samples / self.source.sample_rate, _LONGEST_STEP_S)

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
                self._miss(behind)
            count = ring.written - self._read
            try:
                block = ring.read(self._read, count)
            except OverrunError:  # the writer came by while we copied: look again, further on
                continue
            self._read += count
            return block

    def _miss(self, samples: int) -> None:
        self.skipped += samples
        self.heard += samples
