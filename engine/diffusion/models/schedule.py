"""`NoiseSchedule`: how much noise a diffusers checkpoint was trained with at which timestep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.noise_level import NoiseLevel
from engine.errors import ModelLoadError


class NoiseSchedule:
    """One step at any t, instead of diffusers' strength staircase.

    x_t = α_t x_0 + σ_t n; x̂0 = (x_t - σ_t ε) / α_t for ε-prediction, α_t x_t - σ_t v for
    v-prediction, in float32: at t = 999 the division makes an error 14.6 times as large.
    `strength` in (0, 1] is t / T; between whole timesteps ᾱ is interpolated, as the network's
    waves of t are. Raises `ModelLoadError` for schedules that nobody knows.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._alphas_cumprod = _alphas_cumprod(config)
        self._predicts = config.get("prediction_type", "epsilon")
        if self._predicts not in ("epsilon", "v_prediction"):
            raise ModelLoadError(f"it predicts {self._predicts!r}; epsilon or v are known")
        if self._predicts == "epsilon" and self._alphas_cumprod[-1] == 0.0:
            raise ModelLoadError("it predicts noise from nothing but noise: its schedule is wrong")

    def noise_level(self, strength: float) -> NoiseLevel[float]:
        """α_t, σ_t and t of a strength, t in [1, T - 1]."""
        last = len(self._alphas_cumprod) - 1
        t = min(max(strength * last, 1.0), float(last))
        below = min(int(t), last - 1)
        low, high = self._alphas_cumprod[below], self._alphas_cumprod[below + 1]
        alpha_cumprod = low + (t - below) * (high - low)
        return NoiseLevel(math.sqrt(alpha_cumprod), math.sqrt(1.0 - alpha_cumprod), t)

    def lesson(self, clean: Tensor, noise: Tensor, level: NoiseLevel[Tensor]) -> Tensor:
        """What the network should predict of `alpha clean + sigma noise`, for training."""
        if self._predicts == "epsilon":
            return noise
        return level.alpha * noise - level.sigma * clean

    def clean(self, noisy: Tensor, prediction: Tensor, level: NoiseLevel[Tensor]) -> Tensor:
        """The clean latent that a prediction sees in `noisy`; all float32."""
        if self._predicts == "epsilon":
            return (noisy - level.sigma * prediction) / level.alpha
        return level.alpha * noisy - level.sigma * prediction


def _alphas_cumprod(config: Mapping[str, Any]) -> list[float]:
    """ᾱ_t of a scheduler configuration, T numbers."""
    steps = int(config.get("num_train_timesteps", 1000))
    start, end = float(config.get("beta_start", 0.00085)), float(config.get("beta_end", 0.012))
    schedule = config.get("beta_schedule", "scaled_linear")
    if schedule == "scaled_linear":
        betas = torch.linspace(start**0.5, end**0.5, steps, dtype=torch.float64) ** 2
    elif schedule == "linear":
        betas = torch.linspace(start, end, steps, dtype=torch.float64)
    else:
        raise ModelLoadError(f"noise schedule {schedule!r} is not known: linear or scaled_linear")
    alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)
    if config.get("rescale_betas_zero_snr"):
        alphas_cumprod = _ending_in_noise(alphas_cumprod)
    found: list[float] = alphas_cumprod.tolist()
    return found


def _ending_in_noise(alphas_cumprod: Tensor) -> Tensor:
    """Stretch a schedule so that nothing is left of the picture at T (Lin et al. 2024, alg. 1)."""
    root = alphas_cumprod.sqrt()
    first, last = root[0].clone(), root[-1].clone()
    stretched: Tensor = ((root - last) * first / (first - last)) ** 2
    return stretched
