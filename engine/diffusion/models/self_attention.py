"""Self-attention of a diffusers U-Net that also sees what earlier pictures left there.

StreamV2V (Liang et al. 2024) keeps keys and values of every `attn1`; so does this, without its
merging of tokens and its questions to the device. Processors are exchanged for the time of one
call and put back, so that whoever else calls, traces or compares the U-Net meets it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.attention_memory import AttentionMemory, AttentionShape, LayerMemory
from engine.diffusion.models.cross_attention import attended, by_head, is_plain


class SelfAttentions:
    """All self-attention layers of one U-Net. Diffusion thread only."""

    def __init__(self, unet: Any) -> None:
        found = {
            name: block.attn1
            for name, block in unet.named_modules()
            if type(block).__name__ == "BasicTransformerBlock"
            and not block.attn1.is_cross_attention
        }
        self._attentions = list(found.values())
        self._halvings = [_halvings(unet, name) for name in found]

    @property
    def can_remember(self) -> bool:
        """Whether there are any, all of the plain kind that `RememberingAttention` stands for."""
        return bool(self._attentions) and all(is_plain(layer) for layer in self._attentions)

    def shapes(self, height: int, width: int) -> list[AttentionShape]:
        """Of all layers, for latents of a size in cells."""
        return [
            AttentionShape(
                layer.heads, (height >> halved) * (width >> halved),
                layer.to_k.weight.shape[0] // layer.heads,
            )
            for layer, halved in zip(self._attentions, self._halvings, strict=True)
        ]  # fmt: skip

    @contextmanager
    def remembering(self, memory: AttentionMemory) -> Iterator[None]:
        """Have the U-Net see, inside, what `memory` has beside the picture."""
        plain = [layer.processor for layer in self._attentions]
        for layer, kept in zip(self._attentions, memory.layers, strict=True):
            layer.set_processor(RememberingAttention(kept))
        try:
            yield
        finally:
            for layer, processor in zip(self._attentions, plain, strict=True):
                layer.set_processor(processor)


class RememberingAttention:
    """A diffusers attention processor whose picture also looks at earlier ones."""

    def __init__(self, memory: LayerMemory) -> None:
        self._memory = memory

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """As `AttnProcessor2_0` (diffusers 0.42), with more keys and a bias on those."""
        query, key, value = (
            by_head(layer(hidden_states), attn.heads)
            for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        key, value, bias = self._memory.beside(key, value)
        states = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return attended(attn, states)


def _halvings(unet: Any, name: str) -> int:
    """How often the latent's sides are halved where a layer stands."""
    down = [bool(block.downsamplers) for block in unet.down_blocks]
    place, _, rest = name.partition(".")
    if place == "mid_block":
        return sum(down)
    index = int(rest.split(".")[0])
    if place == "down_blocks":
        return sum(down[:index])
    return sum(down) - sum(bool(block.upsamplers) for block in unet.up_blocks[:index])
