"""Noise that wanders: always standard normal, never the same twice, continuous in its angle."""

from __future__ import annotations

import math

import torch
from torch import Tensor

QUARTER_TURN_RAD = math.pi / 2.0
_SEED_STRIDE = 7919  # a prime, so that neighbouring seeds do not share fields


class NoiseWalk:
    """n(θ) = cos φ · n_k + sin φ · n_{k+1}, with k = ⌊θ / (π/2)⌋ and φ = θ mod π/2.

    cos² + sin² = 1 keeps the variance. Every quarter turn a new field enters, so the walk is a
    path and not the circle of two fixed fields, which would repeat every 2π. Fields are drawn on
    the CPU, so that every device walks the same way. Diffusion thread only.
    """

    def __init__(self, shape: tuple[int, ...], seed: int, device: torch.device) -> None:
        self.shape = shape
        self.seed = seed
        self._device = device
        self._fields: dict[int, Tensor] = {}  # at most the two in use

    def at(self, angle_rad: float) -> Tensor:
        """Return the noise at an angle, shape `self.shape`, float32."""
        turn = math.floor(angle_rad / QUARTER_TURN_RAD)
        phase = angle_rad - turn * QUARTER_TURN_RAD
        self._fields = {index: self._field(index) for index in (turn, turn + 1)}
        return math.cos(phase) * self._fields[turn] + math.sin(phase) * self._fields[turn + 1]

    def _field(self, index: int) -> Tensor:
        if index in self._fields:
            return self._fields[index]
        generator = torch.Generator("cpu").manual_seed(
            self.seed * _SEED_STRIDE + index + 1_000_003
        )
        return torch.randn(self.shape, generator=generator).to(self._device)
