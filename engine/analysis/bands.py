"""`BandMeter`: level, hit and presence of the five bands and of the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.analysis.loudness import FLOOR_DB, LevelHistogram
from engine.messages import BAND_NAMES, Float32, freeze

_ROWS = len(BAND_NAMES)
_BAND_FLOOR_DB = np.array([-18.0, -14.0, -24.0, -36.0, -46.0, 0.0])
"""A band whose top is this far below the whole is nearly empty, and its noise not blown up.

Music falls towards the treble, so the floor does too; the lowest bands also catch each other's
skirts.
"""
_QUIET_DB, _LOUD_DB = -62.0, -46.0
"""Between these tops of the whole the levels fade in, so that room noise does not shine."""
_EVERY_S = 0.06
"""How often loud and soft are looked up anew; at first, with every hop."""
_PRESENCE_S = 2.0
_HIT_LAG = 2
_HIT_FORGET_S = 4.0
_HIT_DECAY_S = 0.065
_HIT_KNEE_DB = -25.0
_HIT_NOISE = 2.2


@dataclass(frozen=True, slots=True)
class Mood:
    """How the automatic level behaves."""

    forget_s: float
    """Over how long loud and soft are learned."""
    low_share: float
    high_share: float
    """The quantiles that are soft and loud."""
    least_range_db: float
    most_range_db: float
    """Between these lies what is shown from 0 to `loudest`."""
    loudest: float
    """Level at the high quantile: headroom for what is louder still."""
    attack_s: float
    release_s: float
    hit_full: float
    """The smallest rise that can count as a full hit: 0.7 is 3 dB near the top of a band."""


MOODS: tuple[Mood, ...] = (
    Mood(90.0, 0.05, 0.98, 22.0, 48.0, 0.9, 0.04, 0.45, 1.4),
    Mood(45.0, 0.1, 0.95, 14.0, 36.0, 0.94, 0.015, 0.2, 0.7),
    Mood(15.0, 0.2, 0.9, 9.0, 24.0, 0.97, 0.006, 0.11, 0.4),
)
"""Steady, even, lively: the values 0, 1 and 2 of the parameter `audio/mood`."""
EVEN = 1


class BandMeter:
    """Two time scales: levels against ~45 s, hits against ~4 s. Analysis thread only.

    All gain control stands still while silent; the outputs fall to 0. `mood` may be changed
    between two steps; what was learned stays and is forgotten at the new pace.
    """

    def __init__(self, dt_s: float) -> None:
        self.level = np.zeros(_ROWS, np.float32)
        self.hit = np.zeros(_ROWS, np.float32)
        self.presence = np.zeros(_ROWS, np.float32)
        self.mood = MOODS[EVEN]
        self._dt_s = dt_s
        self._histogram = LevelHistogram(_ROWS, self.mood.forget_s)
        self._low_db = np.full(_ROWS, FLOOR_DB)
        self._high_db = np.full(_ROWS, FLOOR_DB)
        self._past = np.zeros((_HIT_LAG, _ROWS))
        self._rise_mean = np.zeros(_ROWS)
        self._rise_peak = np.zeros(_ROWS)
        self._heard_s = 0.0
        self._since_s = 0.0

    def step(self, level_power: Float32, hit_power: Float32, *, silent: bool) -> None:
        """Take the power per band, `(6,)` each: of the exact and of the quick spectrum."""
        level_db = 10.0 * np.log10(level_power.astype(np.float64) + 1e-12)
        if not silent:
            self._histogram.tau_s = self.mood.forget_s
            self._histogram.add(level_db, self._dt_s)
            self._since_s += self._dt_s
            if self._since_s >= _EVERY_S or self._heard_s < _HIT_FORGET_S:
                self._look_up()
        self._step_level(level_db, silent)
        self._step_hit(hit_power.astype(np.float64), silent)

    def _look_up(self) -> None:
        self._since_s = 0.0
        mood = self.mood
        self._low_db, high_db = self._histogram.quantiles(mood.low_share, mood.high_share)
        self._high_db = np.maximum(high_db, high_db[-1] + _BAND_FLOOR_DB)

    def frozen(self) -> tuple[Float32, Float32, Float32]:
        """Level, hit and presence as frozen copies, `(6,)` each."""
        return freeze(self.level.copy()), freeze(self.hit.copy()), freeze(self.presence.copy())

    def _step_level(self, level_db: np.ndarray, silent: bool) -> None:
        target = np.zeros(_ROWS)
        if not silent:
            mood = self.mood
            span_db = self._high_db - self._low_db
            span_db = np.clip(span_db, mood.least_range_db, mood.most_range_db)
            target = np.clip(mood.loudest + (level_db - self._high_db) / span_db, 0.0, 1.0)
            loud = (self._high_db[-1] - _QUIET_DB) / (_LOUD_DB - _QUIET_DB)
            target *= min(max(loud, 0.0), 1.0)
        tau_s = np.where(target > self.level, self.mood.attack_s, self.mood.release_s)
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
        full = np.maximum(self._rise_peak, self.mood.hit_full)
        strength = np.clip((rise - noise) / np.maximum(full - noise, 0.25), 0.0, 1.0)
        np.maximum(self.hit, strength.astype(np.float32), out=self.hit)
        # Averages over what was heard so far, up to the time constant.
        share = 1.0 - math.exp(-self._dt_s / min(_HIT_FORGET_S, self._heard_s))
        self._rise_mean += share * (rise - self._rise_mean)
        forget = math.exp(-self._dt_s / _HIT_FORGET_S)
        self._rise_peak = np.maximum(rise, self._rise_peak * forget)
