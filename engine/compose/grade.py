"""Colour of the output: saturation and hue by one matrix, exposure and contrast by one table."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.messages import Float32, Uint8

MIDDLE_GREY = 0.46
"""18 % grey in sRGB code, around which contrast turns."""

# RGB -> luma and two colour differences (Rec. 709).
_TO_YCC: NDArray[np.float64] = np.array(
    [[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]]
)
_TO_RGB: NDArray[np.float64] = np.asarray(np.linalg.inv(_TO_YCC), np.float64)
_CODES: NDArray[np.float64] = np.arange(256) / 255.0


def to_linear(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return linear light in [0, 1] of sRGB code in [0, 1] (IEC 61966-2-1)."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def to_code(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sRGB code in [0, 1] of linear light in [0, 1]; the inverse of `to_linear`."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


_LIGHT = to_linear(_CODES)


def grade(frame: Uint8, values: Mapping[str, float]) -> Uint8:
    """Apply `colour/{saturation, hue, exposure, contrast}`; neutral values return `frame` itself.

    `frame` has shape `(h, w, 3)` RGB and is not changed.
    """
    saturation, hue_deg = values["colour/saturation"], values["colour/hue"]
    if saturation != 1.0 or hue_deg != 0.0:
        frame = np.asarray(cv2.transform(frame, colour_matrix(saturation, hue_deg)), np.uint8)
    exposure, contrast = values["colour/exposure"], values["colour/contrast"]
    if exposure != 0.0 or contrast != 1.0:
        frame = np.asarray(cv2.LUT(frame, tone_table(exposure, contrast)), np.uint8)
    return frame


def fade(frame: Uint8, level: float) -> Uint8:
    """Scale the picture towards black; level 1 returns `frame` itself, 0 is black."""
    if level >= 1.0:
        return frame
    table = np.rint(_CODES * max(level, 0.0) * 255.0).astype(np.uint8)
    return np.asarray(cv2.LUT(frame, table), np.uint8)


def colour_matrix(saturation: float, hue_deg: float) -> Float32:
    """Return the 3x3 matrix that scales colourfulness and turns hues, luma kept.

    Positive angles turn red to yellow to green.
    """
    angle = math.radians(hue_deg)
    cos, sin = saturation * math.cos(angle), saturation * math.sin(angle)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    return np.asarray(_TO_RGB @ turn @ _TO_YCC, np.float32)


def tone_table(exposure_stops: float, contrast: float) -> Uint8:
    """Return the 256 output codes of exposure (in linear light), then contrast (in code).

    More light bends into a shoulder that keeps white at white, g x / (1 + (g - 1) x), so that a
    hit never burns the highlights out; less light scales.
    """
    gain = 2.0**exposure_stops
    shoulder = 1.0 + max(gain - 1.0, 0.0) * _LIGHT
    code = to_code(np.clip(gain * _LIGHT / shoulder, 0.0, 1.0))
    code = MIDDLE_GREY + (code - MIDDLE_GREY) * contrast
    return np.rint(np.clip(code, 0.0, 1.0) * 255.0).astype(np.uint8)
