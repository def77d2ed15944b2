"""How a structure picture gets the size it is needed in."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.messages import Uint8, freeze

LARGEST_PX = 1024
"""Longer side of what sources hand out: more detail than that steers no shape, but costs time."""


def size_within(width: int, height: int, longest_px: int = LARGEST_PX) -> tuple[int, int]:
    """Return `width x height`, shrunk so that neither side is longer than `longest_px`."""
    shrink = min(1.0, longest_px / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def shrunk(pixels: NDArray[Any]) -> Uint8:
    """Return `(h, w, 3)` pixels within `LARGEST_PX`; themselves when they are."""
    height, width = pixels.shape[:2]
    size = size_within(width, height)
    if size == (width, height):
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def picture_from_bgr(pixels: NDArray[Any]) -> Uint8:
    """Return OpenCV's `(h, w, 3)` BGR as RGB within `LARGEST_PX`, frozen."""
    picture = cv2.cvtColor(shrunk(pixels), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    freeze(picture)
    return picture


def cover(pixels: Uint8, width: int, height: int) -> Uint8:
    """Scale `(h, w, 3)` pixels to cover `width x height` and cut off evenly what stands over."""
    h, w = pixels.shape[:2]
    scale = max(width / w, height / h)
    cut_w, cut_h = min(w, max(1, round(width / scale))), min(h, max(1, round(height / scale)))
    left, top = (w - cut_w) // 2, (h - cut_h) // 2
    part = pixels[top : top + cut_h, left : left + cut_w]
    how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    return cv2.resize(part, (width, height), interpolation=how).astype(np.uint8, copy=False)
