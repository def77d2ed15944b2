"""Carries a picture from the moment it was made for to now, in one affine warp.

Signs are those of `engine.messages.Travel` on screen: log_zoom > 0 comes nearer, rotation is
counter-clockwise, pan goes to the right and downwards. A unit of pan is a width or a height of the
picture. Turning and growing happen around the picture's centre, panning after them.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from engine.messages import ControlState, Float32, Travel, Uint8

LOOK_AHEAD_S = 0.25
"""The newest rates are trusted for so long beyond the newest control state."""


def travel_at(control: ControlState, time_s: float) -> Travel:
    """Return the travel at musical time `time_s`: the state's own, continued at its rates.

    At most 0.25 s ahead, never back.
    """
    dt_s = min(max(time_s - control.time_s, 0.0), LOOK_AHEAD_S)
    values, travel = control.values, control.travel
    return Travel(
        log_zoom=travel.log_zoom + values["motion/zoom"] * dt_s,
        rotation_deg=travel.rotation_deg + values["motion/rotation"] * dt_s,
        pan_x=travel.pan_x + values["motion/pan_x"] * dt_s,
        pan_y=travel.pan_y + values["motion/pan_y"] * dt_s,
        noise_rad=travel.noise_rad + values["diffusion/noise_walk"] * dt_s,
        warp_s=travel.warp_s + values["motion/warp"] * dt_s,
    )


def affine(source: tuple[int, int], target: tuple[int, int], way: Travel) -> Float32:
    """Return the 2x3 matrix that takes source pixels to target pixels.

    `source` and `target` are (width, height). The source covers the target (what juts out is cut,
    evenly on both sides), then it is zoomed, turned and panned by `way`.
    """
    (width, height), (out_width, out_height) = source, target
    cover = max(out_width / width, out_height / height)
    scale = cover * math.exp(way.log_zoom)
    angle = math.radians(way.rotation_deg)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    to_x = (out_width - 1) / 2.0 + cover * way.pan_x * width
    to_y = (out_height - 1) / 2.0 + cover * way.pan_y * height
    return np.array(
        [
            [cos, sin, to_x - cos * centre_x - sin * centre_y],
            [-sin, cos, to_y + sin * centre_x - cos * centre_y],
        ],
        np.float32,
    )


def carry(pixels: Uint8, way: Travel, width: int, height: int) -> Uint8:
    """Return `pixels` moved by `way`, filling `(height, width, 3)`; the edges mirror.

    A new array, except that pixels which already fit and do not move come back as they are.
    """
    source = (pixels.shape[1], pixels.shape[0])
    moved = (way.log_zoom, way.rotation_deg, way.pan_x, way.pan_y) != (0.0, 0.0, 0.0, 0.0)
    if source == (width, height) and not moved:
        return pixels
    matrix = affine(source, (width, height), way)
    out = cv2.warpAffine(
        pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(out, np.uint8)


def mix(old: Uint8, new: Uint8, share: float) -> Uint8:
    """Return a new array: `share` of `new`, the rest of `old`; share in [0, 1]."""
    return np.asarray(cv2.addWeighted(new, share, old, 1.0 - share, 0.0), np.uint8)
