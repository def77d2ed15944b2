"""`GridClock`: the beat of a file whose beats are known, in place of the causal clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.analysis.whole import BeatGrid
from engine.messages import AudioFeatures, Bar

_MOST_STEP = 2
"""More beats than this between two hops is a jump in the file, and no beat fell."""


class GridClock:
    """Reads a `BeatGrid` at the file's position. Analysis thread only.

    Counters go on where they are: they never decrease, whatever the file does.
    """

    def __init__(self, grid: BeatGrid) -> None:
        self.grid = grid
        self._beat: int | None = None  # the last one that began
        self._beats: int | None = None
        self._bars = 0

    def step(self, features: AudioFeatures, position_s: float) -> AudioFeatures:
        """Return the features with tempo, beat and bar of the file at `position_s`.

        A tempo that was fixed by hand, an outer clock, and a file without beats leave them alone.
        """
        beats_s = self.grid.beats_s
        if self._beats is None:
            self._beats, self._bars = features.beat_count, features.bar.count
        led = features.tempo_by_hand or features.tempo_source != "sound"
        if led or beats_s.shape[0] < 2:
            return features
        beat, phase, period_s = self._where(position_s)
        inside = 0 <= beat < beats_s.shape[0]
        if self._beat is not None and 0 < beat - self._beat <= _MOST_STEP and inside:
            for one in range(self._beat + 1, beat + 1):
                if self.grid.sure[one]:
                    self._beats += 1
                    self._bars += int(self._in_bar(one) == 0)
        self._beat = beat
        per_bar = self.grid.beats_per_bar
        return replace(
            features,
            tempo_bpm=60.0 / period_s,
            tempo_confidence=float(self.grid.confidence[beat]) if inside else 0.0,
            beat_count=self._beats,
            beat_phase=phase,
            bar=Bar(
                per_bar, self._bars, (self._in_bar(beat) + phase) / per_bar,
                self.grid.bar_confidence,
            ),
        )  # fmt: skip

    def _in_bar(self, beat: int) -> int:
        return (beat - self.grid.downbeat) % self.grid.beats_per_bar

    def _where(self, position_s: float) -> tuple[int, float, float]:
        """Index of the last beat, phase since, and period; evenly on beyond both ends."""
        beats_s = self.grid.beats_s
        last = beats_s.shape[0] - 1
        beat = int(np.searchsorted(beats_s, position_s, side="right")) - 1
        if 0 <= beat < last:
            period_s = max(float(beats_s[beat + 1] - beats_s[beat]), 1e-3)
            phase = (position_s - float(beats_s[beat])) / period_s
            return beat, min(max(phase, 0.0), 1.0 - 1e-9), period_s
        edge, inner = (0, 1) if beat < 0 else (last, last - 1)
        period_s = max(abs(float(beats_s[edge] - beats_s[inner])), 1e-3)
        turns = (position_s - float(beats_s[edge])) / period_s
        whole = int(turns // 1.0)
        return edge + whole, min(turns - whole, 1.0 - 1e-9), period_s
