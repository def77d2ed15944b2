"""`PitchTracker`: the pitch of the leading voice."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Float32

_LOW_HZ, _HIGH_HZ = 60.0, 1000.0
_COMPARED_S = 0.030
"""How much sound is compared with itself one period later (W of the paper)."""
_RATE_HZ = 8_000.0
"""The comparison runs at this rate or up to twice of it."""
_FULL_HZ = (300.0, 2400.0, 3600.0)
"""What is compared is full between the first two and ends at the third."""
_FALL = 2.0
"""Below the first it falls with this power: a kick is no melody, but alone a bass is heard."""
_THRESHOLD = 0.3
_MEDIAN = 5
_VOICED = 0.3
"""Aperiodicity up to which a pitch counts as heard."""


class PitchTracker:
    """Fundamental frequency after YIN. Analysis thread only.

    De Cheveigne and Kawahara, YIN, JASA 111, 2002: the difference of a sound with itself one lag
    later, against the mean of that over all shorter lags; the first deep dip is the period. Call
    `step` at a steady rate with `length` samples.
    """

    def __init__(self, sample_rate: int) -> None:
        self.pitch_hz = 0.0
        """Median of the newest five that were heard."""
        self.confidence = 0.0
        """1 less the aperiodicity, in [0, 1]; 0 where nothing has a pitch."""
        self.length = round((_COMPARED_S + 1.0 / _LOW_HZ) * sample_rate)
        self._n_fft = 1 << (self.length - 1).bit_length()
        width_hz = sample_rate / self._n_fft
        self._n_small = min(self._n_fft, 1 << math.ceil(math.log2(_RATE_HZ / width_hz)))
        self._rate_hz = self._n_small * width_hz
        bins_hz = np.arange(self._n_small // 2 + 1) * width_hz
        low_hz, full_hz, high_hz = _FULL_HZ
        self._band = np.minimum(1.0, bins_hz / low_hz) ** _FALL
        self._band *= np.interp(bins_hz, (full_hz, high_hz), (1.0, 0.0))
        self._compared = round(_COMPARED_S * self._rate_hz)
        self._longest = math.ceil(self._rate_hz / _LOW_HZ)
        self._shortest = max(2, math.floor(self._rate_hz / _HIGH_HZ))
        self._recent: list[float] = []

    def step(self, samples: Float32) -> None:
        """Take the newest `length` samples of something that is not silent."""
        lags = _difference(self._narrowed(samples), self._compared, self._longest + 1)
        lag, aperiodicity = self._first_dip(lags)
        self.confidence = min(max(1.0 - aperiodicity, 0.0), 1.0)
        if aperiodicity > _VOICED:
            self.confidence = 0.0
            return
        self._recent = [*self._recent[1 - _MEDIAN :], self._rate_hz / lag]
        self.pitch_hz = float(np.median(self._recent))

    def rest(self) -> None:
        """Hear silence: the pitch is held, its confidence is gone."""
        self.confidence = 0.0
        self._recent.clear()

    def _narrowed(self, samples: Float32) -> np.ndarray:
        bins = np.fft.rfft(samples, self._n_fft)[: self._n_small // 2 + 1]
        narrow = np.fft.irfft(bins * self._band, self._n_small)
        return narrow[: self._compared + self._longest + 1]

    def _first_dip(self, lags: np.ndarray) -> tuple[float, float]:
        """Steps 3 to 5 of the paper: lag in samples, and aperiodicity, 1 where nothing dips."""
        sums = np.cumsum(lags[1:])
        if sums[-1] <= 0.0:
            return 1.0, 1.0
        normal = np.ones(len(lags))
        normal[1:] = lags[1:] * np.arange(1, len(lags)) / np.maximum(sums, 1e-20)
        inside = normal[self._shortest : -1]
        dips = (inside <= normal[self._shortest - 1 : -2]) & (
            inside < normal[self._shortest + 1 :]
        )
        at = np.flatnonzero(dips)
        if not len(at):
            return 1.0, 1.0
        deep = at[inside[at] < _THRESHOLD]
        best = int(deep[0] if len(deep) else at[inside[at].argmin()]) + self._shortest
        left, middle, right = normal[best - 1 : best + 2].tolist()
        curve = left - 2.0 * middle + right
        shift = 0.5 * (left - right) / curve if curve > 0.0 else 0.0
        return best + shift, middle - 0.25 * (left - right) * shift


def _difference(sound: np.ndarray, compared: int, lags: int) -> np.ndarray:
    """Squared difference of the first `compared` samples with those `lag` later, per lag."""
    n_fft = 1 << (compared + lags - 1).bit_length()
    whole = np.fft.rfft(sound, n_fft)
    first = np.fft.rfft(sound[:compared], n_fft)
    products = np.fft.irfft(whole * np.conj(first), n_fft)[:lags]
    squares = np.concatenate([[0.0], np.cumsum(sound * sound)])
    energies = squares[compared : compared + lags] - squares[:lags]
    result: np.ndarray = np.maximum(energies[0] + energies - 2.0 * products, 0.0)
    return result
