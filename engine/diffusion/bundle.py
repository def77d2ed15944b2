"""The one seam between the picture loop and any checkpoint family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.messages import Reading


@dataclass(frozen=True, slots=True)
class PromptEmbedding:
    """An encoded prompt, as the denoiser wants it.

    `tokens` is `(1, n, d)`; `pooled` is `(1, p)` or None; `mask` is `(1, n)`, 1 for tokens that
    count, or None where all do.
    """

    tokens: Tensor
    pooled: Tensor | None = None
    mask: Tensor | None = None


@dataclass(frozen=True, slots=True)
class SizeRule:
    """Which picture sizes a model paints, in pixels."""

    multiple: int
    smallest: int
    largest: int

    def nearest(self, width: int, height: int) -> tuple[int, int]:
        """Return the model size whose aspect and area come nearest to `width x height`."""
        return (self._round(width), self._round(height))

    def _round(self, length: int) -> int:
        steps = max(1, round(length / self.multiple))
        return min(max(steps * self.multiple, self.smallest), self.largest)


class Bundle(Protocol):
    """Text encoder, autoencoder and denoiser of one checkpoint. Diffusion thread only.

    Latents are whatever the denoiser works on. `strength` is continuous in (0, 1]: 1 is pure
    noise. Arithmetic that divides by a small number stays in float32.
    """

    @property
    def name(self) -> str:
        """What the window shows."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the networks."""
        ...

    @property
    def size_rule(self) -> SizeRule:
        """Picture sizes it paints."""
        ...

    @property
    def fresh_steps(self) -> int:
        """Calls a picture from pure noise needs to be crisp; the loop itself needs one."""
        ...

    @property
    def natural_guidance(self) -> float:
        """Guidance the model looks best with; 1 for models that were distilled with it inside."""
        ...

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Shape `(1, c, h, w)` of the latent of a `width x height` picture."""
        ...

    def encode_prompt(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        ...

    def forget_prompts(self) -> None:
        """Encode anew what was encoded: the text encoder's weights have changed."""
        ...

    def reading(self, text: str) -> Reading:
        """What the model makes of the words of a prompt."""
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` float in [-1, 1] -> latent, float32."""
        ...

    def decode(self, latent: Tensor) -> Tensor:
        """Latent, float32 -> `(1, 3, h, w)` float32, about [-1, 1]."""
        ...

    def noised(self, latent: Tensor, noise: Tensor, strength: float) -> Tensor:
        """Mix a latent with standard normal noise of the same shape."""
        ...

    def denoised(
        self, noisy: Tensor, strength: float, prompt: PromptEmbedding, guidance: float
    ) -> Tensor:
        """One model call (two when `guidance != 1`): the clean latent it sees in `noisy`."""
        ...

    def close(self) -> None:
        """Drop all weights; idempotent."""
        ...


def blend_prompts(parts: Sequence[tuple[PromptEmbedding, float]]) -> PromptEmbedding:
    """Mix prompts by weights that sum to 1, token by token, keeping each token's length.

    A plain average of two directions is shorter than either, which washes the picture out; the
    norm is set back to the weighted mean of the parts' norms.
    """
    if len(parts) == 1:
        return parts[0][0]
    tokens = _blend([(part.tokens, weight) for part, weight in parts])
    pooled = None
    if all(part.pooled is not None for part, _ in parts):
        pooled = _blend(
            [(part.pooled, weight) for part, weight in parts if part.pooled is not None]
        )
    masks = [part.mask for part, _ in parts if part.mask is not None]
    mask = torch.stack(masks).amax(dim=0) if len(masks) == len(parts) else None
    return PromptEmbedding(tokens, pooled, mask)


def _blend(parts: Sequence[tuple[Tensor, float]]) -> Tensor:
    mean = torch.zeros_like(parts[0][0], dtype=torch.float32)
    length = torch.zeros_like(mean[..., :1])
    for tensor, weight in parts:
        mean += weight * tensor.float()
        length += weight * tensor.float().norm(dim=-1, keepdim=True)
    norm = mean.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    blended: Tensor = mean * (length / norm)
    return blended.to(parts[0][0].dtype)
