"""Cross-attention of a diffusers U-Net from keys and values that are made once per prompt.

`to_k` and `to_v` are linear and have no bias, so the keys of a blend of prompts are the blend of
their keys (`engine.diffusion.blending`): exact, for any factor per token. What StreamDiffusion's
README lists as "pre-computed KV cache" and its code does not have: a frame of SD-Turbo is spared
32 matrix products and the reading of 25.6 M weights (engine reference, section 5).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.bundle import PromptEmbedding

SLOTS = 8
"""Prompts whose keys and values are kept: SD-Turbo in float16 3.8 MB each, SDXL 25.6 MB."""
ROWS = 2
"""The prompt, and the empty one beside it where guidance is asked for."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """One cross-attention layer, and where in a packed tensor its keys and values begin."""

    attention: Any
    start: int
    width: int


class CrossAttentionCache:
    """Keys and values of all cross-attention layers, packed as `(tokens, sum of widths)`.

    A frame reads them from one buffer `(ROWS, tokens, sum)` that never moves, so a captured CUDA
    graph stays right: call `hold` before it runs, never inside. Diffusion thread only, in
    inference mode.
    """

    def __init__(self, unet: Any, tokens: int, slots: int = SLOTS) -> None:
        """Put its processors into `unet`; `tokens` is the length of every prompt."""
        self._layers = _lay_out(unet)
        self._width = 2 * sum(layer.width for layer in self._layers)
        self._most = slots
        self._slots: OrderedDict[int, tuple[Tensor, Tensor]] = OrderedDict()
        self._spare: list[Tensor] = []
        self._held: list[PromptEmbedding | None] = [None] * ROWS
        weight = self._layers[0].attention.to_k.weight
        self.buffer = torch.zeros((ROWS, tokens, self._width), dtype=weight.dtype,
                                  device=weight.device)  # fmt: skip
        for layer in self._layers:
            layer.attention.set_processor(CachedCrossAttention(*self._views(layer)))

    @property
    def bytes(self) -> int:
        """Memory of the buffer and of all prompts kept."""
        kept = len(self._slots) + len(self._spare)
        return (ROWS + kept) * self.buffer[0].numel() * self.buffer.element_size()

    def hold(self, row: int, prompt: PromptEmbedding) -> None:
        """Have the next calls see `prompt` in `row`: nothing to do where they do already.

        One weighted sum, in place; the keys and values of a part that was never seen come first
        (0.5 % of a frame of SD-Turbo at 512x512), and those of a passing prompt at once in place.
        """
        if prompt is self._held[row]:
            return
        target = self.buffer[row]
        if prompt.passing:
            self._project(prompt.tokens, target)
            self._held[row] = prompt
            return
        packed = self._packed(prompt.parts or (prompt,))
        if prompt.factors is None:
            target.copy_(packed[0])
        else:
            factors = prompt.factors.to(target.dtype).unsqueeze(-1)
            torch.mul(packed[0], factors[0], out=target)
            for part, factor in zip(packed[1:], factors[1:], strict=True):
                target.addcmul_(part, factor)
        self._held[row] = prompt

    def invalidate(self) -> None:
        """Forget all keys and values: the weights of the network have changed in place.

        The buffer stays where it is; the next `hold` fills it anew.
        """
        self._spare += [packed for _, packed in self._slots.values()]
        self._slots.clear()
        self._held = [None] * ROWS

    def withdraw(self) -> None:
        """Have the network compute its keys and values itself again, from the tokens."""
        from diffusers.models import attention_processor

        plain: Any = attention_processor.AttnProcessor2_0
        for layer in self._layers:
            layer.attention.set_processor(plain())

    def _packed(self, parts: tuple[PromptEmbedding, ...]) -> list[Tensor]:
        for part in parts:
            if id(part.tokens) in self._slots:
                self._slots.move_to_end(id(part.tokens))
        found = []
        for part in parts:
            # The slot holds on to the tokens, so that their id is nobody else's.
            if id(part.tokens) not in self._slots:
                packed = self._spare.pop() if self._spare else torch.empty_like(self.buffer[0])
                self._project(part.tokens, packed)
                self._slots[id(part.tokens)] = (part.tokens, packed)
            found.append(self._slots[id(part.tokens)][1])
        while len(self._slots) > max(self._most, len(parts)):
            _, (_, packed) = self._slots.popitem(last=False)
            self._spare.append(packed)
        return found

    def _project(self, tokens: Tensor, packed: Tensor) -> None:
        """Write the keys and values of `(1, n, d)` tokens into `packed`."""
        states = tokens[0].to(packed.dtype)
        for layer in self._layers:
            middle, end = layer.start + layer.width, layer.start + 2 * layer.width
            torch.mm(states, layer.attention.to_k.weight.t(), out=packed[:, layer.start : middle])
            torch.mm(states, layer.attention.to_v.weight.t(), out=packed[:, middle:end])

    def _views(self, layer: _Layer) -> tuple[Tensor, Tensor]:
        shape = (*self.buffer.shape[:2], layer.attention.heads, -1)
        middle, end = layer.start + layer.width, layer.start + 2 * layer.width
        pair = self.buffer[..., layer.start : middle], self.buffer[..., middle:end]
        key, value = (part.view(shape).transpose(1, 2) for part in pair)
        return key, value


class CachedCrossAttention:
    """A diffusers attention processor that reads keys and values instead of computing them."""

    def __init__(self, key: Tensor, value: Tensor) -> None:
        """`key` and `value` are views `(ROWS, heads, tokens, width of a head)` of the buffer."""
        self._key, self._value = key, value

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """As `AttnProcessor2_0` (diffusers 0.42); the prompt is the one that was held."""
        rows = hidden_states.shape[0]
        query = by_head(attn.to_q(hidden_states), attn.heads)
        states = F.scaled_dot_product_attention(query, self._key[:rows], self._value[:rows])
        return attended(attn, states)


def by_head(projected: Tensor, heads: int) -> Tensor:
    """`(rows, cells, width)` -> `(rows, heads, cells, width of a head)`."""
    rows, cells, _ = projected.shape
    return projected.view(rows, cells, heads, -1).transpose(1, 2)


def one_width(states: Tensor) -> Tensor:
    """`by_head` undone."""
    rows, _, cells, _ = states.shape
    return states.transpose(1, 2).reshape(rows, cells, -1)


def attended(attn: Any, states: Tensor) -> Tensor:
    """What a plain layer (`is_plain`) returns for what its heads have seen."""
    out: Tensor = attn.to_out[0](one_width(states))
    return out / attn.rescale_output_factor if attn.rescale_output_factor != 1.0 else out


def can_cache(unet: Any) -> bool:
    """Whether every cross-attention of `unet` is of the plain kind the cache stands for.

    Others (a bias in the keys, norms of keys, tokens changed on their way in) compute their keys
    in every call, as diffusers does.
    """
    layers = _cross_attentions(unet)
    odd = unet.config.get("encoder_hid_dim_type") is not None
    return bool(layers) and not odd and all(is_plain(layer) for layer in layers)


def is_plain(attention: Any) -> bool:
    """Whether an attention layer is projections and products, and nothing else."""
    linear = all(
        isinstance(layer, torch.nn.Linear) and layer.bias is None
        for layer in (attention.to_k, attention.to_v)
    )
    extra = (
        attention.group_norm, attention.spatial_norm, attention.norm_cross, attention.norm_q,
        attention.norm_k, attention.added_kv_proj_dim, attention.residual_connection,
    )  # fmt: skip
    return linear and attention.scale_qk and not any(extra)


def _cross_attentions(unet: Any) -> list[Any]:
    return [
        block.attn2
        for block in unet.modules()
        if type(block).__name__ == "BasicTransformerBlock"
        and block.attn2 is not None
        and block.attn2.is_cross_attention
    ]


def _lay_out(unet: Any) -> list[_Layer]:
    layers, start = [], 0
    for attention in _cross_attentions(unet):
        width = attention.to_k.weight.shape[0]
        layers.append(_Layer(attention, start, width))
        start += 2 * width
    return layers
