"""`WholeNovelty`: how strongly something begins, over a whole file, looking both ways."""

from __future__ import annotations

import numpy as np

from engine.analysis.framer import hop_length
from engine.analysis.spectrum import Spectrum, log_filterbank
from engine.messages import Float32

_WINDOW_S = 2048 / 48_000
_LOW_HZ, _HIGH_HZ = 30.0, 16_000.0
_PER_OCTAVE = 12
_LAG = 2
_CHUNK = 256
_LEAD_HOPS = 8
"""Hops of nothing in front, so that an attack on the first sample is one like any other."""
_LATE_S = 0.004
"""How much later than the attack the rise is largest, measured with clicks."""
_MEAN_S = 0.4
_SCALE_S = 4.0
_QUIET = 0.1
"""Share of the whole file's scale below which a passage is not blown up further."""
_MOST = 8.0
_BASS_HZ = 180.0


class WholeNovelty:
    """Takes a file block by block and keeps one number per hop. Owned by one thread.

    The rise of root magnitudes per log band against the largest neighbour two hops earlier
    (SuperFlux's maximum filter), weighted towards the bass, which carries the beat.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.hop = hop_length(sample_rate)
        self.dt_s = self.hop / sample_rate
        self._spectrum = Spectrum(sample_rate, _WINDOW_S)
        n_bins = self._spectrum.frequencies_hz
        self._bank = log_filterbank(n_bins, _LOW_HZ, _HIGH_HZ, _PER_OCTAVE).T
        count = self._bank.shape[1]
        centres_hz = (self._bank * n_bins[:, None]).sum(axis=0)
        self._weights = np.exp(-2.0 * np.arange(count) / count).astype(np.float32)
        self._weights /= self._weights.sum()
        self._bass = (centres_hz < _BASS_HZ).astype(np.float32)
        self._bass /= max(float(self._bass.sum()), 1.0)
        # Frame `i` is centred on sample `(i - _LEAD_HOPS) * hop`.
        lead = self._spectrum.length // 2 + _LEAD_HOPS * self.hop
        self._left: Float32 = np.zeros(lead, np.float32)
        self._past = np.zeros((_LAG, count), np.float32)
        self._all: list[np.ndarray] = []
        self._low: list[np.ndarray] = []
        self._level: list[np.ndarray] = []

    def push(self, block: Float32) -> None:
        """Take samples `(n, channels)`."""
        mono = np.nan_to_num(np.asarray(block, np.float32).mean(axis=1), posinf=0.0, neginf=0.0)
        self._left = np.concatenate([self._left, np.clip(mono, -16.0, 16.0)])
        while self._left.shape[0] >= self._spectrum.length + (_CHUNK - 1) * self.hop:
            self._take(_CHUNK)

    def finish(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return novelty, its bass part, and the level in dB, one of each per hop.

        Hop `i` is at `time_s(i)`.
        """
        self._left = np.concatenate([self._left, np.zeros(self._spectrum.length // 2, np.float32)])
        rest = (self._left.shape[0] - self._spectrum.length) // self.hop + 1
        if rest > 0:
            self._take(rest)
        whole, low, level = (
            np.concatenate(rows) if rows else np.zeros(0)
            for rows in (self._all, self._low, self._level)
        )
        return self._normal(whole), self._normal(low), level

    def time_s(self, hop: np.ndarray) -> np.ndarray:
        """When what hop `hop` reports began, seconds; fractions of a hop are fine."""
        return (hop - _LEAD_HOPS) * self.dt_s - _LATE_S

    def _take(self, count: int) -> None:
        length = self._spectrum.length
        frames = np.lib.stride_tricks.sliding_window_view(self._left, length)[:: self.hop][:count]
        power = np.stack([self._spectrum.power(frame) for frame in frames])
        self._left = self._left[count * self.hop :]
        roots = np.sqrt(np.sqrt(power @ self._bank))
        earlier = np.concatenate([self._past, roots])[: roots.shape[0]]
        self._past = np.concatenate([self._past, roots])[-_LAG:]
        widest = earlier.copy()
        np.maximum(widest[:, 1:], earlier[:, :-1], out=widest[:, 1:])
        np.maximum(widest[:, :-1], earlier[:, 1:], out=widest[:, :-1])
        rise = np.maximum(roots - widest, 0.0)
        self._all.append((rise @ self._weights).astype(np.float64))
        self._low.append((rise @ self._bass).astype(np.float64))
        self._level.append(10.0 * np.log10(power.sum(axis=1).astype(np.float64) + 1e-12))

    def _normal(self, rise: np.ndarray) -> np.ndarray:
        """Rise over its local mean, in units of its local scale."""
        if rise.shape[0] < 2:
            return rise
        over = np.maximum(rise - smoothed(rise, _MEAN_S / self.dt_s), 0.0)
        scale = np.sqrt(smoothed(over**2, _SCALE_S / self.dt_s))
        floor = _QUIET * float(np.sqrt(np.mean(over**2)))
        normal: np.ndarray = np.minimum(over / np.maximum(scale, max(floor, 1e-9)), _MOST)
        return normal


def smoothed(values: np.ndarray, hops: float) -> np.ndarray:
    """Centred moving mean over about `hops` hops; shorter at both ends."""
    half = max(1, round(0.5 * hops))
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(values.shape[0])
    first, last = np.maximum(index - half, 0), np.minimum(index + half + 1, values.shape[0])
    mean: np.ndarray = (total[last] - total[first]) / (last - first)
    return mean
