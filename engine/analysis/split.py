"""`PercussiveSplit`: what strikes apart from what sounds, without looking ahead."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Float32

_PAST_S = 0.2
_REACH = 3
"""Bands to either side: half an octave in all at 12 bands per octave."""
_LOWEST_SPLIT_HZ = 1200.0
"""Below, a band is hardly wider than a bin, and everything is narrow."""
_ABOVE = 1.4
"""How far above its own past a band must be: steady noise jitters."""
_MEDIAN_OF_NOISE = 1.3
"""The median of the power of noise lies this much below its mean."""
_AVERAGE_S = 0.3
_JITTER, _ALL_STROKES = 0.15, 0.7
"""Shares that count as none and all: noise jitters, and the strokes of a drummer ring."""


class PercussiveSplit:
    """Median filters after FitzGerald (DAFx 2010), the horizontal one over the past alone.

    A tone is what its band did over the last 0.2 s; a stroke is what its neighbouring bands do,
    too. Analysis thread only.
    """

    def __init__(self, centres_hz: np.ndarray, dt_s: float) -> None:
        self.percussive = 0.0
        """Strokes against tones over the last 0.3 s, in [0, 1]; held while silent."""
        bands = centres_hz.shape[0]
        self.held = np.zeros(bands, np.float32)
        """Power per band that has been there for the last 0.2 s."""
        self.risen = np.zeros(bands, np.float32)
        """Power per band above that, of strokes and tones."""
        self._dt_s = dt_s
        self._past = np.zeros((max(3, round(_PAST_S / dt_s)), bands), np.float32)
        self._newest = 0
        first = int(np.searchsorted(centres_hz, _LOWEST_SPLIT_HZ))
        reach = np.arange(-_REACH, _REACH + 1)[:, None]
        self._first = min(first, bands - 1)
        self._neighbours = np.clip(np.arange(self._first, bands) + reach, self._first, bands - 1)
        self._struck = 0.0
        self._whole = 0.0
        self._heard_s = 0.0

    def step(self, power: Float32, *, silent: bool) -> Float32:
        """Take the power per band, `(bands,)`; return the part of it that strikes."""
        middle = self._past.shape[0] // 2
        self.held = np.partition(self._past, middle, axis=0)[middle]
        self._past[self._newest] = power
        self._newest = (self._newest + 1) % self._past.shape[0]
        past = np.float32(_ABOVE) * self.held
        self.risen = np.maximum(power - past, 0.0)
        struck = power.copy()
        upper = np.partition(power[self._neighbours], _REACH, axis=0)[_REACH]
        np.minimum(struck[self._first :], _MEDIAN_OF_NOISE * upper, out=struck[self._first :])
        struck -= past
        np.maximum(struck, 0.0, out=struck)
        if not silent:
            self._follow(float(struck.sum()), float(power.sum()))
        return struck

    def _follow(self, struck: float, whole: float) -> None:
        self._heard_s += self._dt_s
        newest = 1.0 - math.exp(-self._dt_s / min(_AVERAGE_S, self._heard_s))
        self._struck += newest * (struck - self._struck)
        self._whole += newest * (whole - self._whole)
        if self._whole > 0.0:
            share = (self._struck / self._whole - _JITTER) / (_ALL_STROKES - _JITTER)
            self.percussive = min(max(share, 0.0), 1.0)
