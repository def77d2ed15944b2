"""Stable-Diffusion-layout checkpoints (SD 1.x, SD-Turbo, SDXL-Turbo) behind the `Bundle` seam.

Components are loaded one by one and called directly: a diffusers pipeline is too dynamic for a
picture loop.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.diffusion.bundle import PromptEmbedding, SizeRule
from engine.diffusion.few_step import many_step_guidance
from engine.diffusion.models.clip_text import ClipText
from engine.diffusion.models.components import Components
from engine.diffusion.models.controlnet import ControlNetBranch
from engine.diffusion.models.cross_attention import CrossAttentionCache, can_cache
from engine.diffusion.models.image_prompt import ImagePrompt, open_image_prompt
from engine.diffusion.models.schedule import NoiseSchedule
from engine.errors import ModelLoadError
from engine.messages import Reading, Uint8
from engine.registry import NO_GUIDES, Guides


class StableDiffusionBundle:
    """UNet2DConditionModel + AutoencoderTiny or AutoencoderKL + one or two CLIP text encoders."""

    def __init__(
        self, folder: Path, device: torch.device, dtype: torch.dtype, *, xl: bool,
        guides: Guides = NO_GUIDES,
    ) -> None:  # fmt: skip
        components = Components(folder, device, dtype)
        self._controlnet: ControlNetBranch | None = None
        self._image_prompt: ImagePrompt | None = None
        if guides.controlnet:  # first of all: the wrong one costs no loading
            self._controlnet = ControlNetBranch(
                Path(guides.controlnet).expanduser(), components.json("unet/config.json"),
                device, dtype, guides.control_map,
            )  # fmt: skip
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
        self._keys: CrossAttentionCache | None = None
        if can_cache(self._unet):
            self._keys = CrossAttentionCache(self._unet, self._text.length)
        if guides.ip_adapter:  # after the cache, whose processors it wraps
            self._image_prompt = open_image_prompt(guides, self._unet, device, dtype)
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

    def encoding(self, text: str) -> Generator[None, None, PromptEmbedding]:
        """Encode a prompt in slices, see `SlicedText`."""
        assert self._text is not None, "the bundle is closed"
        return self._text.encoding(text)

    def text_key(self, text: str) -> str:
        """What the embedding of a text is kept under on disk, see `SlicedText`."""
        assert self._text is not None, "the bundle is closed"
        return self._text.text_key(text)

    def weights_changed(self) -> None:
        """Make keys and values of all prompts anew: the U-Net's weights have changed in place."""
        if self._keys is not None:
            self._keys.invalidate()

    def hold(self, *prompts: PromptEmbedding) -> None:
        """Have the next calls see these prompts, one per row of the batch.

        Writes in place where the U-Net reads; before a captured graph runs, never inside.
        """
        if self._keys is not None:
            for row, prompt in enumerate(prompts):
                self._keys.hold(row, prompt)

    def forget_prompts(self) -> None:
        """Encode anew what was encoded: the text encoder's weights have changed."""
        assert self._text is not None, "the bundle is closed"
        self._text.weights_changed()
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
        """One model call at any t, with guidance for the prompt and the empty one at once."""
        t = self._schedule.timestep(strength)
        if guidance == 1.0:
            return self._schedule.clean(noisy, self._predict(noisy, t, prompt), strength)
        if self._empty is None:
            self._empty = self.encode_prompt("")
        wanted, empty = self._predict(noisy, t, prompt, self._empty).chunk(2)
        prediction = empty + guidance * (wanted - empty)
        return self._schedule.clean(noisy, prediction, strength)

    def guide(self, structure: Uint8 | None, values: Mapping[str, float]) -> None:
        """Lead by `structure/control` and `prompt/image`, where there are guides."""
        if self._controlnet is not None:
            self._controlnet.see(structure, values["structure/control"])
        if self._image_prompt is not None:
            self._image_prompt.weigh(values["prompt/image"])

    def close(self) -> None:
        """Drop all weights; idempotent."""
        self._controlnet = self._image_prompt = None
        self._unet = self._vae = self._text = self._empty = self._keys = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _predict(self, noisy: Tensor, t: int, *prompts: PromptEmbedding) -> Tensor:
        """The network's answers to one noisy latent, one row per prompt."""
        self.hold(*prompts)
        extra: dict[str, Tensor] = {}
        if self._xl:
            height, width = noisy.shape[2] * self._factor, noisy.shape[3] * self._factor
            ids = torch.tensor([[height, width, 0, 0, height, width]], device=self._device)
            pooled = _rows([prompt.pooled for prompt in prompts if prompt.pooled is not None])
            extra = {
                "text_embeds": pooled.to(self._dtype),
                "time_ids": ids.to(self._dtype).expand(len(prompts), -1),
            }
        unet: Any = self._unet
        sample = noisy.to(self._dtype).expand(len(prompts), -1, -1, -1)
        # Read by the ControlNet and by attention that is not cached.
        tokens = _rows([prompt.tokens for prompt in prompts]).to(self._dtype)
        timestep = torch.tensor([t], device=self._device)
        residuals: dict[str, Any] = {}
        if self._controlnet is not None and self._controlnet.active:
            residuals = self._controlnet.residuals(sample, timestep, tokens, extra or None)
        result: Tensor = unet(
            sample,
            timestep,
            encoder_hidden_states=tokens,
            added_cond_kwargs=extra or None,
            return_dict=False,
            **residuals,
        )[0]
        return result.float()


def _rows(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tuple(tensors))
