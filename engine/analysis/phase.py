"""`PhaseMemory`: where in the beat the attacks have been falling."""

from __future__ import annotations

import math

import numpy as np

_BINS = 64
_BEATS = 6.0
_SWITCH = 1.25
"""Another phase must have been that much better before it is believed."""
_SWITCH_BEATS = 2.0
_NEAR = 0.1
_KERNEL_WIDTH = 0.05
"""Beats: attacks of one beat are not exactly together."""


class PhaseMemory:
    """Novelty folded at the beat period, forgetting over a few beats. Analysis thread only.

    `phase` free-runs at the period and is never corrected; `beat` is where in it the beat is.
    """

    def __init__(self) -> None:
        self.phase = 0.0
        self.beat = 0.0
        self.certain = False
        self._fold: np.ndarray = np.zeros(_BINS)
        self._contrary_beats = 0.0
        self._beats = 0.0
        offsets = (np.arange(_BINS) + _BINS // 2) % _BINS - _BINS // 2
        self._kernel = np.fft.rfft(np.exp(-0.5 * (offsets / _BINS / _KERNEL_WIDTH) ** 2))

    def step(self, pulse: float, period: float, *, paused: bool, heeded: bool = True) -> None:
        """Move on by one hop of a beat of `period` hops, with this much novelty.

        While nobody heeds `beat` it is not looked for, and found anew afterwards.
        """
        self.phase = (self.phase + 1.0 / period) % 1.0
        if paused:
            return
        self._beats += 1.0 / period
        self._fold *= math.exp(-1.0 / (period * _BEATS))
        position = self.phase * _BINS
        index = int(position)
        share = position - index
        self._fold[index % _BINS] += pulse * (1.0 - share)
        self._fold[(index + 1) % _BINS] += pulse * share
        if heeded:
            self._look(1.0 / period)
        else:
            self.certain = False

    def skip(self, hops: int, period: float) -> None:
        """Move on by hops that nobody heard."""
        self.phase = (self.phase + hops / period) % 1.0

    def insist(self, beat: float) -> None:
        """Put the beat at this phase: the performer knows."""
        self.beat = beat % 1.0
        self.certain = True
        peak = max(float(self._fold.max()), 1.0)
        offsets = (np.arange(_BINS) / _BINS - self.beat + 0.5) % 1.0 - 0.5
        self._fold = 0.3 * self._fold + 2.0 * peak * np.exp(-0.5 * (offsets / 0.03) ** 2)
        self._contrary_beats = 0.0

    def _look(self, elapsed_beats: float) -> None:
        smooth = np.fft.irfft(np.fft.rfft(self._fold) * self._kernel, _BINS)
        best = int(np.argmax(smooth))
        if not self.certain:
            if self._beats >= 2.0:
                self.beat, self.certain = best / _BINS, True
            return
        distance = (np.arange(_BINS) / _BINS - self.beat + 0.5) % 1.0 - 0.5
        here = int(np.argmax(np.where(np.abs(distance) <= _NEAR, smooth, -1.0)))
        if smooth[best] > _SWITCH * smooth[here]:
            self._contrary_beats += elapsed_beats
        else:
            self._contrary_beats = 0.0
        if self._contrary_beats > _SWITCH_BEATS:
            here = best
            self._contrary_beats = 0.0
        left, middle, right = (smooth[(here + k) % _BINS] for k in (-1, 0, 1))
        curve = left - 2.0 * middle + right
        shift = 0.5 * (left - right) / curve if curve < 0.0 else 0.0
        self.beat = ((here + min(max(shift, -0.5), 0.5)) / _BINS) % 1.0
