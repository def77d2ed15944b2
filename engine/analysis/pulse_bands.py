"""`PulseBands`: what the pulse network hears of one hop."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from engine.analysis.spectrum import band_weights
from engine.messages import Float32

PULSE_BANDS = 20
PULSE_INPUTS = 2 * PULSE_BANDS
_LOW_HZ, _HIGH_HZ = 30.0, 15_000.0
_LOWEST_WIDTH_HZ = 60.0
_FORGET_S = 10.0
_OWN_FLOOR = 0.003
"""No band is drawn up by more than this against the loudest: it would be noise."""
_FLOOR = 1e-6
_COMPRESSION = 60.0
_LAG = 2
_RISE = 3.0


def pulse_weights(frequencies_hz: np.ndarray) -> Float32:
    """Weights `(20, bins)`: the mean power of bands that widen with frequency."""
    edges = [_LOW_HZ]
    for band in range(1, PULSE_BANDS):
        ratio = (_HIGH_HZ / edges[-1]) ** (1.0 / (PULSE_BANDS - band + 1))
        edges.append(max(edges[-1] * ratio, edges[-1] + _LOWEST_WIDTH_HZ))
    edges.append(_HIGH_HZ)
    weights = band_weights(frequencies_hz, tuple(pairwise(edges)))
    result: Float32 = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    return result


class PulseBands:
    """Compressed magnitudes and their rise, against the loudest of the last seconds.

    The scale of a band lies half-way (in dB) between its own top and the loudest band's, so that
    hats count beside kicks. It stands still while silent, and what is heard then is nothing.
    Analysis thread only.

    `shape` are leading dimensions: training hears many pieces at once.
    """

    def __init__(self, dt_s: float, shape: tuple[int, ...] = ()) -> None:
        self._forget = np.float32(math.exp(-dt_s / _FORGET_S))
        self._top = np.full((*shape, PULSE_BANDS), _FLOOR, np.float32)
        self._past = np.zeros((_LAG, *shape, PULSE_BANDS), np.float32)
        self._scale = np.float32(1.0 / math.log1p(_COMPRESSION))

    def held(self) -> Float32:
        """Return what `step` would if the newest sound lasted."""
        level = self._past[-1]
        return np.concatenate([level, np.zeros_like(level)], axis=-1)

    def step(self, power: Float32, *, silent: bool = False) -> Float32:
        """Take the power per band, `(..., 20)`; return `(..., 40)` inputs of about [0, 1]."""
        magnitude = np.sqrt(power)
        if not silent:
            np.maximum(self._top * self._forget, magnitude, out=self._top)
        loudest = np.maximum(self._top.max(axis=-1, keepdims=True), _FLOOR)
        own = np.maximum(self._top, np.float32(_OWN_FLOOR) * loudest)
        relative = magnitude / np.sqrt(own * loudest)
        level = np.log1p(np.float32(_COMPRESSION) * relative) * self._scale
        if silent:
            level = np.zeros_like(level)
        rise = np.float32(_RISE) * np.maximum(level - self._past[0], 0.0)
        self._past[:-1] = self._past[1:]
        self._past[-1] = level
        inputs: Float32 = np.concatenate([level, rise], axis=-1)
        return inputs
