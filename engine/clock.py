"""The two times, which meet only here: musical time is a sample index, host time `Clock.now()`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Host time in seconds, monotonic, from an arbitrary start."""

    def now(self) -> float:
        """Return host time in seconds. Any thread, never blocks."""
        ...


class MonotonicClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return `time.perf_counter()`. Any thread, never blocks."""
        return time.perf_counter()


class ManualClock:
    """A clock that moves when told to: export and tests."""

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s  # owner's thread only

    def now(self) -> float:
        """Return the time last set. Any thread, never blocks."""
        return self._now_s

    def set(self, now_s: float) -> None:
        """Move to `now_s`; a clock never runs backwards (`ValueError`)."""
        if now_s < self._now_s:
            raise ValueError(f"a clock never runs backwards: {now_s} < {self._now_s}")
        self._now_s = now_s

    def advance(self, dt_s: float) -> None:
        """Move forward by `dt_s` seconds."""
        self.set(self._now_s + dt_s)


def samples_to_seconds(sample_index: int, sample_rate: int) -> float:
    """Musical time of a sample index, seconds."""
    return sample_index / sample_rate


def seconds_to_samples(time_s: float, sample_rate: int) -> int:
    """Nearest sample index of a musical time."""
    return round(time_s * sample_rate)
