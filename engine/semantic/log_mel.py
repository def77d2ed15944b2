"""What the embedded listener looks at: a log-mel picture of the newest two seconds.

Frames last 40 ms and begin every 24 ms at any sample rate, so that a bin is 25 Hz wide everywhere;
bands above half the sample rate hold the floor. The loudest cell is 1, what is 80 dB below it 0:
the gain of the input does not matter.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engine.messages import Float32

WINDOW_S = 2.0
FRAME_S = 0.040
HOP_S = 0.024
FRAMES = 1 + round((WINDOW_S - FRAME_S) / HOP_S)
"""Frames of one window."""
BANDS = 64
LOW_HZ, HIGH_HZ = 40.0, 12_000.0
RANGE_DB = 80.0
_POWER_FLOOR = 1e-12
_HIGHEST_RATE_HZ = 64_000
"""Above it, neighbours are averaged first: nothing beyond 12 kHz is looked at."""


def mel_power(samples: Float32, sample_rate: int, frames: int | None = None) -> Float32:
    """Return the power per band, shape `(frames, BANDS)`, of mono `samples`.

    Without `frames`, as many as there is sound for. Sound that is too short is preceded by
    silence; a sine of amplitude 1 has a power of about 0.3 in its band.
    """
    factor = max(1, sample_rate // 44_100) if sample_rate > _HIGHEST_RATE_HZ else 1
    if factor > 1:
        samples = samples[len(samples) % factor :].reshape(-1, factor).mean(axis=1)
    rate = sample_rate / factor
    length = round(FRAME_S * rate)
    if frames is None:
        frames = max(1, 1 + int((len(samples) - length) / (HOP_S * rate)))
    needed = round((frames - 1) * HOP_S * rate) + length
    if len(samples) < needed:
        samples = np.concatenate([np.zeros(needed - len(samples), np.float32), samples])
    samples = samples[len(samples) - needed :]
    starts = np.round(np.arange(frames) * (HOP_S * rate)).astype(np.int64)
    views = np.lib.stride_tricks.sliding_window_view(samples, length)[starts]
    window = _window(length)
    spectra = np.fft.rfft(views * window, axis=1)
    bands = _bands(length, rate)
    power = (spectra.real**2 + spectra.imag**2).astype(np.float32)
    return np.asarray(power[:, : len(bands)] @ bands, np.float32)


def as_levels(power: Float32) -> Float32:
    """Return levels in [0, 1] of power `(..., frames, BANDS)`, each picture by its loudest."""
    level_db = 10.0 * np.log10(power + np.float32(_POWER_FLOOR))
    top_db = level_db.max(axis=(-2, -1), keepdims=True)
    return np.asarray(np.maximum((level_db - top_db) / RANGE_DB + 1.0, 0.0), np.float32)


def band_centres_hz() -> Float32:
    """Centre of every band, shape `(BANDS,)`, equally spaced on the mel axis of Slaney/HTK."""
    return _edges_hz()[1:-1].astype(np.float32)


def _edges_hz() -> Float32:
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOW_HZ, HIGH_HZ))
    mels = np.linspace(low, high, BANDS + 2)
    return np.asarray(700.0 * (10.0 ** (mels / 2595.0) - 1.0), np.float32)


@lru_cache(maxsize=8)
def _window(length: int) -> Float32:
    """A Hann window of sum 1, so that the power of a tone does not depend on the rate."""
    window = np.hanning(length + 1)[:-1]
    return np.asarray(window / window.sum(), np.float32)


@lru_cache(maxsize=8)
def _bands(length: int, rate: float) -> Float32:
    """Triangles `(bins, BANDS)` over the bins up to `HIGH_HZ`."""
    edges_hz = _edges_hz()
    bins_hz = np.arange(length // 2 + 1) * (rate / length)
    bins_hz = bins_hz[bins_hz <= HIGH_HZ]
    rising = (bins_hz[:, None] - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz[:, None]) / (edges_hz[2:] - edges_hz[1:-1])
    return np.asarray(np.maximum(np.minimum(rising, falling), 0.0), np.float32)
