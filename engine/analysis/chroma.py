"""`Chroma`: which of the twelve pitch classes sound."""

from __future__ import annotations

import cmath
import math

import numpy as np

from engine.analysis.spectrum import Spectrum
from engine.messages import CHROMA_BINS, Float32

_WINDOW_S = 8192 / 48_000
_LOW_HZ, _HIGH_HZ = 55.0, 2000.0
_FULL_HZ, _FALL = 110.0, 3.0
"""Below this a peak counts less, with this power: there are kicks, and a bass has overtones."""
_ROOT_HZ = (80.0, 170.0)
_ROOT_GAIN = 2.0
"""Between these the roots of the chords are: for the key they count twice, a kick still less."""
_THINNED_HZ = 44_100
"""From twice this rate on, neighbours are averaged first: nothing above 2 kHz is looked at."""
_SMOOTH_S = 0.5
_TUNING_S = 8.0
_TUNING_LOW_HZ = 200.0
"""Below it two notes of a chord share bins and pull at each other's peaks."""
_FLOOR_BINS = 12
_OVER_FLOOR = 8.0
"""A peak rises this far above the geometric mean around it; in noise few do."""
_A4_HZ, _A4_CLASS = 440.0, 9
_TONAL = 0.12
"""The strongest pitch class must reach this before there is a tone at all; noise has 0.05."""


class Chroma:
    """Pitch classes of the last half second, C first. Analysis thread only.

    Peaks of a long spectrum, their frequencies read between the bins, are sorted into the
    semitones of whatever tuning was heard in the last seconds. What makes no peak (most of a drum,
    all of a hiss) is left out. Call `step` every `dt_s` seconds with `length` samples.
    """

    def __init__(self, sample_rate: int, dt_s: float) -> None:
        self.evidence = np.zeros(CHROMA_BINS)
        """For the key: magnitudes of the newest peaks, roots first, against the whole spectrum."""
        self.tuning = 0.0
        """In semitones from A4 = 440 Hz, [-0.5, 0.5]."""
        self._dt_s = dt_s
        self._thin = max(1, sample_rate // _THINNED_HZ)
        self._spectrum = Spectrum(sample_rate / self._thin, _WINDOW_S)
        self.length = self._spectrum.length * self._thin
        frequencies_hz = self._spectrum.frequencies_hz
        self._width_hz = float(frequencies_hz[1])
        self._first = max(1, math.floor(_LOW_HZ / self._width_hz) - 1)
        last = min(len(frequencies_hz) - 1, math.ceil(_HIGH_HZ / self._width_hz) + 1)
        self._inside = slice(self._first, last + 1)
        around = np.arange(last + 1 - self._first)
        self._floor_from = np.maximum(around - _FLOOR_BINS, 0)
        self._floor_to = np.minimum(around + _FLOOR_BINS + 1, len(around))
        self._smooth = np.zeros(CHROMA_BINS)
        self._circle = 0j
        self._heard_s = 0.0

    def step(self, samples: Float32) -> None:
        """Take the newest `length` samples of something that is not silent."""
        if self._thin > 1:
            thinned = samples[:: self._thin].copy()
            for start in range(1, self._thin):
                thinned += samples[start :: self._thin]
            samples = thinned / np.float32(self._thin)
        power = self._spectrum.power(samples)[self._inside].astype(np.float64) + 1e-20
        frequencies_hz, magnitudes = self._peaks(power)
        semitones = 12.0 * np.log2(frequencies_hz / _A4_HZ)
        self._heard_s += self._dt_s
        magnitudes /= math.sqrt(float(power.sum()))
        self._tune(semitones, magnitudes)
        semitones -= self.tuning
        roots = np.minimum(1.0, frequencies_hz / _ROOT_HZ[0]) ** _FALL
        roots[frequencies_hz < _ROOT_HZ[1]] *= _ROOT_GAIN
        self.evidence = _sorted(semitones, magnitudes * roots)
        even = np.minimum(1.0, frequencies_hz / _FULL_HZ) ** _FALL
        share = 1.0 - math.exp(-self._dt_s / min(_SMOOTH_S, self._heard_s))
        self._smooth += share * (_sorted(semitones, magnitudes * even) - self._smooth)

    @property
    def tonal(self) -> bool:
        """Whether there is any tone."""
        return bool(self._smooth.max() >= _TONAL)

    @property
    def strength(self) -> Float32:
        """`(12,)` in [0, 1], the strongest 1; all 0 where there is no tone."""
        if not self.tonal:
            return np.zeros(CHROMA_BINS, np.float32)
        result: Float32 = (self._smooth / self._smooth.max()).astype(np.float32)
        return result

    def _peaks(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frequencies and magnitudes of what stands out, the parabola through three bins each."""
        logs = np.log(power)
        sums = np.concatenate([[0.0], np.cumsum(logs)])
        floor = sums[self._floor_to] - sums[self._floor_from]
        floor /= self._floor_to - self._floor_from
        left, middle, right = logs[:-2], logs[1:-1], logs[2:]
        stands_out = middle > floor[1:-1] + math.log(_OVER_FLOOR)
        at = np.flatnonzero((middle > left) & (middle >= right) & stands_out)
        low, top, high = left[at], middle[at], right[at]
        shift = 0.5 * (low - high) / (low - 2.0 * top + high)
        frequencies_hz = (self._first + 1 + at + shift) * self._width_hz
        magnitudes = np.exp(0.5 * (top - 0.25 * (low - high) * shift))
        return frequencies_hz, magnitudes

    def _tune(self, semitones: np.ndarray, magnitudes: np.ndarray) -> None:
        """Follow how far the peaks lie beside the piano's keys, on a circle of one semitone."""
        high = semitones > 12.0 * math.log2(_TUNING_LOW_HZ / _A4_HZ)
        total = float(magnitudes[high].sum())
        if total <= 0.0:
            return
        angles = np.exp(2j * np.pi * semitones[high])
        newest = complex(np.dot(magnitudes[high], angles)) / total
        share = 1.0 - math.exp(-self._dt_s / min(_TUNING_S, self._heard_s))
        self._circle += share * (newest - self._circle)
        self.tuning = cmath.phase(self._circle) / (2.0 * math.pi)


def _sorted(semitones: np.ndarray, magnitudes: np.ndarray) -> np.ndarray:
    """Sum magnitudes per pitch class; a peak between two classes is shared out."""
    below = np.floor(semitones)
    beyond = semitones - below
    # Within a quarter of a semitone a peak belongs to one class alone.
    upper = np.clip(2.0 * beyond - 0.5, 0.0, 1.0)
    index = (below.astype(np.intp) + _A4_CLASS) % CHROMA_BINS
    # Without peaks bincount would count in integers.
    lower_class = np.bincount(index, magnitudes * (1.0 - upper), CHROMA_BINS).astype(np.float64)
    upper_class = np.bincount(index, magnitudes * upper, CHROMA_BINS).astype(np.float64)
    return lower_class + np.roll(upper_class, 1)
