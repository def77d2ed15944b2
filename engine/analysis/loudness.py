"""Level in dBFS, the silence gate, and a running histogram of levels."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Float32

FLOOR_DB = -120.0


def level_db(samples: Float32) -> float:
    """RMS of `samples` in dBFS; a full-scale sine is -3, digital silence -120."""
    mean_square = float(np.dot(samples, samples)) / samples.shape[0]
    return max(FLOOR_DB, 10.0 * math.log10(mean_square + 1e-12))


class Gate:
    """Closes after 300 ms of quiet, opens at once. Analysis thread only.

    Quiet is below -60 dBFS, or 50 dB below what was heard lately: the hiss of a line after a loud
    song is silence, too.
    """

    CLOSE_DB = -60.0
    BELOW_RECENT_DB = -50.0
    HYSTERESIS_DB = 6.0
    HOLD_S = 0.3
    FORGET_DB_PER_S = 2.0

    def __init__(self) -> None:
        self.silent = True
        self._quiet_s = 0.0
        self._recent_db = FLOOR_DB

    def step(self, level_db: float, dt_s: float) -> bool:
        """Take the newest level (after gain); True while silent."""
        self._recent_db = max(level_db, self._recent_db - self.FORGET_DB_PER_S * dt_s)
        close_db = max(self.CLOSE_DB, self._recent_db + self.BELOW_RECENT_DB)
        if level_db >= close_db + self.HYSTERESIS_DB:
            self.silent = False
        if level_db >= close_db:
            self._quiet_s = 0.0
        else:
            self._quiet_s += dt_s
            if self._quiet_s >= self.HOLD_S:
                self.silent = True
        return self.silent


class LevelHistogram:
    """How often which level was heard lately, per row; quantiles of it. Analysis thread only.

    Exponentially forgetting with one time constant, 1 dB bins, both the deposit and the quantile
    interpolated: shifting the input by some dB shifts the quantiles by the same.
    """

    LOW_DB = -120
    HIGH_DB = 30

    def __init__(self, rows: int, tau_s: float) -> None:
        self.tau_s = tau_s
        self._counts = np.zeros((rows, self.HIGH_DB - self.LOW_DB + 1))
        self._rows = np.arange(rows)

    def add(self, levels_db: np.ndarray, dt_s: float) -> None:
        """Deposit one level per row, shape `(rows,)`."""
        position = np.clip(levels_db - self.LOW_DB, 0.0, self._counts.shape[1] - 1.001)
        index = position.astype(np.intp)
        share = position - index
        self._counts *= math.exp(-dt_s / self.tau_s)
        self._counts[self._rows, index] += 1.0 - share
        self._counts[self._rows, index + 1] += share

    def quantiles(self, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """Levels undercut for the shares `low` and `high` of the time, `(rows,)` each."""
        cumulated = np.cumsum(self._counts, axis=1)
        return self._quantile(cumulated, low), self._quantile(cumulated, high)

    def _quantile(self, cumulated: np.ndarray, share: float) -> np.ndarray:
        target = share * cumulated[:, -1]
        index = np.minimum(
            np.count_nonzero(cumulated < target[:, None], axis=1), cumulated.shape[1] - 1
        )
        above = cumulated[self._rows, index]
        count = self._counts[self._rows, index]
        inside = 1.0 - (above - target) / np.maximum(count, 1e-12)
        result: np.ndarray = self.LOW_DB + index - 0.5 + np.clip(inside, 0.0, 1.0)
        return result
