"""`TickLine`: a straight line through the newest ticks of a clock, deaf to jitter."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

TICKS_PER_BEAT = 24
SLOWEST_BPM, FASTEST_BPM = 20.0, 400.0
FEWEST_TICKS = 12
"""Half a beat: fewer say too little about the tempo."""
_SHORTEST_S = 60.0 / (FASTEST_BPM * TICKS_PER_BEAT)
_LONGEST_S = 60.0 / (SLOWEST_BPM * TICKS_PER_BEAT)
_WINDOW_TICKS = 48
"""Two beats: after a change of tempo nothing older is left."""
_CHANGED_TICKS = 8
_CHANGED_S = 0.005
"""So many ticks in a row on one side of the line, by so much on average: another tempo.

Jitter of +-5 ms has a mean over 8 ticks of +-1 ms.
"""
_BURST = 0.3
"""Ticks closer than this share of a period have waited together: all but the last came late."""
_OUTLIER = 3.0
_LEAST_OUTLIER_S = 0.002


@dataclass(frozen=True, slots=True)
class Fit:
    """Tick number as a function of time: `ticks = newest + (time - time_s) / tick_s`."""

    newest: int
    time_s: float
    """When the newest tick was due, after the line."""
    tick_s: float
    spread_s: float
    """Median distance of the ticks from the line."""

    def ticks_at(self, time_s: float) -> float:
        """Tick number at `time_s`."""
        return self.newest + (time_s - self.time_s) / self.tick_s


class TickLine:
    """Least squares over the last two beats, without the ticks that came far too late.

    A stalled machine delivers ticks late and in bursts, never early: those are left out of the
    second pass. Where eight ticks in a row miss the line on one side the tempo has changed, and
    what is older is forgotten. Owned by one thread.
    """

    def __init__(self) -> None:
        self._ticks: deque[int] = deque(maxlen=_WINDOW_TICKS)
        self._times_s: deque[float] = deque(maxlen=_WINDOW_TICKS)
        self._misses: deque[float] = deque(maxlen=_CHANGED_TICKS)
        self._fit: Fit | None = None

    @property
    def fit(self) -> Fit | None:
        """The line; None while there are too few ticks."""
        return self._fit

    def forget(self) -> None:
        """Start anew: after a gap nobody knows which tick is which."""
        self._keep(0)
        self._misses.clear()
        self._fit = None

    def add(self, tick: int, time_s: float) -> None:
        """Take one tick, its number and when it came."""
        if self._fit is not None:
            if self._ticks and time_s - self._times_s[-1] < _BURST * self._fit.tick_s:
                self._drop_newest()
            due_s = self._fit.time_s + (tick - self._fit.newest) * self._fit.tick_s
            self._misses.append(time_s - due_s)
            self._forget_what_changed()
        self._ticks.append(tick)
        self._times_s.append(time_s)
        self._fit = self._fitted()

    def _drop_newest(self) -> None:
        self._ticks.pop()
        self._times_s.pop()
        if self._misses:
            self._misses.pop()

    def _forget_what_changed(self) -> None:
        misses = self._misses
        if len(misses) < _CHANGED_TICKS or abs(sum(misses)) < _CHANGED_S * len(misses):
            return
        if min(misses) > 0.0 or max(misses) < 0.0:
            self._keep(_CHANGED_TICKS - 1)
            misses.clear()

    def _keep(self, count: int) -> None:
        while len(self._ticks) > count:
            self._ticks.popleft()
            self._times_s.popleft()

    def _fitted(self) -> Fit | None:
        fewest = FEWEST_TICKS if self._fit is None else _CHANGED_TICKS
        if len(self._ticks) < fewest:
            return self._fit
        newest, newest_s = self._ticks[-1], self._times_s[-1]
        ticks = np.array(self._ticks, np.float64) - newest
        times_s = np.array(self._times_s) - newest_s
        offset_s, tick_s = _line(ticks, times_s)
        late_s = times_s - offset_s - tick_s * ticks
        spread_s = float(np.sort(np.abs(late_s))[late_s.size // 2])
        usable = late_s <= max(_OUTLIER * spread_s, _LEAST_OUTLIER_S)
        if not usable.all() and usable.sum() >= _CHANGED_TICKS:
            offset_s, tick_s = _line(ticks[usable], times_s[usable])
        if not _SHORTEST_S <= tick_s <= _LONGEST_S:  # a burst of queued ticks is no tempo
            return self._fit
        return Fit(newest, newest_s + offset_s, tick_s, spread_s)


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Value at 0 and slope of the least-squares line."""
    mean_x, mean_y = float(x.sum()) / x.size, float(y.sum()) / y.size
    apart = x - mean_x
    slope = float(apart @ y) / float(apart @ apart)
    return mean_y - slope * mean_x, slope
