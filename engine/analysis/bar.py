"""`BarTracker`: which beat is the first of its bar."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Bar

_LENGTHS = (4, 3)
_FORGET_BEATS = 24.0
_LISTEN = 0.3
"""The downbeat is heard within this share of a beat around it."""
_SWITCH = 1.25
"""Another first beat, or another length, is believed when it has been that much clearer."""
_SURE_BEATS = 12.0
_FULL = 0.5
"""Contrast (in probability) of a first beat that is beyond doubt."""


class BarTracker:
    """Counts what speaks for each beat of the bar being the first; forgets in about 6 bars.

    Runs on the beat clock and so as smoothly as that; where the bar begins moves at beats only.
    Analysis thread only.
    """

    def __init__(self) -> None:
        self.bar = Bar()
        self._evidence = {length: np.zeros(length) for length in _LENGTHS}
        self._weight = {length: np.zeros(length) for length in _LENGTHS}
        self._index = 0
        self._beats = _LENGTHS[0]
        self._first = 0
        self._count = 0
        self._heard = 0.0
        self._peak = 0.0
        self._phase = 0.0
        self._sure = 0.0
        self._unheard = False  # a part of what was around this beat

    def step(self, downbeat: float, phase: float, *, counted: bool, paused: bool) -> None:
        """Take the probability of a downbeat in this hop, and the beat clock after it.

        `counted`: a beat began in this hop; a clock that runs in silence counts none.
        """
        if phase < self._phase:
            self._index = (self._index + 1) % 12
            self._count += int(counted and self._position() == 0)
        if self._phase < _LISTEN <= phase:
            if not paused and not self._unheard:
                self._learn()
            self._unheard = False
        self._phase = phase
        if phase < _LISTEN or phase >= 1.0 - _LISTEN:
            self._peak = max(self._peak, downbeat)
        else:
            self._peak = 0.0
        self.bar = self._read()

    def skip(self, begun: int, phase: float, *, counted: bool) -> None:
        """Run on to `phase` over `begun` beats that nobody heard: nothing is learned of them."""
        bars = (self._position() + begun) // self._beats
        self._index = (self._index + begun) % 12
        self._count += bars if counted else 0
        self._phase = phase
        self._peak = 0.0
        self._unheard = True
        self.bar = self._read()

    def _read(self) -> Bar:
        phase = (self._position() + self._phase) / self._beats
        return Bar(self._beats, self._count, min(phase, math.nextafter(1.0, 0.0)), self._sure)

    def _position(self) -> int:
        return (self._index - self._first) % self._beats

    def _learn(self) -> None:
        """Book what was heard around the beat that has just been."""
        self._heard = min(self._heard + 1.0, _SURE_BEATS)
        keep = math.exp(-1.0 / _FORGET_BEATS)
        for length in _LENGTHS:
            self._evidence[length] *= keep
            self._weight[length] *= keep
            self._evidence[length][self._index % length] += self._peak
            self._weight[length][self._index % length] += 1.0
        self._choose()
        self._sure = self._confidence()

    def _choose(self) -> None:
        other = 7 - self._beats
        if self._contrast(other) > _SWITCH * self._contrast(self._beats):
            self._beats = other
            self._first = int(self._means(other).argmax())
        means = self._means(self._beats)
        best = int(means.argmax())
        if best != self._first % self._beats and means[best] > _SWITCH * means[self._first]:
            self._first = best

    def _means(self, length: int) -> np.ndarray:
        means: np.ndarray = self._evidence[length] / (self._weight[length] + 0.5)
        return means

    def _contrast(self, length: int) -> float:
        means = np.sort(self._means(length))
        return float(means[-1] - means[:-1].mean())

    def _confidence(self) -> float:
        sure = self._contrast(self._beats) / _FULL * self._heard / _SURE_BEATS
        return min(max(sure, 0.0), 1.0)
