"""`BandMeter`: level, hit and presence of the five bands and of the whole."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis.loudness import FLOOR_DB, LevelHistogram
from engine.messages import BAND_NAMES, Float32, freeze

_ROWS = len(BAND_NAMES)
_FORGET_S = 45.0
_LOW_SHARE, _HIGH_SHARE = 0.1, 0.95
_MIN_RANGE_DB, _MAX_RANGE_DB = 14.0, 36.0
_LOUDEST = 0.94
"""Level of a band at its 95 % quantile: headroom for what is louder still."""
_BAND_FLOOR_DB = np.array([-18.0, -14.0, -24.0, -36.0, -46.0, 0.0])
"""A band whose top is this far below the whole is nearly empty, and its noise not blown up.

Music falls towards the treble, so the floor does too; the lowest bands also catch each other's
skirts.
"""
_QUIET_DB, _LOUD_DB = -62.0, -46.0
"""Between these the whole levels fade in, so that room noise does not shine."""
_LEVEL_ATTACK_S, _LEVEL_RELEASE_S = 0.015, 0.2
_PRESENCE_S = 2.0
_HIT_LAG = 2
_HIT_FORGET_S = 4.0
_HIT_DECAY_S = 0.065
_HIT_KNEE_DB = -25.0
_HIT_NOISE = 2.2
_HIT_FULL = 0.7
"""The smallest rise that can count as a full hit: 3 dB near the top of a band."""


class BandMeter:
    """Two time scales: levels against ~45 s, hits against ~4 s. Analysis thread only.

    All gain control stands still while silent; the outputs fall to 0.
    """

    def __init__(self, dt_s: float) -> None:
        self.level = np.zeros(_ROWS, np.float32)
        self.hit = np.zeros(_ROWS, np.float32)
        self.presence = np.zeros(_ROWS, np.float32)
        self._dt_s = dt_s
        self._histogram = LevelHistogram(_ROWS, _FORGET_S)
        self._low_db = np.full(_ROWS, FLOOR_DB)
        self._high_db = np.full(_ROWS, FLOOR_DB)
        self._past = np.zeros((_HIT_LAG, _ROWS))
        self._rise_mean = np.zeros(_ROWS)
        self._rise_peak = np.zeros(_ROWS)
        self._heard_s = 0.0

    def step(self, level_power: Float32, hit_power: Float32, *, silent: bool) -> None:
        """Take the power per band, `(6,)` each: of the exact and of the quick spectrum."""
        level_db = 10.0 * np.log10(level_power.astype(np.float64) + 1e-12)
        if not silent:
            self._histogram.add(level_db, self._dt_s)
            self._low_db, high_db = self._histogram.quantiles(_LOW_SHARE, _HIGH_SHARE)
            self._high_db = np.maximum(high_db, high_db[-1] + _BAND_FLOOR_DB)
        self._step_level(level_db, silent)
        self._step_hit(hit_power.astype(np.float64), silent)

    def frozen(self) -> tuple[Float32, Float32, Float32]:
        """Level, hit and presence as frozen copies, `(6,)` each."""
        return freeze(self.level.copy()), freeze(self.hit.copy()), freeze(self.presence.copy())

    def _step_level(self, level_db: np.ndarray, silent: bool) -> None:
        target = np.zeros(_ROWS)
        if not silent:
            span_db = np.clip(self._high_db - self._low_db, _MIN_RANGE_DB, _MAX_RANGE_DB)
            target = np.clip(_LOUDEST + (level_db - self._high_db) / span_db, 0.0, 1.0)
            target *= min(max((level_db[-1] - _QUIET_DB) / (_LOUD_DB - _QUIET_DB), 0.0), 1.0)
        tau_s = np.where(target > self.level, _LEVEL_ATTACK_S, _LEVEL_RELEASE_S)
        self.level += ((target - self.level) * (1.0 - np.exp(-self._dt_s / tau_s))).astype("f4")
        share = 1.0 - math.exp(-self._dt_s / _PRESENCE_S)
        self.presence += (share * (self.level - self.presence)).astype("f4")

    def _step_hit(self, power: np.ndarray, silent: bool) -> None:
        # Loudness relative to the band's own top: linear far below it, logarithmic near it.
        knee = 10.0 ** ((self._high_db + _HIT_KNEE_DB) / 10.0)
        loudness = np.log1p(power / knee)
        rise = np.maximum(loudness - self._past[0], 0.0)
        self._past[:-1] = self._past[1:]
        self._past[-1] = loudness
        self.hit *= np.float32(math.exp(-self._dt_s / _HIT_DECAY_S))
        if silent:
            return
        self._heard_s += self._dt_s
        noise = _HIT_NOISE * self._rise_mean
        full = np.maximum(self._rise_peak, _HIT_FULL)
        strength = np.clip((rise - noise) / np.maximum(full - noise, 0.25), 0.0, 1.0)
        np.maximum(self.hit, strength.astype(np.float32), out=self.hit)
        # Averages over what was heard so far, up to the time constant.
        share = 1.0 - math.exp(-self._dt_s / min(_HIT_FORGET_S, self._heard_s))
        self._rise_mean += share * (rise - self._rise_mean)
        forget = math.exp(-self._dt_s / _HIT_FORGET_S)
        self._rise_peak = np.maximum(rise, self._rise_peak * forget)
