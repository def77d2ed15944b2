"""`SectionMemory`: the sections heard so far, and which of them sounds like this."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis.moment import CHROMA, LEVEL, MOMENT_SIZE, RATE
from engine.messages import Float32

WINDOW = 6
"""Moments that are compared at once: 3 s."""
MOST_SECTIONS = 32
"""The section not heard for the longest time is forgotten for a new one."""
MOST_WINDOWS = 96
"""Per section: 52 s, the first ones heard."""
_RATE_WEIGHT, _LEVEL_WEIGHT, _CHROMA_WEIGHT = 0.5, 0.4, 0.6


class SectionMemory:
    """Running means over 3 s of every section, a recurrence index. Analysis thread only.

    A section is recognised by its nearest window: of one that plays the same four chords again
    only those windows lie near that stand on the same chord.
    """

    def __init__(self) -> None:
        self.count = 0
        """Sections heard so far; the next new one gets this number."""
        self.weights = np.ones(MOMENT_SIZE, np.float32)
        self.weights[RATE] = _RATE_WEIGHT
        self.weights[LEVEL] = _LEVEL_WEIGHT
        self.weights[CHROMA] = _CHROMA_WEIGHT
        self._none = np.zeros((0, MOMENT_SIZE), np.float32)
        self._windows: dict[int, Float32] = {}  # in the order of their last hearing

    def new(self) -> int:
        """Make room for a section that was not heard before; returns its number."""
        number = self.count
        self.count += 1
        self._windows[number] = self._none
        if len(self._windows) > MOST_SECTIONS:
            del self._windows[next(iter(self._windows))]
        return number

    def remember(self, number: int, moments: Float32) -> None:
        """Add what was heard of a section in one go, `(n, MOMENT_SIZE)`."""
        known = self._windows.pop(number, self._none)
        self._windows[number] = np.concatenate([known, self._weighted(moments)])[:MOST_WINDOWS]

    def nearest(self, moments: Float32) -> tuple[int, float]:
        """Which section sounds like the last `WINDOW` of `(n, MOMENT_SIZE)`, and how far it is.

        -1 and infinity where nothing is remembered.
        """
        wanted = self._weighted(moments[-WINDOW:])
        best, distance = -1, math.inf
        for number, windows in self._windows.items():
            off = _least(windows, wanted)
            if off < distance:
                best, distance = number, off
        return best, distance

    def distance(self, number: int, moments: Float32, before: Float32) -> float:
        """How far the last `WINDOW` moments are from section `number`, heard or just being heard.

        `before` is what was heard of it and is not remembered yet.
        """
        wanted = self._weighted(moments[-WINDOW:])
        known = _least(self._windows.get(number, self._none), wanted)
        return min(known, _least(self._weighted(before), wanted))

    def _weighted(self, moments: Float32) -> Float32:
        """Running means of `WINDOW` moments, weighted, `(n - WINDOW + 1, MOMENT_SIZE)`."""
        if len(moments) < WINDOW:
            return self._none
        total = np.cumsum(moments, axis=0, dtype=np.float64)
        total[WINDOW:] -= total[:-WINDOW].copy()
        means: Float32 = (total[WINDOW - 1 :] / WINDOW * self.weights).astype(np.float32)
        return means


def _least(windows: Float32, wanted: Float32) -> float:
    if len(windows) == 0:
        return math.inf
    return float(np.sqrt(np.square(windows - wanted).sum(axis=1).min()))
