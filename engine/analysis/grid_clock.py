"""`GridClock`: the beat of a file whose beats are known, in place of the causal clock."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from engine.analysis.whole import BeatGrid
from engine.messages import AudioFeatures, Bar

_MOST_STEP = 2
"""More beats than this between two hops is a jump in the file, and no beat fell."""
_MAX_SLEW = 0.35
"""As in `BeatTracker`: the clock runs at most this much faster or slower to catch up."""


class GridClock:
    """Reads a `BeatGrid` at the file's position. Analysis thread only.

    Counters go on where they are: they never decrease, whatever the file does.
    """

    def __init__(self, grid: BeatGrid) -> None:
        self.grid = grid
        self._beat: int | None = None  # the last one that began
        self._beats: int | None = None
        self._bars = 0
        self._ahead = 0.0  # beats by which the clock shown is ahead of the grid
        self._at: float | None = None  # beats of the grid at the last step

    def step(self, features: AudioFeatures, position_s: float) -> AudioFeatures:
        """Return the features with tempo, beat and bar of the file at `position_s`.

        A tempo that was fixed by hand, an outer clock, and a file without beats leave them alone.
        Where a beat was followed before, its clock glides to the grid and never jumps.
        """
        beats_s = self.grid.beats_s
        if self._beats is None:
            self._beats, self._bars = features.beat_count, features.bar.count
        led = features.tempo_by_hand or features.tempo_source != "sound"
        if led or beats_s.shape[0] < 2:
            return features
        beat, phase, period_s = self._where(position_s)
        beat, phase = self._glide(beat, phase, features)
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

    def _glide(self, beat: int, phase: float, features: AudioFeatures) -> tuple[int, float]:
        """Beat and phase to show: those of the grid, after what is left of an older clock's."""
        at = beat + phase
        if self._at is None and features.beat_count > 0 and features.tempo_bpm > 0.0:
            self._ahead = (features.beat_phase - phase + 0.5) % 1.0 - 0.5
        moved = abs(at - self._at) if self._at is not None else 0.0
        if moved <= _MOST_STEP:
            self._ahead -= math.copysign(min(_MAX_SLEW * moved, abs(self._ahead)), self._ahead)
        self._at = at
        if not self._ahead:
            return beat, phase
        shown = at + self._ahead
        whole = math.floor(shown)
        return whole, min(shown - whole, 1.0 - 1e-9)

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
