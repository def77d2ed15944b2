"""The one seam between the picture loop and any checkpoint family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.diffusion.noise_level import NoiseLevel
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
    noise. Arithmetic that divides by a small number stays in float32. `encode`, `decode` and
    `denoised` are called inside a program that may be recorded and replayed (`FrameProgram`).
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

    def reading(self, text: str) -> Reading:
        """What the model makes of the words of a prompt."""
        ...

    def encode(self, pixels: Tensor) -> Tensor:
        """`(1, 3, h, w)` float in [-1, 1] -> latent, float32."""
        ...

    def decode(self, latent: Tensor) -> Tensor:
        """Latent, float32 -> `(1, 3, h, w)` float32, about [-1, 1]."""
        ...

    def noise_level(self, strength: float) -> NoiseLevel[float]:
        """How much noise a strength is; continuous and monotone in it."""
        ...

    def denoised(
        self,
        noisy: Tensor,
        level: NoiseLevel[Tensor],
        prompt: PromptEmbedding,
        guidance: Tensor | None,
    ) -> Tensor:
        """One model call: the clean latent, float32, that it sees in `noisy` `(1, c, h, w)`.

        With `guidance`, 0-d, `prompt` has two rows, the second the empty prompt, and the answer
        leans away from the second row's. Part of a program that a device records: no question to
        the device, no branch on what a tensor holds, no memory that outlives the call.
        """
        ...

    def close(self) -> None:
        """Drop all weights; idempotent."""
        ...


def stacked(prompt: PromptEmbedding, empty: PromptEmbedding) -> PromptEmbedding:
    """Put the empty prompt below a prompt, two rows in each part: what `guidance` needs."""

    def pair(above: Tensor | None, below: Tensor | None) -> Tensor | None:
        return None if above is None or below is None else torch.cat((above, below))

    tokens = torch.cat((prompt.tokens, empty.tokens))
    return PromptEmbedding(
        tokens, pair(prompt.pooled, empty.pooled), pair(prompt.mask, empty.mask)
    )


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
