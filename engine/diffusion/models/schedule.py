"""`NoiseSchedule`: how much noise a diffusers checkpoint was trained with at which timestep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.errors import ModelLoadError


class NoiseSchedule:
    """One step at any t, instead of diffusers' strength staircase.

    x_t = α_t x_0 + σ_t n; x̂0 = (x_t - σ_t ε) / α_t for ε-prediction, α_t x_t - σ_t v for
    v-prediction, in float32: at t = 999 the division makes an error 14.6 times as large.
    `strength` in (0, 1] is t / T. Raises `ModelLoadError` for schedules that nobody knows.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        alphas_cumprod = _alphas_cumprod(config)
        self._alpha = alphas_cumprod.sqrt()
        self._sigma = (1.0 - alphas_cumprod).sqrt()
        self._predicts = config.get("prediction_type", "epsilon")
        if self._predicts not in ("epsilon", "v_prediction"):
            raise ModelLoadError(f"it predicts {self._predicts!r}; epsilon or v are known")
        if self._predicts == "epsilon" and float(self._alpha[-1]) == 0.0:
            raise ModelLoadError("it predicts noise from nothing but noise: its schedule is wrong")

    def timestep(self, strength: float) -> int:
        """The timestep of a strength, 1 to T - 1."""
        last = len(self._alpha) - 1
        return min(max(round(strength * last), 1), last)

    def noised(self, latent: Tensor, noise: Tensor, strength: float) -> Tensor:
        """Mix a clean latent with standard normal noise."""
        t = self.timestep(strength)
        return float(self._alpha[t]) * latent + float(self._sigma[t]) * noise

    def clean(self, noisy: Tensor, prediction: Tensor, strength: float) -> Tensor:
        """The clean latent that a prediction sees in `noisy`; both float32."""
        t = self.timestep(strength)
        alpha, sigma = float(self._alpha[t]), float(self._sigma[t])
        if self._predicts == "epsilon":
            return (noisy - sigma * prediction) / alpha
        return alpha * noisy - sigma * prediction


def _alphas_cumprod(config: Mapping[str, Any]) -> Tensor:
    """ᾱ_t of a scheduler configuration, float32, shape `(T,)`."""
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
    return alphas_cumprod.float()


def _ending_in_noise(alphas_cumprod: Tensor) -> Tensor:
    """Stretch a schedule so that nothing is left of the picture at T (Lin et al. 2024, alg. 1)."""
    root = alphas_cumprod.sqrt()
    first, last = root[0].clone(), root[-1].clone()
    stretched: Tensor = ((root - last) * first / (first - last)) ** 2
    return stretched
