"""`StereoMeter`: momentary loudness after BS.1770, stereo width and crest, from both channels."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis.k_weighting import KWeighting
from engine.analysis.loudness import FLOOR_DB
from engine.messages import Float32

_MOMENTARY_S = 0.4
_OFFSET_LU = -0.691
"""BS.1770: puts a sine of 997 Hz at 0 dBFS in one channel at -3.01 LUFS."""
_WIDTH_S = 0.3
_CREST_S = 0.1
_CREST_RANGE_DB = 20.0
_FULL_WIDTH = 2.0
"""Two channels that have nothing in common have as much side as middle: that is width 1."""


class StereoMeter:
    """One hop of both channels at a time. Analysis thread only.

    `loudness_lufs` is measured before any gain, always, down to -120; one channel counts as two
    equal ones, as it is played. Width and crest are ratios, held while silent.
    """

    def __init__(self, sample_rate: int, hop: int) -> None:
        self.loudness_lufs = FLOOR_DB
        self.width = 0.0
        self.crest = 0.0
        self._dt_s = hop / sample_rate
        self._weighting = KWeighting(sample_rate, hop)
        hops = _MOMENTARY_S / self._dt_s
        # The oldest hop lies only partly inside the 400 ms.
        self._share = np.ones(math.ceil(hops))
        self._share[0] -= math.ceil(hops) - hops
        self._share /= hops
        self._weighted = np.zeros(self._share.shape[0])
        self._plain = np.zeros(self._share.shape[0])
        self._peaks = np.zeros(self._share.shape[0])
        self._middle = 0.0
        self._side = 0.0
        self._filled = 0
        self._heard_s = 0.0

    def step(self, samples: Float32, peak: float, *, silent: bool) -> None:
        """Take one hop `(hop, 2)` and its largest absolute sample."""
        heard = self._weighting.filter(samples)
        middle, side = heard[:, 0] + heard[:, 1], heard[:, 0] - heard[:, 1]
        count = 2.0 * samples.shape[0]
        middle_power = float(np.dot(middle, middle)) / count
        side_power = float(np.dot(side, side)) / count
        # |l + r|^2 + |l - r|^2 = 2 (|l|^2 + |r|^2): the sum over channels that BS.1770 asks for.
        _append(self._weighted, middle_power + side_power)
        mean_square = float(np.dot(self._share, self._weighted))
        loudness = _OFFSET_LU + 10.0 * math.log10(max(mean_square, 1e-12))
        self.loudness_lufs = max(FLOOR_DB, loudness)
        if not silent:
            self._heard_s += self._dt_s
            self._follow_width(middle_power, side_power)
            self._follow_crest(samples, peak)

    def _follow_width(self, middle_power: float, side_power: float) -> None:
        share = 1.0 - math.exp(-self._dt_s / min(_WIDTH_S, self._heard_s))
        self._middle += share * (middle_power - self._middle)
        self._side += share * (side_power - self._side)
        middle, side = math.sqrt(self._middle), math.sqrt(self._side)
        if middle + side > 0.0:
            self.width = min(_FULL_WIDTH * side / (middle + side), 1.0)

    def _follow_crest(self, samples: Float32, peak: float) -> None:
        flat = samples.reshape(-1)
        _append(self._plain, float(np.dot(flat, flat)) / flat.shape[0])
        _append(self._peaks, peak)
        self._filled = min(self._filled + 1, self._plain.shape[0])
        mean_square = float(self._plain[-self._filled :].mean())
        if mean_square <= 0.0:
            return
        crest_db = 20.0 * math.log10(float(self._peaks.max()) / math.sqrt(mean_square))
        target = min(max(crest_db / _CREST_RANGE_DB, 0.0), 1.0)
        share = 1.0 - math.exp(-self._dt_s / min(_CREST_S, self._heard_s))
        self.crest += share * (target - self.crest)


def _append(row: np.ndarray, value: float) -> None:
    row[:-1] = row[1:]
    row[-1] = value
