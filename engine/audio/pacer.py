"""`Pacer`: how many samples are due at a host time."""

from __future__ import annotations

import math


class Pacer:
    """Counts samples against host time, without drift. Owner's thread only.

    A stall longer than `max_stall_s` (a suspended laptop) is dropped rather than caught up with.
    """

    def __init__(self, sample_rate: int, lead_s: float = 0.0, max_stall_s: float = 1.5) -> None:
        self.sample_rate = sample_rate
        self.lead_s = lead_s
        self.max_stall_s = max_stall_s
        self._zero_s: float | None = None

    @property
    def started(self) -> bool:
        """True once `start` was called."""
        return self._zero_s is not None

    def start(self, now_s: float, sample: int = 0) -> None:
        """Let `sample` be heard at `now_s`."""
        self._zero_s = now_s - sample / self.sample_rate

    def heard_s(self, now_s: float) -> float:
        """Musical time at `now_s`; 0 before the start."""
        return 0.0 if self._zero_s is None else max(0.0, now_s - self._zero_s)

    def due(self, now_s: float, written: int) -> int:
        """Samples to produce now when `written` exist already."""
        if self._zero_s is None:
            return 0
        due = math.floor((now_s - self._zero_s + self.lead_s) * self.sample_rate + 1e-6) - written
        stall = due - round((self.max_stall_s + self.lead_s) * self.sample_rate)
        if stall > 0:
            self._zero_s += stall / self.sample_rate
            due -= stall
        return max(0, due)
