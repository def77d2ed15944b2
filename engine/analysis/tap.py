"""`TapTempo`: a tempo out of a finger."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import median

_PAUSE_S = 2.5
_KEPT = 8
_SHORTEST_S = 0.2


class TapTempo:
    """The newest taps; a pause starts anew. One thread."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=_KEPT)

    def tap(self, time_s: float) -> float:
        """Take a tap; return the tempo in beats per minute, 0 while there is only one."""
        if self._times_s and not _SHORTEST_S <= time_s - self._times_s[-1] <= _PAUSE_S:
            if 0.0 <= time_s - self._times_s[-1] < _SHORTEST_S:
                return 0.0  # a bouncing key
            self._times_s.clear()
        self._times_s.append(time_s)
        if len(self._times_s) < 2:
            return 0.0
        return 60.0 / median(later - earlier for earlier, later in pairwise(self._times_s))

    def forget(self) -> None:
        """The next tap is the first."""
        self._times_s.clear()
