"""`StrokeMeter`: whether what moves is struck, or only swings."""

from __future__ import annotations

import math

_LOW_PASS_HZ = 9.0
"""Of each of two poles: what moves more slowly may be a beat, what moves faster divides one."""
_DRIFT_HZ = 0.4
_MEMORY_S = 3.0
_SETTLE_S = 0.3
"""So long after the first sound its coming is over, which is no stroke of a rhythm."""
_SLOW_LOW, _SLOW_HIGH = 0.28, 0.36
"""Share of the movement that is slow: noise that swings 10 to 20 times a second has at most 0.28,
24 generated clips, the nine loops and drum'n'bass at 165 to 180 BPM have 0.45 and more."""
_ABRUPT_LOW, _ABRUPT_HIGH = 0.8, 1.4
"""Skewness of the change from hop to hop: swinging noise 0.1, 16 recorded helicopters at most 0.8,
hats alone in sixteenths (whose movement is fast, too) 1.9 and more."""


class StrokeMeter:
    """Tells strokes from a fast even swing by the loudness of a hop. Analysis thread only.

    Rotors and fans swing as fast as sixteenths are played, but they rise as slowly as they fall,
    and nothing among them comes once a beat. Either is enough to be taken for strokes.
    """

    def __init__(self, dt_s: float) -> None:
        self.value = 1.0
        """In [0, 1]: 0 where all there is swings fast and evenly."""
        self._dt_s = dt_s
        self._heard_s = 0.0
        self._before = self._first = self._slow = self._drift = 0.0
        self._slow_power = self._fast_power = 0.0
        self._square = self._cube = 0.0

    def step(self, level: float) -> None:
        """Take how loud this hop is, compressed; not to be called in silence."""
        self._heard_s += self._dt_s
        change, self._before = level - self._before, level
        pole = self._share(1.0 / (math.tau * _LOW_PASS_HZ))
        self._first += pole * (level - self._first)
        self._slow += pole * (self._first - self._slow)
        self._drift += self._share(1.0 / (math.tau * _DRIFT_HZ)) * (self._slow - self._drift)
        if self._heard_s < _SETTLE_S:
            return
        share = self._share(_MEMORY_S)
        self._slow_power += share * ((self._slow - self._drift) ** 2 - self._slow_power)
        self._fast_power += share * ((level - self._slow) ** 2 - self._fast_power)
        self._square += share * (change**2 - self._square)
        self._cube += share * (change**3 - self._cube)
        self.value = self._read()

    def rejoin(self, level: float) -> None:
        """Go on from this loudness: what came before it is not known."""
        self._before = level

    def _share(self, tau_s: float) -> float:
        return 1.0 - math.exp(-self._dt_s / min(tau_s, self._heard_s))

    def _read(self) -> float:
        slow = self._slow_power / max(self._slow_power + self._fast_power, 1e-12)
        abrupt = self._cube / max(self._square**1.5, 1e-12)
        return max(_ramp(slow, _SLOW_LOW, _SLOW_HIGH), _ramp(abrupt, _ABRUPT_LOW, _ABRUPT_HIGH))


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)
