"""What VGGish looks at: patches of 0.96 s of log-mel magnitudes, as torchvggish makes them.

16 kHz mono, frames of 25 ms every 10 ms without padding, periodic Hann, 512-point transform,
magnitudes (not power), 64 triangles on HTK's mel axis, log(x + 0.01), 96 frames a patch without
overlap (Hershey et al. 2017; github.com/harritaylor/torchvggish, `mel_features.py`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import soxr

from engine.errors import LimitError
from engine.messages import Float32

RATE_HZ = 16_000
FRAME, HOP, TRANSFORM = 400, 160, 512
BANDS = 64
LOW_HZ, HIGH_HZ = 125.0, 7_500.0
PATCH_FRAMES = 96
PATCH_SAMPLES = FRAME + (PATCH_FRAMES - 1) * HOP
"""0.975 s: of less sound no patch can be cut, so silence stands before it."""
_LOG_OFFSET = 0.01
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 192_000


def patches(samples: Float32, sample_rate: int) -> Float32:
    """Return all patches `(n, 96, 64)`, n >= 1, of mono `samples`; what is left over is dropped.

    Shorter than a patch: preceded by silence. Not numbers: silence. Raises `LimitError` for a
    sample rate outside 8 to 192 kHz.
    """
    levels = log_mel(_at_16_khz(samples, sample_rate))
    count = len(levels) // PATCH_FRAMES
    return levels[: count * PATCH_FRAMES].reshape(count, PATCH_FRAMES, BANDS)


def log_mel(samples: Float32) -> Float32:
    """Levels `(frames, 64)` of mono samples at 16 kHz; `1 + (n - 400) // 160` frames."""
    views = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    magnitudes = np.empty((len(views), TRANSFORM // 2 + 1), np.float32)
    for first in range(0, len(views), _FRAMES_AT_ONCE):  # ten minutes would fill half a GB
        part = slice(first, first + _FRAMES_AT_ONCE)
        magnitudes[part] = np.abs(np.fft.rfft(views[part] * _window(), TRANSFORM, axis=1))
    return np.asarray(np.log(magnitudes @ mel_matrix() + _LOG_OFFSET), np.float32)


_FRAMES_AT_ONCE = 4096


def _at_16_khz(samples: Float32, sample_rate: int) -> Float32:
    if not LOWEST_RATE_HZ <= sample_rate <= HIGHEST_RATE_HZ:
        raise LimitError(
            f"VGGish cannot hear {sample_rate} samples per second, outside {LOWEST_RATE_HZ}.."
            f"{HIGHEST_RATE_HZ}: convert the sound to 48000"
        )
    samples = np.nan_to_num(np.asarray(samples, np.float32), posinf=0.0, neginf=0.0)
    if sample_rate != RATE_HZ and len(samples):
        samples = np.asarray(soxr.resample(samples, sample_rate, RATE_HZ), np.float32)
    return np.asarray(np.pad(samples, (max(0, PATCH_SAMPLES - len(samples)), 0)), np.float32)


@lru_cache(maxsize=1)
def _window() -> Float32:
    turn = 2.0 * np.pi * np.arange(FRAME) / FRAME
    return (0.5 - 0.5 * np.cos(turn)).astype(np.float32)


@lru_cache(maxsize=1)
def mel_matrix() -> Float32:
    """Triangles `(257, 64)`, linear in mel, of height 1 and not of area 1; no band has 0 Hz."""
    bins = _mel(np.linspace(0.0, RATE_HZ / 2, TRANSFORM // 2 + 1))[:, None]
    edges = np.linspace(_mel(np.array(LOW_HZ)), _mel(np.array(HIGH_HZ)), BANDS + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(np.minimum(rising, falling), 0.0)
    matrix[0] = 0.0
    return np.asarray(matrix, np.float32)


def _mel(frequency_hz: np.ndarray) -> np.ndarray:
    return np.asarray(1127.0 * np.log(1.0 + frequency_hz / 700.0))
