"""Stable-Diffusion-layout checkpoints (SD 1.x, SD-Turbo, SDXL-Turbo) behind the `Bundle` seam.

Components are loaded one by one and called directly: a diffusers pipeline is too dynamic for a
picture loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.diffusion.bundle import PromptEmbedding, SizeRule
from engine.diffusion.few_step import many_step_guidance
from engine.diffusion.models.clip_text import ClipText
from engine.diffusion.models.components import Components
from engine.diffusion.models.schedule import NoiseSchedule
from engine.errors import ModelLoadError
from engine.messages import Reading


class StableDiffusionBundle:
    """UNet2DConditionModel + AutoencoderTiny or AutoencoderKL + one or two CLIP text encoders."""

    def __init__(
        self, folder: Path, device: torch.device, dtype: torch.dtype, *, xl: bool
    ) -> None:
        components = Components(folder, device, dtype)
        self._folder = folder
        self._device = device
        self._dtype = dtype
        self._xl = xl
        self._unet = components.network("unet", "UNet2DConditionModel")
        self._vae = components.autoencoder()
        self._text: ClipText | None = ClipText(components, xl=xl)
        try:
            scheduler = components.json("scheduler/scheduler_config.json")
            self._schedule = NoiseSchedule(scheduler)
        except ModelLoadError as error:
            raise ModelLoadError(f"{folder}: {error}") from error
        self._scaling = float(getattr(self._vae.config, "scaling_factor", 1.0) or 1.0)
        self._factor = 2 ** (len(self._vae.config.block_out_channels) - 1)
        if type(self._vae).__name__ == "AutoencoderTiny":
            self._factor = 2 ** (len(self._vae.config.encoder_block_out_channels) - 1)
        self._empty: PromptEmbedding | None = None
        self._many_step_guidance = many_step_guidance(self._unet.config, scheduler)
        self._few_step_lora = False

    @property
    def name(self) -> str:
        """The checkpoint's folder name."""
        return self._folder.name

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
        """A picture from nothing may take four calls; the loop itself needs one."""
        return 4

    @property
    def natural_guidance(self) -> float:
        """1: few-step checkpoints and LoRAs have their guidance inside."""
        return 1.0 if self._few_step_lora else self._many_step_guidance or 1.0

    @property
    def advice(self) -> str:
        """What a checkpoint lacks that was trained for dozens of steps; empty for any other."""
        if self._few_step_lora or self._many_step_guidance is None:
            return ""
        return (
            f"{self.name} was trained to paint in dozens of steps and is asked for one or four: "
            "give it a few-step LoRA (--lora, LCM or Hyper-SD), or take a Turbo or LCM checkpoint"
        )

    @property
    def lora_networks(self) -> Mapping[str, nn.Module]:
        """U-Net and text encoders, see `LoraBearer`."""
        assert self._text is not None, "the bundle is closed"
        return {"unet": self._unet, **self._text.encoders}

    def paint_in_few_steps(self, on: bool) -> None:
        """With a few-step LoRA, guidance is inside and nothing has to be advised."""
        self._few_step_lora = on

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Shape `(1, c, h/f, w/f)`."""
        channels = int(self._unet.config.in_channels)
        return (1, channels, height // self._factor, width // self._factor)

    def encode_prompt(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        assert self._text is not None, "the bundle is closed"
        return self._text.encode(text)

    def forget_prompts(self) -> None:
        """Encode anew what was encoded: the text encoder's weights have changed."""
        self._empty = None

    def reading(self, text: str) -> Reading:
        """How many words of a prompt are left out."""
        assert self._text is not None, "the bundle is closed"
        return self._text.reading(text)

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` in [-1, 1] -> scaled latent, float32."""
        encoded = self._vae.encode(pixels.to(self._dtype))
        latent = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        scaled: Tensor = latent.float() * self._scaling
        return scaled

    def decode(self, latent: Tensor) -> Tensor:
        """Scaled latent -> `(1, 3, h, w)` float32."""
        pixels: Tensor = self._vae.decode((latent / self._scaling).to(self._dtype)).sample
        return pixels.float()

    def noised(self, latent: Tensor, noise: Tensor, strength: float) -> Tensor:
        """x_t = α_t x_0 + σ_t n at t = strength · T."""
        return self._schedule.noised(latent, noise, strength)

    def denoised(
        self, noisy: Tensor, strength: float, prompt: PromptEmbedding, guidance: float
    ) -> Tensor:
        """One model call at any t, two with guidance."""
        t = self._schedule.timestep(strength)
        prediction = self._predict(noisy, t, prompt)
        if guidance != 1.0:
            if self._empty is None:
                self._empty = self.encode_prompt("")
            empty = self._predict(noisy, t, self._empty)
            prediction = empty + guidance * (prediction - empty)
        return self._schedule.clean(noisy, prediction, strength)

    def close(self) -> None:
        """Drop all weights; idempotent."""
        self._unet = self._vae = self._text = self._empty = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _predict(self, noisy: Tensor, t: int, prompt: PromptEmbedding) -> Tensor:
        extra: dict[str, Tensor] = {}
        if self._xl:
            assert prompt.pooled is not None
            height, width = noisy.shape[2] * self._factor, noisy.shape[3] * self._factor
            ids = torch.tensor([[height, width, 0, 0, height, width]], device=self._device)
            extra = {"text_embeds": prompt.pooled.to(self._dtype), "time_ids": ids.to(self._dtype)}
        unet: Any = self._unet
        result: Tensor = unet(
            noisy.to(self._dtype),
            torch.tensor([t], device=self._device),
            encoder_hidden_states=prompt.tokens.to(self._dtype),
            added_cond_kwargs=extra or None,
            return_dict=False,
        )[0]
        return result.float()
