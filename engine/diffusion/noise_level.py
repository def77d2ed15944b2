"""How much noise a latent is under, as plain numbers on the host and as tensors on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True, slots=True)
class NoiseLevel(Generic[Number]):
    """x_t = alpha x_0 + sigma n. Floats where the host chooses it, 0-d float32 tensors after."""

    alpha: Number
    sigma: Number
    time: Number
    """What the network is told: t in (0, 1] for flows, a timestep, whole or not, for DDPM."""


def flow_level(strength: float) -> NoiseLevel[float]:
    """Return the level of a rectified flow: x_t = (1 - t) x_0 + t n at t = strength."""
    return NoiseLevel(1.0 - strength, strength, strength)


def on_device(level: NoiseLevel[float], device: torch.device) -> NoiseLevel[Tensor]:
    """Return a level as tensors, for a single call outside the picture loop."""
    alpha, sigma, time = torch.tensor([level.alpha, level.sigma, level.time], device=device)
    return NoiseLevel(alpha, sigma, time)


def noised(latent: Tensor, noise: Tensor, level: NoiseLevel[Tensor]) -> Tensor:
    """Mix a clean latent with standard normal noise of the same shape; float32."""
    return latent * level.alpha + noise * level.sigma
