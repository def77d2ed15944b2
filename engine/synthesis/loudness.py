"""Loudness and peaks of a finished mix (ITU-R BS.1770-4 weighting and gating)."""

from __future__ import annotations

import numpy as np

from engine.synthesis.filters import fast_size
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32, Float64

_BLOCK_S = 0.4
_HOP_S = 0.1
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = 10.0
_SILENCE_LUFS = -120.0


def loudness_lufs(samples: Float32) -> float:
    """Integrated loudness of `(n, 2)` samples at 44.1 kHz in LUFS; -120 for silence."""
    power = _block_power(samples)
    levels = _lufs(power)
    loud = power[levels > _ABSOLUTE_GATE_LUFS]
    if loud.size == 0:
        return _SILENCE_LUFS
    gate = float(_lufs(loud.mean()[None])[0]) - _RELATIVE_GATE_LU
    kept = power[levels > max(gate, _ABSOLUTE_GATE_LUFS)]
    return float(_lufs(kept.mean()[None])[0])


def true_peak_db(samples: Float32) -> float:
    """Largest absolute value between the samples too (4x oversampled), in dBFS."""
    block, margin = 1 << 16, 256
    highest = 0.0
    for first in range(0, len(samples), block):
        start = max(0, first - margin)
        piece = samples[start : first + block + margin]
        if len(piece) < 8:
            continue
        spectrum = np.fft.rfft(piece, axis=0)
        finer = 4.0 * np.fft.irfft(spectrum, 4 * len(piece), axis=0)
        inner = finer[4 * (first - start) : 4 * (first - start + block)]
        # The transform wraps around: the outer 32 samples of a piece are not trusted.
        highest = max(highest, float(np.max(np.abs(inner), initial=0.0)))
    return float(20.0 * np.log10(max(highest, 1e-9)))


def _block_power(samples: Float32) -> Float64:
    size = fast_size(len(samples))
    weighting = _k_weighting(size)
    power = np.zeros(len(samples))
    for channel in samples.T:
        heard = np.fft.irfft(np.fft.rfft(channel, size) * weighting, size)
        power += heard[: len(samples)] ** 2
    block, hop = round(_BLOCK_S * SAMPLE_RATE_HZ), round(_HOP_S * SAMPLE_RATE_HZ)
    total = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    if len(samples) < block:
        return np.array([total[-1] / len(samples)])
    starts = np.arange(0, len(samples) - block + 1, hop)
    return np.asarray((total[starts + block] - total[starts]) / block)


def _k_weighting(n_samples: int) -> Float64:
    """Magnitude of the two stages of BS.1770 (high shelf at 1682 Hz, high-pass at 38 Hz)."""
    s = 1j * np.fft.rfftfreq(n_samples, 1.0 / SAMPLE_RATE_HZ)
    shelf_hz, shelf_gain, shelf_q = 1681.97, 10.0 ** (3.99984 / 20.0), 0.70718
    ratio = s / shelf_hz
    band = shelf_gain**0.4996667
    shelf = (shelf_gain * ratio**2 + band * ratio / shelf_q + 1.0) / (
        ratio**2 + ratio / shelf_q + 1.0
    )
    low = s / 38.1355
    cut = low**2 / (low**2 + low / 0.50033 + 1.0)
    return np.asarray(np.abs(shelf * cut))


def _lufs(power: Float64) -> Float64:
    return np.asarray(-0.691 + 10.0 * np.log10(np.maximum(power, 1e-12)))
