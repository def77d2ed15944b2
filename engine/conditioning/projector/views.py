"""A stretch of sound to its three views: what strikes, what sounds, and the long slow whole.

Median filters on a spectrogram after FitzGerald, "Harmonic/percussive separation using median
filtering" (DAFx 2010), with his soft mask: a tone is a line along time, a stroke one along
frequency. NumPy alone; ten seconds at 48 kHz took 0.35 s on a busy core: not while painting.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from engine.conditioning.rank_filter import ranked
from engine.messages import Float32

LONG_S = 10.0
"""How much sound the atmosphere looks back on."""
_FRAME_S = 0.043
_MEDIAN = 17
"""Frames and bins of the filters."""

Encode = Callable[[Float32, int], Float32]
"""Mono samples and their rate to one vector, as a listener's network makes it."""


def sound_views(samples: Float32, rate_hz: int, window_s: float, encode: Encode) -> Float32:
    """Return the three vectors `(3, width)` of the sound that ends with `samples`.

    Foreground and background are what strikes and what sounds in the newest window of the
    encoder; the atmosphere is the mean over as many windows as fill the last ten seconds.
    """
    window = max(1, round(window_s * rate_hz))
    long = samples[-max(window, round(LONG_S * rate_hz)) :]
    newest = long[-window:]
    struck, sounding = percussive_harmonic(newest, rate_hz)
    ends = range(len(long), 0, -window)
    slow = np.stack([encode(long[max(0, end - window) : end], rate_hz) for end in ends])
    vectors = (encode(struck, rate_hz), encode(sounding, rate_hz), slow.mean(axis=0))
    return np.stack(vectors).astype(np.float32)


def percussive_harmonic(samples: Float32, rate_hz: int) -> tuple[Float32, Float32]:
    """Split mono `samples` in what strikes and what sounds; their sum is the whole."""
    size = 2 ** max(6, round(np.log2(_FRAME_S * rate_hz)))
    hop = size // 4
    padded = np.pad(samples.astype(np.float32), (size, size + hop))
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = sliding_window_view(padded, size)[::hop] * window
    spectra = np.fft.rfft(frames, axis=1)
    level = np.abs(spectra).astype(np.float32)
    along_time = ranked(level, _MEDIAN, axis=0) ** 2
    along_frequency = ranked(level, _MEDIAN, axis=1) ** 2
    mask = along_frequency / (along_time + along_frequency + 1e-12)
    struck = np.fft.irfft(spectra * mask, n=size, axis=1).astype(np.float32) * window
    out, weight = np.zeros_like(padded), np.zeros_like(padded)
    for index, frame in enumerate(struck):
        out[index * hop : index * hop + size] += frame
        weight[index * hop : index * hop + size] += window * window
    percussive = (out / np.maximum(weight, 1e-3))[size : size + len(samples)]
    return percussive.astype(np.float32), (samples - percussive).astype(np.float32)
