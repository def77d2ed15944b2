"""Checkpoints with a U-Net (SD 1.x, SD 2.x, SDXS, SDXL) behind the `Bundle` seam.

Components are loaded one by one and called directly: a diffusers pipeline is too dynamic for a
picture loop.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.bundle import PromptEmbedding, SizeRule
from engine.diffusion.memory import release_memory
from engine.diffusion.models.autoencoder import autoencoder_facts, open_autoencoder
from engine.diffusion.models.clip_text import ClipText, check_width
from engine.diffusion.models.components import Parts
from engine.diffusion.models.family import Family, Pace
from engine.diffusion.models.guidance_input import guidance_input
from engine.diffusion.models.schedule import NoiseSchedule
from engine.errors import ModelLoadError
from engine.messages import Reading


class StableDiffusionBundle:
    """UNet2DConditionModel + AutoencoderTiny or AutoencoderKL + one or two CLIP text encoders."""

    def __init__(self, parts: Parts, family: Family, tiny: Path | None = None) -> None:
        self.family = family
        self.pace: Pace = family.pace
        """How it wants to be called; a few-step LoRA puts `FEW_STEPS` here."""
        self._name = parts.name
        self._device = parts.device
        self._dtype = parts.dtype
        self._xl = family.kind == "sdxl"
        try:
            self._schedule = NoiseSchedule(parts.json("scheduler/scheduler_config.json"))
        except ModelLoadError as error:
            raise ModelLoadError(f"{parts.name}: {error}") from error
        self._unet = parts.network("unet", "UNet2DConditionModel")
        self._vae = open_autoencoder(parts, tiny, overflows=self._xl)
        vae = autoencoder_facts(self._vae)
        self._scaling, self._factor, self._vae_dtype = vae.scale, vae.factor, vae.dtype
        self._text: ClipText | None = ClipText(parts, xl=self._xl)
        check_width(parts.name, "unet", self._text.width, family.text_width)
        self._guidance_width = int(self._unet.config.get("time_cond_proj_dim") or 0)
        self._empty: PromptEmbedding | None = None

    @property
    def name(self) -> str:
        """The name of the checkpoint's folder or file."""
        return self._name

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the networks."""
        return self._dtype

    @property
    def size_rule(self) -> SizeRule:
        """Multiples of 8 latent cells, so that every level of the U-Net divides evenly."""
        levels = 2 ** (len(self._unet.config.block_out_channels) - 1)
        return SizeRule(self._factor * levels, self._factor * levels, 2048)

    @property
    def fresh_steps(self) -> int:
        """As the family says; the loop itself needs one call."""
        return self.pace.fresh_steps

    @property
    def natural_guidance(self) -> float:
        """As the family says: 1 for few-step checkpoints, which have their guidance inside."""
        return self.pace.guidance

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Shape `(1, c, h/f, w/f)`."""
        channels = int(self._unet.config.in_channels)
        return (1, channels, height // self._factor, width // self._factor)

    def encode_prompt(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        assert self._text is not None, "the bundle is closed"
        return self._text.encode(text)

    def reading(self, text: str) -> Reading:
        """How many words of a prompt are left out."""
        assert self._text is not None, "the bundle is closed"
        return self._text.reading(text)

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` in [-1, 1] -> scaled latent, float32."""
        encoded = self._vae.encode(pixels.to(self._vae_dtype))
        latent = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        scaled: Tensor = latent.float() * self._scaling
        return scaled

    def decode(self, latent: Tensor) -> Tensor:
        """Scaled latent -> `(1, 3, h, w)` float32."""
        pixels: Tensor = self._vae.decode((latent / self._scaling).to(self._vae_dtype)).sample
        return pixels.float()

    def noised(self, latent: Tensor, noise: Tensor, strength: float) -> Tensor:
        """x_t = α_t x_0 + σ_t n at t = strength · T."""
        return self._schedule.noised(latent, noise, strength)

    def denoised(
        self, noisy: Tensor, strength: float, prompt: PromptEmbedding, guidance: float
    ) -> Tensor:
        """One model call at any t, two with guidance unless that is an input of the U-Net."""
        t = self._schedule.timestep(strength)
        prediction = self._predict(noisy, t, prompt, guidance)
        if guidance != 1.0 and not self._guidance_width:
            if self._empty is None:
                self._empty = self.encode_prompt("")
            empty = self._predict(noisy, t, self._empty)
            prediction = empty + guidance * (prediction - empty)
        return self._schedule.clean(noisy, prediction, strength)

    def close(self) -> None:
        """Drop all weights; idempotent."""
        self._unet = self._vae = self._text = self._empty = None
        release_memory()

    def _predict(
        self, noisy: Tensor, t: int, prompt: PromptEmbedding, guidance: float = 1.0
    ) -> Tensor:
        extra: dict[str, Tensor] = {}
        if self._xl:
            assert prompt.pooled is not None
            height, width = noisy.shape[2] * self._factor, noisy.shape[3] * self._factor
            ids = torch.tensor([[height, width, 0, 0, height, width]], device=self._device)
            extra = {"text_embeds": prompt.pooled.to(self._dtype), "time_ids": ids.to(self._dtype)}
        inside = None
        if self._guidance_width:
            inside = guidance_input(guidance, self._guidance_width, self._device).to(self._dtype)
        unet: Any = self._unet
        result: Tensor = unet(
            noisy.to(self._dtype),
            torch.tensor([t], device=self._device),
            encoder_hidden_states=prompt.tokens.to(self._dtype),
            timestep_cond=inside,
            added_cond_kwargs=extra or None,
            return_dict=False,
        )[0]
        return result.float()
