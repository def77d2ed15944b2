"""`TempoEstimator`: the beat period of the last seconds, by autocorrelation."""

from __future__ import annotations

import math

import numpy as np

SLOWEST_BPM, FASTEST_BPM = 54.0, 212.0
_GRID = 1.012
"""Ratio of neighbouring candidates."""
_WINDOW_S = 8.0
_AGE_S = 3.5
"""Older novelty counts less: this is what makes a new song heard quickly."""
_COMB = (1.0, 0.8, 0.65, 0.5)
_SHARPNESS = 2.0
"""Power of the comb score against the prior: a weak off-beat does not double the tempo."""
_PRIOR_BPM, _PRIOR_OCTAVES = 122.0, 0.65
_BLUR_HOPS = 1.2
"""Attacks are not on a grid of hops; unblurred, the long lags of slow tempi fall between teeth."""
_MIN_OVERLAP_S = 0.75
_SMOOTH_S = 0.8
_STAY = 1.12
"""The present tempo is kept until another is that much better."""
_SAME = 0.04


class TempoEstimator:
    """Autocorrelation of the novelty, a comb on a log grid with fractional lags, a log prior.

    Times are in hops. Analysis thread only.
    """

    def __init__(self, dt_s: float) -> None:
        self.dt_s = dt_s
        self.period = 0.0
        """Hops per beat; 0 while unknown."""
        self.clarity = 0.0
        """How periodic the novelty is at this period: noise about 0.1, a drum loop above 0.5."""
        self._size = round(_WINDOW_S / dt_s)
        self._n_fft = 1 << (2 * self._size - 1).bit_length()
        self._novelty = np.zeros(self._size)
        self._filled = 0
        count = math.floor(math.log(FASTEST_BPM / SLOWEST_BPM) / math.log(_GRID)) + 1
        self.tempi_bpm = SLOWEST_BPM * _GRID ** np.arange(count)
        self.periods = 60.0 / (self.tempi_bpm * dt_s)
        octaves = np.log2(self.tempi_bpm / _PRIOR_BPM)
        self._prior = np.exp(-0.5 * (octaves / _PRIOR_OCTAVES) ** 2)
        self._age = np.exp(-np.arange(self._size)[::-1] * dt_s / _AGE_S)
        cycles_per_hop = np.fft.rfftfreq(self._n_fft)
        self._blur = np.exp(-((2.0 * np.pi * cycles_per_hop * _BLUR_HOPS) ** 2))
        self._combs = _comb_matrices(self.periods, self._size)
        self._score = np.zeros(count)
        self._steps = 0

    def push(self, novelty: float) -> None:
        """Append one hop."""
        self._novelty[:-1] = self._novelty[1:]
        self._novelty[-1] = novelty
        self._filled = min(self._filled + 1, self._size)

    def update(self, elapsed_s: float) -> None:
        """Estimate anew from what was pushed; `elapsed_s` since the last call."""
        heard_s = self._filled * self.dt_s
        if heard_s < 1.5:
            return
        similarity = self._similarity()
        raw = self._comb(similarity, self._filled)
        share = 1.0 - math.exp(-elapsed_s / _SMOOTH_S) if self._steps else 1.0
        self._steps += 1
        self._score += share * (raw - self._score)
        self._choose()

    @property
    def past(self) -> np.ndarray:
        """What was pushed in the last 8 s, oldest first."""
        return self._novelty[self._size - self._filled :]

    def _similarity(self) -> np.ndarray:
        """Normalised, overlap-corrected autocorrelation, lags 0..size-1."""
        weight = self._age.copy()
        weight[: self._size - self._filled] = 0.0
        mean = float(np.dot(weight, self._novelty)) / float(weight.sum())
        rows = np.stack([(self._novelty - mean) * weight, weight])
        spectra = np.fft.rfft(rows, self._n_fft, axis=1)
        power = np.abs(spectra) ** 2
        power[0] *= self._blur
        acf = np.fft.irfft(power, self._n_fft, axis=1)[:, : self._size]
        overlap = np.maximum(acf[1], 1e-9 * acf[1, 0])
        similarity = acf[0] / overlap
        zero = similarity[0]
        normalised: np.ndarray = similarity / zero if zero > 1e-12 else np.zeros(self._size)
        return normalised

    def _comb(self, similarity: np.ndarray, filled: int) -> np.ndarray:
        reach = filled - _MIN_OVERLAP_S / self.dt_s
        total = np.zeros(self.periods.shape[0])
        weights = np.zeros(self.periods.shape[0])
        for tooth, (strength, matrix) in enumerate(zip(_COMB, self._combs, strict=True), start=1):
            usable = np.clip(reach - tooth * self.periods, 0.0, 1.0) * strength
            total += usable * (matrix @ similarity)
            weights += usable
        # One tooth alone may be chance: fewer than half of the comb counts less.
        return total / np.maximum(weights, 0.5 * sum(_COMB))

    def _choose(self) -> None:
        value = np.maximum(self._score, 0.0) ** _SHARPNESS * self._prior
        best = int(np.argmax(value))
        if value[best] <= 0.0:
            self.clarity = 0.0
            return
        if self.period > 0.0:
            near = np.abs(np.log(self.periods / self.period)) < _SAME
            here = int(np.argmax(np.where(near, value, -1.0)))
            if value[here] * _STAY**_SHARPNESS >= value[best]:
                best = here
        self.clarity = float(self._score[best])
        self.period = self._refined(best, value)

    def _refined(self, best: int, value: np.ndarray) -> float:
        """Parabola through the best candidate and its neighbours."""
        if not 0 < best < value.shape[0] - 1:
            return float(self.periods[best])
        left, middle, right = value[best - 1 : best + 2]
        curve = left - 2.0 * middle + right
        shift = 0.5 * (left - right) / curve if curve < 0.0 else 0.0
        return float(self.periods[best] * _GRID ** -min(max(shift, -0.5), 0.5))


def _comb_matrices(periods: np.ndarray, size: int) -> list[np.ndarray]:
    """For each tooth, weights `(periods, lags)`: a triangle around the fractional lag."""
    lags = np.arange(size)
    matrices = []
    for tooth in range(1, len(_COMB) + 1):
        centre = tooth * periods[:, None]
        width = 1.0 + 0.006 * centre
        matrix = np.clip(1.0 - np.abs(lags[None, :] - centre) / width, 0.0, None)
        matrices.append(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1e-9))
    return matrices
