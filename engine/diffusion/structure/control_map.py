"""What a ControlNet is shown of a structure picture."""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np

from engine.messages import Uint8

ControlMap = Literal["canny", "none"]
CONTROL_MAPS: tuple[str, ...] = get_args(ControlMap)

CANNY_LOW, CANNY_HIGH = 100, 200
"""Thresholds of the gradient; those that lllyasviel/sd-controlnet-canny was trained with."""


def control_map(picture: Uint8, kind: str) -> Uint8:
    """Return the `(h, w, 3)` picture that a ControlNet is conditioned on.

    `canny`: white edges on black. `none`: the picture itself, for a ControlNet of another kind
    (depth, pose, tile) whose maps are what the structure source shows.
    """
    if kind == "none":
        return picture
    edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), CANNY_LOW, CANNY_HIGH)
    drawn: Uint8 = np.repeat(edges[:, :, None], 3, axis=2)
    return drawn
