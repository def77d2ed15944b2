"""How much of a sound is steady tones: what tells a low chord, which beats, from a rotor."""

from __future__ import annotations

import numpy as np

from engine.messages import Float32

_FRAME_S = 0.186
_HIGHEST_HZ = 2000.0
_AROUND_BINS = 12
_OVER_FLOOR = 8.0
"""As in `engine.analysis.chroma`: a line rises this far above the geometric mean around it."""
_QUIET = 1e-3
"""Frames below this share of the loudest one's power say nothing."""


def line_share(samples: Float32, sample_rate: int) -> float:
    """Share in [0, 1] of the power below 2 kHz that lies in spectral lines; 0 where too short.

    `samples` are `(n,)`; the powers of frames of 0.19 s that overlap by half are averaged first,
    so that a line must stay where it is.
    """
    length = round(_FRAME_S * sample_rate)
    if len(samples) < length:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 2]
    highest = round(_HIGHEST_HZ * length / sample_rate)
    power = np.abs(np.fft.rfft(frames * np.hanning(length), axis=1)[:, :highest]) ** 2
    total = power.sum(axis=1)
    mean = power[total >= _QUIET * total.max()].mean(axis=0) + 1e-12
    logs = np.log(mean)
    sums = np.concatenate([[0.0], np.cumsum(logs)])
    bins = np.arange(len(logs))
    low = np.maximum(bins - _AROUND_BINS, 0)
    high = np.minimum(bins + _AROUND_BINS + 1, len(logs))
    floor = (sums[high] - sums[low]) / (high - low)
    return float(mean[logs > floor + np.log(_OVER_FLOOR)].sum() / mean.sum())
