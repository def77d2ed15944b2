"""The mixing desk: buses, side-chain ducking and the master limiter."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.synthesis.envelope import n_samples
from engine.synthesis.loudness import loudness_lufs
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32

_LOOKAHEAD_SAMPLES = 96
_RELEASE_SAMPLES = 4096


class Bus:
    """One stereo track of fixed length onto which sounds are placed at exact times."""

    def __init__(self, duration_s: float) -> None:
        self.samples: Float32 = np.zeros((n_samples(duration_s), 2), dtype=np.float32)

    def place(self, sound: Float32, at_s: float, gain: float = 1.0, pan: float = 0.0) -> None:
        """Add a mono `(n,)` or stereo `(n, 2)` sound; `pan` -1 left .. 1 right, equal power.

        What would lie outside the track is cut off.
        """
        start = round(at_s * SAMPLE_RATE_HZ)
        if start < 0:
            sound, start = sound[-start:], 0
        sound = sound[: max(0, len(self.samples) - start)]
        angle = (pan + 1.0) * np.pi / 4.0
        sides = np.array([np.cos(angle), np.sin(angle)], dtype=np.float32) * np.float32(2**0.5)
        stereo = sound[:, None] if sound.ndim == 1 else sound
        self.samples[start : start + len(sound)] += np.float32(gain) * stereo * sides


def ducking(
    n_total: int, kicks_s: Iterable[float], *, depth: float = 0.75, recover_s: float = 0.26
) -> Float32:
    """Side-chain gain, shape `(n_total,)`: dips by `depth` under each kick and breathes back."""
    gain = np.ones(n_total, dtype=np.float32)
    count = n_samples(recover_s)
    climb = np.linspace(0.0, 1.0, count, dtype=np.float32)
    dip = 1.0 - np.float32(depth) * (1.0 - climb) ** 1.6
    attack = n_samples(0.004)
    dip[:attack] = np.maximum(dip[:attack], np.linspace(1.0, dip[attack], attack))
    for kick_s in kicks_s:
        start = round(kick_s * SAMPLE_RATE_HZ)
        piece = gain[start : start + count]
        np.minimum(piece, dip[: len(piece)], out=piece)
    return gain


def soft_clip(samples: Float32, threshold: float = 0.6) -> Float32:
    """Identity below `threshold`, then a tanh shoulder that never exceeds 1."""
    size = np.abs(samples)
    room = 1.0 - threshold
    shoulder = threshold + room * np.tanh((size - threshold) / room)
    return np.where(size <= threshold, samples, np.sign(samples) * shoulder).astype(np.float32)


def limit(samples: Float32, ceiling: float) -> Float32:
    """Look-ahead limiter, both sides with one gain; no sample exceeds `ceiling`."""
    peaks = np.max(np.abs(samples), axis=1)
    wanted = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9)).astype(np.float32)
    held = _window_minimum(wanted, _LOOKAHEAD_SAMPLES + _RELEASE_SAMPLES)
    # The held minimum starts `lookahead` early and lasts `release`, so that the moving average
    # below has reached it when the peak arrives.
    held = np.concatenate(
        [held[_LOOKAHEAD_SAMPLES:], np.ones(_LOOKAHEAD_SAMPLES, dtype=np.float32)]
    )
    smooth = _moving_average(held, _LOOKAHEAD_SAMPLES)
    gain = np.minimum(smooth, wanted)
    return np.asarray(samples * gain[:, None], dtype=np.float32)


def master(samples: Float32, *, lufs: float = -14.0, ceiling_db: float = -1.6) -> Float32:
    """Bring a mix to a loudness, round its peaks and hold it under a ceiling in dBFS.

    Loudness and limiting depend on each other, so the gain is corrected twice.
    """
    ceiling = float(10.0 ** (ceiling_db / 20.0))
    gain_db = lufs - loudness_lufs(samples)
    for _ in range(2):
        gain_db += lufs - loudness_lufs(_driven(samples, gain_db, ceiling))
    return _driven(samples, gain_db, ceiling)


def _driven(samples: Float32, gain_db: float, ceiling: float) -> Float32:
    return limit(soft_clip(samples * np.float32(10.0 ** (gain_db / 20.0))), ceiling)


def _window_minimum(values: Float32, width: int) -> Float32:
    """Minimum of the last `width` values at every index, by doubling the window."""
    result = values.astype(np.float32)
    covered = 1
    while covered < width:
        step = min(covered, width - covered)
        shifted = np.concatenate([np.ones(step, dtype=np.float32), result[:-step]])
        result = np.minimum(result, shifted)
        covered += step
    return result


def _moving_average(values: Float32, width: int) -> Float32:
    """Mean of the last `width` values, the first ones repeated before the start."""
    padded = np.concatenate([np.full(width, values[0]), values]).astype(np.float64)
    total = np.cumsum(padded)
    return ((total[width:] - total[:-width]) / width).astype(np.float32)
