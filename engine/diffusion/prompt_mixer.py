"""`PromptMixer`: encoded prompts and weights in, the tokens of a picture out, in one place.

The buffers never move and nothing of a prompt's size is new memory, so that a captured CUDA graph
may read them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.diffusion.blending import Float64, factors, gram
from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.prompt_job import EncodedPrompt
from engine.messages import Float32

MOST_PARTS = 8
"""Two prompts of the walk, two heard, two described, and room."""
_PAIRINGS = 16
"""Sets of prompts whose inner products are remembered."""


class PromptMixer:
    """Mixes prompts of one bundle. Diffusion thread only, in inference mode."""

    def __init__(self) -> None:
        self._tokens: Tensor | None = None
        self._pooled: Tensor | None = None
        self._mask: Tensor | None = None
        self._factors: Tensor | None = None
        self._products: OrderedDict[tuple[int, ...], _Products] = OrderedDict()
        self._key: tuple[object, ...] = ()
        self._mixed: PromptEmbedding | None = None

    def mix(
        self, prompts: Sequence[EncodedPrompt], weights: Sequence[float], blend: int
    ) -> PromptEmbedding:
        """Return the mix, for weights that sum to 1; the very same object while nothing changed.

        Its tensors are overwritten by the next mix.
        """
        key = (tuple(id(prompt) for prompt in prompts), tuple(weights), blend)
        if self._mixed is not None and key == self._key:
            return self._mixed
        parts = tuple(prompt.embedding for prompt in prompts)
        products = self._products_of(prompts)
        shares = self._on_device(factors(products.tokens, weights, blend), parts[0].tokens)
        self._tokens = _sum(self._tokens, [part.tokens for part in parts], shares.unsqueeze(-1))
        if products.pooled is not None:
            pooled = [part.pooled for part in parts if part.pooled is not None]
            self._pooled = _sum(
                self._pooled, pooled, factors(products.pooled, weights, blend)[:, 0].tolist()
            )
        self._mask = _union(self._mask, [part.mask for part in parts])
        self._key = key
        self._mixed = PromptEmbedding(self._tokens, self._pooled, self._mask, parts, shares)
        return self._mixed

    def _on_device(self, found: Float32, tokens: Tensor) -> Tensor:
        if self._factors is None or len(self._factors) < len(found):
            size = (max(MOST_PARTS, len(found)), found.shape[1])
            self._factors = torch.empty(size, device=tokens.device)
        rows = self._factors[: len(found)]
        # From memory that is not pinned: taken over before the call returns, nobody waits.
        return rows.copy_(torch.from_numpy(found), non_blocking=True)

    def _products_of(self, prompts: Sequence[EncodedPrompt]) -> _Products:
        key = tuple(id(prompt) for prompt in prompts)
        if key not in self._products:
            self._products[key] = _Products(prompts)
            if len(self._products) > _PAIRINGS:
                self._products.popitem(last=False)
        self._products.move_to_end(key)
        return self._products[key]


class _Products:
    """Inner products of some prompts; holds on to them, so that their ids are nobody else's."""

    def __init__(self, prompts: Sequence[EncodedPrompt]) -> None:
        self.prompts = tuple(prompts)
        self.tokens: Float64 = gram([_rows(prompt.host.tokens[0]) for prompt in prompts])
        pooled = [prompt.host.pooled for prompt in prompts if prompt.host.pooled is not None]
        self.pooled = (
            gram([_rows(each) for each in pooled]) if len(pooled) == len(prompts) else None
        )


def _rows(tensor: Tensor) -> Float32:
    array: Float32 = np.asarray(tensor.float().numpy(), np.float32)
    return array


def _sum(
    target: Tensor | None, parts: Sequence[Tensor], shares: Tensor | Sequence[float]
) -> Tensor:
    """sum_i shares[i] * parts[i], in place once there is a place."""
    if target is None:
        target = torch.empty_like(parts[0])
    torch.mul(parts[0], shares[0], out=target)
    for part, share in zip(parts[1:], shares[1:], strict=True):
        if isinstance(share, float):
            target.add_(part, alpha=share)
        else:
            target.addcmul_(part, share)
    return target


def _union(target: Tensor | None, masks: Sequence[Tensor | None]) -> Tensor | None:
    """A token counts when it counts in one of the prompts; None where one has no mask."""
    known = [mask for mask in masks if mask is not None]
    if len(known) < len(masks):
        return None
    if target is None:
        target = torch.empty_like(known[0])
    target.copy_(known[0])
    for mask in known[1:]:
        torch.maximum(target, mask, out=target)
    return target
