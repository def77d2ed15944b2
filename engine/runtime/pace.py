"""Figures about the show: rate, gaps, losses and latency of the output, cost of listening."""

from __future__ import annotations

from collections import deque

import numpy as np

_SMOOTHING = 0.05
_USUAL_FRAMES = 31
_HOPS = 8192
"""About 90 s."""


class Pace:
    """Figures about the show. Composer and analysis thread write, anyone reads."""

    def __init__(self) -> None:
        self.frames = 0
        self.dropped = 0
        """Frames that were due between the first and the newest one and were not made in time."""
        self.latency_ms = 0.0
        self.longest_gap_ms = 0.0
        self.latencies_ms: deque[float] = deque(maxlen=4096)
        self._hops_ms: deque[float] = deque(maxlen=_HOPS)
        self._trackers_ms: deque[float] = deque(maxlen=_HOPS)
        self._newest_ms: deque[float] = deque(maxlen=_USUAL_FRAMES)
        self._first_s = 0.0
        self._times: deque[float] = deque(maxlen=90)

    @property
    def frames_per_second(self) -> float:
        """Over the newest 90 frames."""
        times = list(self._times)
        if len(times) < 2 or times[-1] <= times[0]:
            return 0.0
        return (len(times) - 1) / (times[-1] - times[0])

    @property
    def mean_frames_per_second(self) -> float:
        """Over the whole run."""
        if self.frames < 2 or self._times[-1] <= self._first_s:
            return 0.0
        return (self.frames - 1) / (self._times[-1] - self._first_s)

    @property
    def usual_latency_ms(self) -> float:
        """Median over the newest second or so: a stall of the machine does not count."""
        newest = list(self._newest_ms)
        return float(np.median(newest)) if newest else 0.0

    def latency_percentiles_ms(self) -> dict[str, float]:
        """Newest sample heard -> frame handed over, over the newest frames."""
        return _percentiles(self.latencies_ms, (50, 95, 99), 1)

    def hop_percentiles_ms(self) -> dict[str, float]:
        """What one hop of the analysis took of host time, beside everything else that runs."""
        return _percentiles(self._hops_ms, (50, 99), 3)

    def tracker_percentiles_ms(self) -> dict[str, float]:
        """The beat tracker's part of that."""
        return _percentiles(self._trackers_ms, (50, 99), 3)

    def note_hop(self, hop_s: float, tracker_s: float) -> None:
        """One hop was heard in `hop_s`. Analysis thread only."""
        self._hops_ms.append(1000.0 * hop_s)
        self._trackers_ms.append(1000.0 * tracker_s)

    def note(self, now_s: float, latency_s: float | None, missed: int = 0) -> None:
        """One frame was handed over; `missed` frames were due between it and the one before."""
        if not self.frames:
            self._first_s = now_s
        else:
            self.dropped += missed
        if self._times:
            self.longest_gap_ms = max(self.longest_gap_ms, 1000.0 * (now_s - self._times[-1]))
        self._times.append(now_s)
        self.frames += 1
        if latency_s is not None:
            self.latencies_ms.append(1000.0 * latency_s)
            self._newest_ms.append(1000.0 * latency_s)
            self.latency_ms += _SMOOTHING * (1000.0 * latency_s - self.latency_ms)


def _percentiles(times_ms: deque[float], shares: tuple[int, ...], digits: int) -> dict[str, float]:
    if not times_ms:
        return {f"p{share}": 0.0 for share in shares}
    found = np.percentile(np.array(times_ms), shares)
    return {f"p{share}": round(float(t), digits) for share, t in zip(shares, found, strict=True)}
