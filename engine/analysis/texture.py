"""`TextureMeter`: mel bands, roll-off and flux of the quick spectrum."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis.loudness import FLOOR_DB
from engine.messages import MEL_BANDS, Float32, freeze

_LOW_HZ, _HIGH_HZ = 40.0, 16_000.0
_RANGE_DB = 45.0
_TOP_FALL_DB_PER_S = 2.0
"""How fast the top of a band is forgotten."""
_EMPTY_DB = -48.0
"""A band whose top is this far below the highest top is empty, and its noise not blown up."""
_ATTACK_S, _RELEASE_S = 0.012, 0.15
_ROLLOFF_SHARE = 0.85
_ROLLOFF_LOW_HZ, _ROLLOFF_HIGH_HZ = 100.0, 16_000.0
_SMOOTH_S = 0.05
_LAG = 2
_FLUX_S = 0.15
_FLUX_FORGET_S = 8.0
_FLUX_LEAST = 0.06
"""The change of a spectrum that counts as full at least: steady noise jitters by a third of it."""


class TextureMeter:
    """How the sound is made, beside its bands. Analysis thread only.

    The tops of the bands, roll-off and flux stand still while silent; the mel bands fall.
    """

    def __init__(self, frequencies_hz: np.ndarray, dt_s: float) -> None:
        self.mel = np.zeros(MEL_BANDS, np.float32)
        self.rolloff = 0.0
        self.flux = 0.0
        self._dt_s = dt_s
        self._attack = 1.0 - math.exp(-dt_s / _ATTACK_S)
        self._release = 1.0 - math.exp(-dt_s / _RELEASE_S)
        self._bank = mel_filterbank(frequencies_hz, _LOW_HZ, _HIGH_HZ, MEL_BANDS)
        self._bin_hz = float(frequencies_hz[1])
        self._top_db = np.full(MEL_BANDS, FLOOR_DB)
        self._past = np.zeros((_LAG, MEL_BANDS))
        self._change = 0.0
        self._most = 0.0
        self._heard_s = 0.0

    def step(self, power: Float32, *, silent: bool) -> None:
        """Take a power spectrum."""
        level_db = 10.0 * np.log10(self._bank @ power + np.float32(1e-20))
        target = np.zeros(MEL_BANDS)
        if not silent:
            self._heard_s += self._dt_s
            fallen = self._top_db - _TOP_FALL_DB_PER_S * self._dt_s
            self._top_db = np.maximum(level_db, fallen)
            floor = float(self._top_db.max()) + _EMPTY_DB
            below_db = level_db - np.maximum(self._top_db, floor)
            target = np.maximum(1.0 + below_db / _RANGE_DB, 0.0)
            self._follow_flux(target)
            self._follow_rolloff(power)
        difference = target - self.mel
        difference *= np.where(difference > 0.0, self._attack, self._release)
        self.mel += difference.astype(np.float32)

    def frozen_mel(self) -> Float32:
        """The mel bands as a frozen copy, `(24,)`."""
        return freeze(self.mel.copy())

    def _follow_flux(self, level: np.ndarray) -> None:
        if self._heard_s <= _LAG * self._dt_s:
            self._past[:] = level  # that a sound begins is no change of it
        change = float(np.abs(level - self._past[0]).mean())
        self._past[:-1] = self._past[1:]
        self._past[-1] = level
        self._change += self._share(_FLUX_S) * (change - self._change)
        forget = math.exp(-self._dt_s / _FLUX_FORGET_S)
        self._most = max(self._change, self._most * forget, _FLUX_LEAST)
        self.flux = self._change / self._most

    def _follow_rolloff(self, power: Float32) -> None:
        running = np.cumsum(np.sqrt(power[1:]))
        whole = float(running[-1])
        if whole <= 0.0:
            return
        wanted = _ROLLOFF_SHARE * whole
        index = min(int(np.searchsorted(running, wanted)), running.shape[0] - 1)
        before = float(running[index - 1]) if index else 0.0
        inside = (wanted - before) / max(float(running[index]) - before, 1e-30)
        edge_hz = (index + 0.5 + min(inside, 1.0)) * self._bin_hz
        octaves = math.log(edge_hz / _ROLLOFF_LOW_HZ)
        target = octaves / math.log(_ROLLOFF_HIGH_HZ / _ROLLOFF_LOW_HZ)
        self.rolloff += self._share(_SMOOTH_S) * (min(max(target, 0.0), 1.0) - self.rolloff)

    def _share(self, tau_s: float) -> float:
        """Averages begin with what was heard so far, up to the time constant."""
        return 1.0 - math.exp(-self._dt_s / min(tau_s, self._heard_s))


def mel_filterbank(
    frequencies_hz: np.ndarray, low_hz: float, high_hz: float, bands: int
) -> Float32:
    """Triangles on the mel axis, weights `(bands, bins)`; all 0 above the highest bin.

    mel = 2595 log10(1 + f / 700). Each bin counts with its whole width, so that a narrow band
    falls between no two bins.
    """

    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    steps = np.linspace(mel(low_hz), mel(high_hz), bands + 2)
    edges_hz = 700.0 * (10.0 ** (steps / 2595.0) - 1.0)
    width = float(frequencies_hz[1] - frequencies_hz[0])
    inside = (np.arange(8) + 0.5) / 8.0 - 0.5
    points = frequencies_hz[:, None] + inside * width
    rows = []
    for left, centre, right in zip(edges_hz[:-2], edges_hz[1:-1], edges_hz[2:], strict=True):
        up, down = (points - left) / (centre - left), (right - points) / (right - centre)
        rows.append(np.clip(np.minimum(up, down), 0.0, None).mean(axis=1))
    return np.array(rows, np.float32)
