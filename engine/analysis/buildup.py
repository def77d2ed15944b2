"""`BuildUp`: the rise before a drop, and the drop."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from engine.messages import Float32

_SPAN_S = 8.0
_QUARTERS = 4
_GLANCE_S = 0.25
_CENTROID_RISE, _DENSITY_RISE_HZ, _LEVEL_RISE_DB = 0.25, 6.0, 8.0
"""A clear rise over the span, each by itself."""
_NONE, _SURE = 0.4, 1.6
"""Clear rises that together are chance, and that are a build-up beyond doubt."""
_LOW_HZ, _HIGH_HZ = 25.0, 100.0
_TOP_LEAK_DB_PER_S = 0.3
_GONE_DB, _BACK_DB = -14.0, -9.0
"""Below its recent top: the low end is gone, and back."""
_GONE_S, _LONG_GONE_S = 2.0, 4.0
"""How long the low end is away before a drop: after a build-up, and without one."""
_BUILT = 0.25
_BUILT_S = 4.0
_LEAST_LOW_S = 6.0
"""So much low end must have been heard before it can be missed."""


class BuildUp:
    """Slope of brightness, onset density and level; absence and return of the low end.

    Analysis thread only; stands still while silent. A build-up rises in every quarter of 8 s, a
    new section only once: the middle of the three rises counts, not their sum alone.
    """

    def __init__(self, frequencies_hz: np.ndarray, dt_s: float) -> None:
        self.build = 0.0
        """In [0, 1]."""
        self.drop_count = 0
        self._dt_s = dt_s
        first, end = np.searchsorted(frequencies_hz, (_LOW_HZ, _HIGH_HZ))
        self._low = slice(int(first), max(int(end), int(first) + 1))
        self._hops = max(1, round(_GLANCE_S / dt_s))
        per_quarter = max(1, round(_SPAN_S / (_QUARTERS * self._hops * dt_s)))
        self._glances: deque[float] = deque(maxlen=_QUARTERS * per_quarter)
        self._centroid, self._level_db, self._count = 0.0, 0.0, 0
        self._onsets = 0
        self._built = 0.0
        self._top_db = -math.inf
        self._low_s = 0.0
        self._gone_s = 0.0

    def step(
        self, power: Float32, centroid: float, level_db: float, onset_count: int, *, silent: bool
    ) -> None:
        """Take the power per bin of the exact spectrum and what else was heard in this hop."""
        if silent:
            return
        self._step_drop(10.0 * math.log10(float(power[self._low].sum()) + 1e-12))
        self._centroid += centroid
        self._level_db += level_db
        self._count += 1
        if self._count >= self._hops:
            self._glance(onset_count)

    def _glance(self, onset_count: int) -> None:
        density_hz = (onset_count - self._onsets) / (self._count * self._dt_s)
        self._glances.append(
            self._centroid / self._count / _CENTROID_RISE
            + density_hz / _DENSITY_RISE_HZ
            + self._level_db / self._count / _LEVEL_RISE_DB
        )
        self._onsets = onset_count
        self._built *= math.exp(-self._count * self._dt_s / _BUILT_S)
        self._centroid, self._level_db, self._count = 0.0, 0.0, 0
        self.build = self._rise()
        self._built = max(self._built, self.build)

    def _rise(self) -> float:
        if len(self._glances) < (self._glances.maxlen or 0):
            return 0.0
        means = np.array(self._glances).reshape(_QUARTERS, -1).mean(axis=1)
        rises = np.sort(np.diff(means)).tolist()
        steady = 1.5 * (_QUARTERS - 1) * rises[len(rises) // 2]
        rise = min(sum(rises), steady)
        return float(min(max((rise - _NONE) / (_SURE - _NONE), 0.0), 1.0))

    def _step_drop(self, low_db: float) -> None:
        self._top_db = max(low_db, self._top_db - _TOP_LEAK_DB_PER_S * self._dt_s)
        missing = self._gone_s >= _GONE_S
        if low_db <= self._top_db + (_BACK_DB if missing else _GONE_DB):
            self._gone_s += self._dt_s
            return
        if missing and self._low_s >= _LEAST_LOW_S and self._expected():
            self.drop_count += 1
            self.build = 0.0
            self._built = 0.0
            self._glances.clear()
        self._low_s += self._dt_s
        self._gone_s = 0.0

    def _expected(self) -> bool:
        return self._gone_s >= _LONG_GONE_S or self._built >= _BUILT
