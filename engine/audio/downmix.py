"""Any number of channels to two."""

from __future__ import annotations

import numpy as np

from engine.messages import Float32

_CENTRE = 0.7071

# Gains into left, per channel, in the order WAV, FLAC and FFmpeg share (FL FR FC LFE BL BR SL SR);
# the low-frequency channel is left out, as ITU-R BS.775 does.
_LEFT: dict[int, tuple[float, ...]] = {
    3: (1.0, 0.0, _CENTRE),
    4: (1.0, 0.0, _CENTRE, 0.0),  # quadraphonic: FL FR BL BR
    5: (1.0, 0.0, _CENTRE, _CENTRE, 0.0),
    6: (1.0, 0.0, _CENTRE, 0.0, _CENTRE, 0.0),
    7: (1.0, 0.0, _CENTRE, 0.0, _CENTRE, _CENTRE, 0.0),
    8: (1.0, 0.0, _CENTRE, 0.0, _CENTRE, 0.0, _CENTRE, 0.0),
}
_RIGHT: dict[int, tuple[float, ...]] = {
    3: (0.0, 1.0, _CENTRE),
    4: (0.0, 1.0, 0.0, _CENTRE),
    5: (0.0, 1.0, _CENTRE, 0.0, _CENTRE),
    6: (0.0, 1.0, _CENTRE, 0.0, 0.0, _CENTRE),
    7: (0.0, 1.0, _CENTRE, 0.0, _CENTRE, 0.0, _CENTRE),
    8: (0.0, 1.0, _CENTRE, 0.0, 0.0, _CENTRE, 0.0, _CENTRE),
}


def stereo_matrix(channels: int) -> Float32:
    """Gains `(channels, 2)` that fold `channels` into left and right without clipping.

    One channel goes to both sides; beyond eight, even channels go left and odd ones right.
    """
    if channels < 1:
        raise ValueError(f"{channels} channels")
    if channels == 1:
        return np.ones((1, 2), np.float32)
    if channels == 2:
        return np.eye(2, dtype=np.float32)
    if channels in _LEFT:
        matrix = np.array([_LEFT[channels], _RIGHT[channels]], np.float32).T
    else:
        matrix = np.zeros((channels, 2), np.float32)
        matrix[0::2, 0] = 1.0
        matrix[1::2, 1] = 1.0
    folded: Float32 = matrix / matrix.sum(axis=0)
    return folded


def to_stereo(block: Float32) -> Float32:
    """Fold shape `(n, channels)` to `(n, 2)`; mono is doubled."""
    channels = block.shape[1]
    if channels == 2:
        return block
    if channels == 1:
        return np.repeat(block, 2, axis=1)
    # Not a matrix product: its sums depend on the block length, and seeks must not change samples.
    matrix = stereo_matrix(channels)
    mixed = np.zeros((block.shape[0], 2), np.float32)
    for channel in range(channels):
        mixed += block[:, channel : channel + 1] * matrix[channel]
    return mixed


def finite(block: Float32) -> tuple[Float32, int]:
    """Return `block` with non-finite samples set to 0, and how many there were."""
    good = np.isfinite(block)
    if good.all():
        return block, 0
    return np.where(good, block, np.float32(0.0)), int(good.size - np.count_nonzero(good))
