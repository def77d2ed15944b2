"""A diffusers checkpoint's networks with tensors in and one float32 tensor out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class UNetPart(nn.Module):
    """What is predicted of noisy latents; the last two inputs are SDXL's."""

    guidance: Tensor | None

    def __init__(self, unet: Any, dtype: torch.dtype, guidance: Tensor | None = None) -> None:
        """`guidance` is its embedding `(1, width)` where it is an input of the network."""
        super().__init__()
        self.unet = unet
        self.register_buffer("guidance", guidance, persistent=False)
        self.dtype = dtype

    def forward(
        self,
        noisy: Tensor,
        time: Tensor,
        tokens: Tensor,
        pooled: Tensor | None = None,
        size_ids: Tensor | None = None,
        residuals: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """Return the prediction, the shape of `noisy`; `residuals` are a ControlNet's."""
        added = None
        if pooled is not None and size_ids is not None:
            added = {"text_embeds": pooled.to(self.dtype), "time_ids": size_ids}
        predicted: Tensor = self.unet(
            noisy.to(self.dtype),
            time,
            timestep_cond=None if self.guidance is None else self.guidance.expand(len(noisy), -1),
            encoder_hidden_states=tokens.to(self.dtype),
            added_cond_kwargs=added,
            return_dict=False,
            **(residuals or {}),
        )[0]
        return predicted.float()


class EncoderPart(nn.Module):
    """Pictures to scaled latents; of a KL autoencoder the most likely one."""

    def __init__(self, vae: Any, dtype: torch.dtype, scaling: float) -> None:
        super().__init__()
        self.vae = vae
        self.dtype = dtype
        self.scaling = scaling

    def forward(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` in [-1, 1] -> `(1, c, h/f, w/f)`."""
        encoded = self.vae.encode(pixels.to(self.dtype))
        latent = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        scaled: Tensor = latent.float() * self.scaling
        return scaled


class DecoderPart(nn.Module):
    """Scaled latents to pictures, about [-1, 1]."""

    def __init__(self, vae: Any, dtype: torch.dtype, scaling: float) -> None:
        super().__init__()
        self.vae = vae
        self.dtype = dtype
        self.scaling = scaling

    def forward(self, latent: Tensor) -> Tensor:
        """`(1, c, h/f, w/f)` -> `(1, 3, h, w)`."""
        pixels: Tensor = self.vae.decode((latent / self.scaling).to(self.dtype)).sample
        return pixels.float()
