"""What is measured on one picture: light, colour, crispness, and how much of it is burnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.messages import Uint8

END = 2
"""A channel within so many steps of 0 or 255 is at its end."""


@dataclass(frozen=True, slots=True)
class PictureFigures:
    """Figures of one picture."""

    luminance: float
    """Mean luma (BT.601) in [0, 1]."""
    saturation: float
    """Mean of HSV saturation in [0, 1]."""
    sharpness: float
    """Variance of the Laplacian of the luma, of steps of 255: lower is blurred."""
    burnt: float
    """Share of pixels with every channel at its end and not all at 0: white or a pure colour."""


def picture_figures(pixels: Uint8) -> PictureFigures:
    """Measure a picture, shape `(h, w, 3)` RGB."""
    import cv2

    # In float: rounded once more to whole steps, a soft picture's Laplacian is all rounding.
    luma = cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2GRAY)
    saturation = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[:, :, 1]
    high = pixels >= 255 - END
    ended = (high | (pixels <= END)).all(axis=2) & high.any(axis=2)
    return PictureFigures(
        luminance=float(luma.mean()) / 255.0,
        saturation=float(saturation.mean()) / 255.0,
        sharpness=float(cv2.Laplacian(luma, cv2.CV_32F).var(dtype=np.float64)),
        burnt=float(ended.mean()),
    )
