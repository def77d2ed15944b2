"""The middle, or another rank, of the neighbours along one axis of a spectrogram."""

from __future__ import annotations

from typing import Literal

import numpy as np

from engine.messages import Float32


def ranked(
    level: Float32, length: int, *, axis: int, share: float = 0.5,
    edge: Literal["edge", "reflect"] = "edge",
) -> Float32:  # fmt: skip
    """The value that a share of the `length` neighbours along an axis lies below, shape kept.

    `length` is odd; `edge` says what stands beyond the borders, as `numpy.pad` has it.
    """
    half = length // 2
    pad = [(half, half) if each == axis else (0, 0) for each in range(level.ndim)]
    padded = np.pad(level, pad, mode=edge)
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=axis)
    place = round(share * (length - 1))
    return np.asarray(np.partition(windows, place, axis=-1)[..., place], np.float32)
