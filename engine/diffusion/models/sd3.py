"""SD 3.x behind the `Bundle` seam: a multimodal transformer that learned a rectified flow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.diffusion.bundle import PromptEmbedding, SizeRule
from engine.diffusion.guidance import guided
from engine.diffusion.memory import release_memory
from engine.diffusion.models.autoencoder import autoencoder_facts, open_autoencoder
from engine.diffusion.models.components import Components
from engine.diffusion.models.family import Family, Pace
from engine.diffusion.models.sd3_text import Sd3Text
from engine.diffusion.noise_level import NoiseLevel, flow_level
from engine.messages import Reading

_TIMESTEPS = 1000


class Sd3Bundle:
    """SD3Transformer2DModel + a 16-channel autoencoder + two CLIP text encoders, T5 if fetched.

    x_t = (1 - t) x_0 + t n with t = strength, the velocity v = n - x_0, so x̂0 = x_t - t v (Esser
    et al. 2024, section 2; Lipman et al. 2023). Whoever makes prompts from sound gives
    `PromptEmbedding.pooled` `(1, pooled_width)` and `tokens` `(1, n, token_width)` of their own.
    Diffusion thread only.
    """

    def __init__(self, components: Components, family: Family, tiny: Path | None = None) -> None:
        self.family = family
        self.pace: Pace = family.pace
        """How it wants to be called; a few-step LoRA puts `FEW_STEPS` here."""
        self._name = components.name
        self._device = components.device
        self._dtype = components.dtype
        self._transformer = components.network("transformer", "SD3Transformer2DModel")
        config = self._transformer.config
        self._patch = int(config.patch_size)
        self._channels = int(config.in_channels)
        self._places = int(config.pos_embed_max_size or config.sample_size // config.patch_size)
        self.pooled_width = int(config.pooled_projection_dim)
        """2048 in the released ones: the pooled outputs of both CLIP encoders."""
        self.token_width = int(config.joint_attention_dim)
        """4096 in the released ones: T5's."""
        self._vae = open_autoencoder(components, tiny, overflows=False)
        vae = autoencoder_facts(self._vae)
        self._scale, self._shift, self._factor = vae.scale, vae.shift, vae.factor
        self._text: Sd3Text | None = Sd3Text(components, self.token_width)
        self._text.check(components.name, self.pooled_width)

    @property
    def name(self) -> str:
        """The checkpoint's folder name."""
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
        """Whole patches of latent cells, as far as there are positions."""
        patch = self._factor * self._patch
        return SizeRule(patch, patch, min(2048, patch * self._places))

    @property
    def fresh_steps(self) -> int:
        """As the family says; the loop itself needs one call."""
        return self.pace.fresh_steps

    @property
    def natural_guidance(self) -> float:
        """As the family says."""
        return self.pace.guidance

    @property
    def networks(self) -> Sequence[nn.Module]:
        """See `Ponderous`."""
        assert self._text is not None, "the bundle is closed"
        return [self._transformer, self._vae, *self._text.networks]

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Shape `(1, 16, h/8, w/8)`."""
        return (1, self._channels, height // self._factor, width // self._factor)

    def encode_prompt(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        assert self._text is not None, "the bundle is closed"
        return self._text.encode(text)

    def reading(self, text: str) -> Reading:
        """How many words of a prompt are left out."""
        assert self._text is not None, "the bundle is closed"
        return self._text.clip.reading(text)

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` in [-1, 1] -> latent, float32."""
        encoded = self._vae.encode(pixels.to(self._dtype))
        latent = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        scaled: Tensor = (latent.float() - self._shift) * self._scale
        return scaled

    def decode(self, latent: Tensor) -> Tensor:
        """Latent -> `(1, 3, h, w)` float32."""
        unscaled = (latent / self._scale + self._shift).to(self._dtype)
        pixels: Tensor = self._vae.decode(unscaled).sample
        return pixels.float()

    def noise_level(self, strength: float) -> NoiseLevel[float]:
        """x_t = (1 - t) x_0 + t n at t = strength."""
        return flow_level(strength)

    def denoised(
        self,
        noisy: Tensor,
        level: NoiseLevel[Tensor],
        prompt: PromptEmbedding,
        guidance: Tensor | None,
    ) -> Tensor:
        """x_0 = x_t - t v(x_t, t), with v guided away from the empty prompt when asked."""
        velocity = guided(lambda rows: self._velocity(rows, level, prompt), noisy, guidance)
        return noisy - level.sigma * velocity

    def weights_changed(self) -> None:
        """Nothing is kept of prompts: text and picture attend to each other in every block."""

    def hold(self, *prompts: PromptEmbedding) -> None:
        """Nothing is kept, so nothing has to be laid out."""

    def forget_prompts(self) -> None:
        """Nothing is kept of what was encoded."""

    def close(self) -> None:
        """Drop all weights; idempotent."""
        self._transformer = self._vae = self._text = None
        release_memory()

    def _velocity(
        self, noisy: Tensor, level: NoiseLevel[Tensor], prompt: PromptEmbedding
    ) -> Tensor:
        assert prompt.pooled is not None, "SD 3.x needs a pooled embedding"
        transformer: Any = self._transformer
        result: Tensor = transformer(
            hidden_states=noisy.to(self._dtype),
            timestep=(level.time * _TIMESTEPS).expand(noisy.shape[0]),
            encoder_hidden_states=prompt.tokens.to(self._dtype),
            pooled_projections=prompt.pooled.to(self._dtype),
            return_dict=False,
        )[0]
        return result.float()
