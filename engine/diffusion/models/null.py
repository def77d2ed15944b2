"""The dull twin of every image model: a drawn picture, no network, no torch operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.messages import ControlState, Reading, Uint8, freeze
from engine.registry import ModelRequest


class NullModel:
    """Rings that open with the zoom, brighten with strength and turn with the hue of the seed."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        self._x = (xs - width / 2.0) / height
        self._y = (ys - height / 2.0) / height
        self._pictures = 0

    @property
    def name(self) -> str:
        """What the window shows."""
        return "null"

    def load(self) -> None:
        """Nothing to load."""

    def generate(self, control: ControlState, dt_s: float) -> Uint8:
        """Draw rings for this state; a pure function of it."""
        travel = control.travel
        angle = np.radians(travel.rotation_deg)
        x = self._x * np.cos(angle) - self._y * np.sin(angle) - travel.pan_x
        y = self._x * np.sin(angle) + self._y * np.cos(angle) - travel.pan_y
        radius = np.log(np.hypot(x, y) + 1e-3) - travel.log_zoom
        phase = 6.0 * radius + np.arctan2(y, x) + control.values["diffusion/seed"]
        glow = 0.35 + 0.65 * control.values["diffusion/strength"]
        channels = [0.5 + 0.5 * np.sin(phase + 2.1 * k + travel.noise_rad) for k in range(3)]
        self._pictures += 1
        return freeze((255.0 * glow * np.stack(channels, axis=-1)).astype(np.uint8))

    def restart(self) -> None:
        """Nothing is remembered."""

    def state(self) -> dict[str, Any]:
        """Nothing is remembered."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing is remembered."""

    def reading(self, prompt: str) -> Reading:
        """It reads no prompts, so no word is unknown to it."""
        return Reading()

    def close(self) -> None:
        """Nothing to free."""


def open_null(request: ModelRequest) -> NullModel:
    """Make the null model at exactly the size asked for."""
    return NullModel(request.width, request.height)
