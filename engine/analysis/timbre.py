"""`Timbre`: how bright and how noisy the sound is."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Float32

_LOW_HZ, _HIGH_HZ = 150.0, 6000.0
_FLAT_LOW_HZ, _FLAT_HIGH_HZ = 200.0, 8000.0
_FLATNESS_RANGE_DB = 40.0
_AVERAGE_S = 0.08
_SMOOTH_S = 0.05


class Timbre:
    """Centroid and flatness, both in [0, 1], held while silent. Analysis thread only."""

    def __init__(self, frequencies_hz: np.ndarray, dt_s: float) -> None:
        self.centroid = 0.0
        self.flatness = 0.0
        self._frequencies = frequencies_hz[1:].astype(np.float32)
        inside = (frequencies_hz >= _FLAT_LOW_HZ) & (frequencies_hz <= _FLAT_HIGH_HZ)
        self._inside = np.flatnonzero(inside)
        self._average = np.zeros(self._inside.shape[0])
        self._heard_s = 0.0
        self._dt_s = dt_s

    def step(self, power: Float32, *, silent: bool) -> None:
        """Take a power spectrum."""
        if silent:
            return
        magnitude = np.sqrt(power[1:])
        total = float(magnitude.sum())
        if total <= 0.0:
            return
        # Averaging a few hops first: the spectrum of even pure noise is ragged in one hop.
        first = self._heard_s == 0.0
        self._heard_s += self._dt_s
        share = 1.0 - math.exp(-self._dt_s / min(_AVERAGE_S, self._heard_s))
        self._average += share * (power[self._inside] - self._average)
        centre_hz = float(np.dot(magnitude, self._frequencies)) / total
        centroid = math.log(max(centre_hz, 1.0) / _LOW_HZ) / math.log(_HIGH_HZ / _LOW_HZ)
        glide = 1.0 if first else 1.0 - math.exp(-self._dt_s / _SMOOTH_S)
        self.centroid += glide * (min(max(centroid, 0.0), 1.0) - self.centroid)
        self.flatness += glide * (self._flatness() - self.flatness)

    def _flatness(self) -> float:
        mean = float(self._average.mean())
        if mean <= 0.0:
            return self.flatness
        log_mean = float(np.log(self._average + 1e-9 * mean).mean())
        below_db = 10.0 / math.log(10.0) * (log_mean - math.log(mean))
        return min(max(1.0 + below_db / _FLATNESS_RANGE_DB, 0.0), 1.0)
