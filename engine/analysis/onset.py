"""`OnsetDetector`: attacks, as they happen."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Float32

_LAG = 2
_REFERENCE_FORGET_S = 12.0
_COMPRESSION = 10.0
_EMPTY = 0.01
"""A band is measured against its own loudest magnitude, or this share of the loudest band's."""
_MEAN_S = 0.12
_BASELINE_S = 3.0
_REFRACTORY_S = 0.06
_OVER_MEAN = 1.3
_OVER_BASELINE = 1.35
_FLOOR = 0.055
_STRENGTH_DECAY_S = 0.04


class OnsetDetector:
    """Spectral flux with a maximum filter, without looking ahead. Analysis thread only.

    After SuperFlux (Boeck and Widmer, DAFx 2013): log magnitudes on a log axis, compared with the
    largest neighbour two hops ago, so that vibrato is no attack. Each band is relative to its own
    loudest of the last seconds (adaptive whitening: Stowell and Plumbley, ICMC 2007), so that a
    soft hat counts beside a loud kick; these references stand still while silent.
    """

    def __init__(self, bands: int, dt_s: float) -> None:
        self.count = 0
        self.strength = 0.0
        self._dt_s = dt_s
        self._reference = 0.0
        self._tops = np.zeros(bands, np.float32)
        self._log_past = np.zeros((_LAG, bands), np.float32)
        bass = np.exp(-2.0 * np.arange(bands) / bands)
        even = 3.0 + bass
        self._even = (even / even.sum()).astype(np.float32)
        self._recent = np.zeros(max(3, round(_MEAN_S / dt_s)))
        self._baseline = 0.0
        self._heard_s = 0.0
        self._since_s = math.inf

    def step(self, bands: Float32, *, silent: bool) -> bool:
        """Take the power per log band, `(bands,)`; True at an onset."""
        magnitude: Float32 = np.sqrt(bands)
        if not silent:
            forget = math.exp(-self._dt_s / _REFERENCE_FORGET_S)
            self._reference = max(self._reference * forget, float(magnitude.max()), 1e-6)
            self._tops = np.maximum(self._tops * np.float32(forget), magnitude)
        reference = np.float32(max(self._reference, 1e-6))
        tops: Float32 = np.maximum(self._tops, np.float32(_EMPTY) * reference)
        whitened: Float32 = np.divide(magnitude, tops)
        flux = self._flux(whitened)
        onset = not silent and self._is_onset(flux)
        self._follow(flux, silent)
        self._since_s = 0.0 if onset else self._since_s + self._dt_s
        self.count += int(onset)
        return onset

    def _flux(self, relative: Float32) -> float:
        logs = np.log1p(np.float32(_COMPRESSION) * relative)
        before = self._log_past[0]
        widest = before.copy()
        np.maximum(widest[1:], before[:-1], out=widest[1:])
        np.maximum(widest[:-1], before[1:], out=widest[:-1])
        flux = float(np.dot(np.maximum(logs - widest, 0.0), self._even))
        self._log_past[:-1] = self._log_past[1:]
        self._log_past[-1] = logs
        return flux

    def _is_onset(self, flux: float) -> bool:
        return (
            self._since_s >= _REFRACTORY_S
            and flux >= float(self._recent[-2:].max())
            and flux > _OVER_MEAN * float(self._recent.mean()) + _FLOOR
            and flux > _OVER_BASELINE * self._baseline + _FLOOR
        )

    def _follow(self, flux: float, silent: bool) -> None:
        self.strength *= math.exp(-self._dt_s / _STRENGTH_DECAY_S)
        if not silent:
            over = flux / max(self._baseline, _FLOOR) - 1.5
            self.strength = max(self.strength, 1.0 - math.exp(-max(over, 0.0) / 2.0))
            self._heard_s += self._dt_s
            share = 1.0 - math.exp(-self._dt_s / min(_BASELINE_S, self._heard_s))
            self._baseline += share * (flux - self._baseline)
        self._recent[:-1] = self._recent[1:]
        self._recent[-1] = flux
