"""The embedded listener's network in NumPy: a log-mel picture in, a direction in text space out.

Depthwise-separable convolutions after MobileNet (Howard et al. 2017) with the normalisation folded
into them, the band axis flattened, then mean and maximum over time. `engine.training.listener`
trains the same layers in torch; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.messages import Float32

STEM = 16
BLOCKS: tuple[tuple[int, int], ...] = (
    (32, 2), (48, 1), (48, 1), (80, 2), (80, 1), (112, 2), (112, 1),
)  # fmt: skip
"""Channels and stride of each block; equal shapes are bridged by a residual."""
HEAD = 192


class ListenerNetwork:
    """Weights and the forward pass. Any one thread; about 3 ms a window."""

    def __init__(self, tensors: Mapping[str, NDArray[np.floating]]) -> None:
        """`tensors` as `engine.training.listener.network.folded` names them.

        Raises `KeyError` where one is missing.
        """
        weights = {name: np.asarray(value, np.float32) for name, value in tensors.items()}
        self._stem = _pair(weights, "stem")
        self._blocks = [
            (_pair(weights, f"depth{index}"), _pair(weights, f"point{index}"), stride)
            for index, (_, stride) in enumerate(BLOCKS)
        ]
        self._head = _pair(weights, "head")
        self._out = _pair(weights, "out")

    def embed(self, levels: Float32) -> Float32:
        """Return the unit direction `(width,)` of levels `(frames, BANDS)`."""
        weight, bias = self._out
        out = weight @ self.features(levels) + bias
        return np.asarray(out / (np.linalg.norm(out) + 1e-9), np.float32)

    def features(self, levels: Float32) -> Float32:
        """Return what the network has found, `(2 * HEAD,)`: mean and maximum over time."""
        picture = levels.T[None]
        weight, bias = self._stem
        taps = _taps(picture, 2)[:, 0]
        x = weight.reshape(len(bias), 9) @ taps.reshape(9, -1) + bias[:, None]
        x = np.maximum(x, 0.0).reshape(len(bias), *taps.shape[1:])
        for depth, point, stride in self._blocks:
            x = _block(x, depth, point, stride)
        weight, bias = self._head
        frames = np.maximum(weight @ x.reshape(-1, x.shape[2]) + bias[:, None], 0.0)
        return np.concatenate([frames.mean(axis=1), frames.max(axis=1)])


def _block(
    x: Float32, depth: tuple[Float32, Float32], point: tuple[Float32, Float32], stride: int
) -> Float32:
    weight, bias = depth
    taps = _taps(x, stride)
    y = bias[:, None, None] + np.zeros(taps.shape[1:], np.float32)
    for tap, share in zip(taps, weight.reshape(len(bias), 9).T, strict=True):
        y += tap * share[:, None, None]
    np.maximum(y, 0.0, out=y)
    weight, bias = point
    z = weight @ y.reshape(y.shape[0], -1) + bias[:, None]
    np.maximum(z, 0.0, out=z)
    out = z.reshape(len(bias), *y.shape[1:])
    return out + x if out.shape == x.shape else out


def _taps(x: Float32, stride: int) -> Float32:
    """The nine neighbours of every place, shape `(9, channels, height, width)`."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    height = (x.shape[1] - 1) // stride + 1
    width = (x.shape[2] - 1) // stride + 1
    return np.stack(
        [
            padded[:, i : i + stride * height : stride, j : j + stride * width : stride]
            for i in range(3)
            for j in range(3)
        ]
    )


def _pair(weights: Mapping[str, Float32], name: str) -> tuple[Float32, Float32]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]
