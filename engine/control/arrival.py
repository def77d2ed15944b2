"""`ArrivalTimes`: when queued messages really came, in host time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

_LOOKS = 64


class ArrivalTimes:
    """From the time between messages, as the driver stamped them, to `Clock.now()`.

    We look late and seldom, but never before a message came: of the newest 64 looks that found
    something, the one that was least late says how the two times lie to each other. A stall of our
    threads therefore moves no message. Owned by one thread at a time.
    """

    def __init__(self) -> None:
        self._driver_s = 0.0
        self._late_s: deque[float] = deque(maxlen=_LOOKS)

    def take(self, since_previous_s: Sequence[float], now_s: float) -> list[float]:
        """Return the host time of each message found at `now_s`; at least one."""
        stamps = []
        for since_s in since_previous_s:
            self._driver_s += max(since_s, 0.0)
            stamps.append(self._driver_s)
        self._late_s.append(now_s - self._driver_s)
        apart_s = min(self._late_s)
        return [min(stamp + apart_s, now_s) for stamp in stamps]
