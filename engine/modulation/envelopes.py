"""Smoothing that does not depend on how often it is asked.

A time in milliseconds is the time in which 95 % of a step is covered: an attack of 5 ms is over
within one analysis hop of 10.7 ms (99.8 %), so that a hit of a single hop reaches its peak.
"""

from __future__ import annotations

import math

COVERED_LN = math.log(20.0)
"""-ln(1 - 0.95): time constants per stated time."""

REST = 1e-5
"""Differences below this are over: the value lands exactly."""


def share_covered(dt_s: float, time_ms: float) -> float:
    """Return the share of the remaining way covered in `dt_s`, in [0, 1].

    `1 - exp(-dt/tau)` with tau = time / ln 20; a time of 0 jumps.
    """
    if time_ms <= 0.0:
        return 1.0
    return -math.expm1(-dt_s * 1000.0 * COVERED_LN / time_ms)


class Envelope:
    """Follows a value: away from zero in `attack_ms`, back in `release_ms`. One thread only."""

    def __init__(self, attack_ms: float, release_ms: float) -> None:
        self.attack_ms = attack_ms
        self.release_ms = release_ms
        self.value = 0.0

    def step(self, target: float, dt_s: float) -> float:
        """Move towards `target` for `dt_s` seconds and return the new value."""
        rising = abs(target) > abs(self.value)
        time_ms = self.attack_ms if rising else self.release_ms
        self.value += (target - self.value) * share_covered(dt_s, time_ms)
        if abs(target - self.value) < REST:
            self.value = target
        return self.value


class Pulse:
    """Jumps to 1 when a counter has moved and falls in `release_ms`. One thread only."""

    def __init__(self, release_ms: float) -> None:
        self.release_ms = release_ms
        self.value = 0.0
        self._seen: int | None = None

    def step(self, count: int, dt_s: float) -> float:
        """Return the pulse after `dt_s` seconds; the first count seen is no event."""
        self.value *= 1.0 - share_covered(dt_s, self.release_ms)
        if self.value < REST:
            self.value = 0.0
        if self._seen is not None and count > self._seen:
            self.value = 1.0
        self._seen = count
        return self.value
