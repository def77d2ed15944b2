"""Gated audio cross-attention in a diffusers U-Net: sound beside the text, not instead of it.

After every cross-attention to the text, `h + f tanh(g) A(LN(h), sound)`, as SonicDiffusion does
(Biner et al. 2024) in the middle and the upward half of SD 1.4: 28,491,210 parameters, by the
names of its checkpoints. Two hooks per block put it into a stock U-Net: where diffusers 0.42 has
`h + ff(norm3(h))`, the same share is added to what `norm3` reads and to what `ff` returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import ModelLoadError

PLACES = ("mid", "up")
"""Parts of the U-Net that hear; `down` too makes 43,987,536 parameters."""
GATE = 0.1
"""Where a gate begins: SonicDiffusion's; 0 is the plain U-Net."""
ROWS = 2
"""The sound, and silence beside it where guidance is asked for."""

_STAGE_OF: Mapping[str, Mapping[str, int]] = {
    # Early, middle and late as the published code has them, and as its plan says.
    "published": {"down_blocks.0": 0, "down_blocks.1": 0, "down_blocks.2": 2, "mid_block": 1,
                  "up_blocks.1": 2, "up_blocks.2": 1, "up_blocks.3": 1},
    "planned": {"down_blocks.0": 0, "down_blocks.1": 0, "down_blocks.2": 0, "mid_block": 1},
}  # fmt: skip
_LATE, _EARLY = 2, 0


class _Attention(nn.Module):
    """The layers of a diffusers `Attention`, by its names."""

    def __init__(self, width: int, context_width: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width, width, bias=False)
        self.to_v = nn.Linear(context_width, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])


class GatedAudioAttention(nn.Module):
    """What one block of the U-Net adds of a sound."""

    def __init__(self, width: int, heads: int, context_width: int, gate: float = GATE) -> None:
        super().__init__()
        self.heads = heads
        self.attn_adapter = _Attention(width, context_width)
        self.norm_adapter = nn.LayerNorm(width)
        self.gate_adapter = nn.Parameter(torch.full((1,), gate))

    def keys_values(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of sound `(b, n, context_width)` to keys and values, both `(b, heads, n, w)`."""
        b, n, _ = rows.shape
        key, value = (
            layer(rows).view(b, n, self.heads, -1).transpose(1, 2)
            for layer in (self.attn_adapter.to_k, self.attn_adapter.to_v)
        )
        return key, value

    def forward(self, h: Tensor, key: Tensor, value: Tensor, factor: Tensor) -> Tensor:
        """What to add to `h` `(b, cells, width)`; `factor` is f tanh(g)."""
        b, cells, width = h.shape
        query = self.attn_adapter.to_q(self.norm_adapter(h)).view(b, cells, self.heads, -1)
        seen = F.scaled_dot_product_attention(query.transpose(1, 2), key[:b], value[:b])
        out: Tensor = self.attn_adapter.to_out[0](seen.transpose(1, 2).reshape(b, cells, width))
        return factor * out


class _Place:
    """One block of the U-Net: its hooks, and what they read."""

    def __init__(self, block: Any, layer: GatedAudioAttention, stage: int) -> None:
        self.stage = stage
        self.key: Tensor | None = None
        self.value: Tensor | None = None
        self.factor: Tensor | None = None
        self._layer = layer
        self._share: Tensor | None = None
        self._hooks = (
            block.norm3.register_forward_pre_hook(self._before_norm),
            block.ff.register_forward_hook(self._after_feed_forward),
        )

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _before_norm(self, _norm: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor] | None:
        if self.key is None or self.value is None or self.factor is None:
            return None
        self._share = self._layer(inputs[0], self.key, self.value, self.factor)
        return (inputs[0] + self._share,)

    def _after_feed_forward(
        self, _ff: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor
    ) -> Tensor | None:
        share, self._share = self._share, None
        return None if share is None else out + share


class AudioAttention(nn.Module):
    """All gated audio attention of one U-Net. Diffusion thread only.

    Live, `hear` writes keys and values in place, once per new sound, and `weigh` the strength: a
    frame computes queries alone, and a captured CUDA graph stays right. Training calls `teach`
    instead, through which gradients flow.
    """

    def __init__(
        self,
        unet: Any,
        places: Sequence[str] = PLACES,
        routing: str = "published",
        gate: float = GATE,
    ) -> None:
        """Put hooks into `unet`, which stays what it is until a sound is heard.

        Raises `ModelLoadError` for a U-Net whose blocks are of another kind.
        """
        super().__init__()
        blocks = audio_blocks(unet, places)
        weight = next(unet.parameters())
        self.names = tuple(blocks)
        self.context_width = context_width(blocks)
        self.gated = tuple(
            GatedAudioAttention(
                block.norm3.normalized_shape[0], block.attn2.heads, self.context_width, gate
            )
            for block in blocks.values()
        )
        """One per block, in the order of `names`."""
        self.layers = nn.ModuleList(self.gated).to(weight.device, weight.dtype)
        self._heard: object = None
        self._strength = 1.0
        self._places = [
            _Place(block, layer, stage_of(name, routing))
            for (name, block), layer in zip(blocks.items(), self.gated, strict=True)
        ]

    def named_tensors(self) -> dict[str, Tensor]:
        """All weights, by the names of SonicDiffusion's checkpoints."""
        return {
            f"{name}.{key}": tensor
            for name, layer in zip(self.names, self.gated, strict=True)
            for key, tensor in layer.state_dict().items()
        }

    def load(self, tensors: Mapping[str, Tensor], where: str) -> None:
        """Take weights by those names. Raises `ModelLoadError`, with the first that is wrong."""
        own = self.named_tensors()
        missing = sorted(own.keys() - tensors.keys())
        unknown = sorted(tensors.keys() - own.keys())
        if missing or unknown:
            name, what = (missing[0], "lacks") if missing else (unknown[0], "has besides")
            raise ModelLoadError(
                f"{where} is audio attention for another U-Net ({what} {name}): choose one made "
                "for this model, or train one with 'sonolume train projector --target MODEL'"
            )
        for name, tensor in own.items():
            if tensor.shape != tensors[name].shape:
                raise ModelLoadError(
                    f"{where} is audio attention for another family ({name} is "
                    f"{tuple(tensors[name].shape)}, this model needs {tuple(tensor.shape)}): "
                    "choose one made for this model"
                )
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])
        self._heard = None

    @torch.no_grad()
    def hear(self, stages: Tensor | None, silence: Tensor | None = None) -> None:
        """Have the next calls hear `stages` `(3, n, context_width)`; None: the plain U-Net.

        The second row of a guided call hears `silence`, or the sound as well where it is None.
        Nothing to do where it is the same object as before. Before a captured graph runs.
        """
        if stages is None:
            self._heard = None
            for place in self._places:
                place.key = place.value = place.factor = None
            return
        if stages is self._heard:
            return
        pair = torch.stack((stages, stages if silence is None else silence))
        pair = pair.to(self.gated[0].gate_adapter)
        for place, layer in zip(self._places, self.gated, strict=True):
            key, value = layer.keys_values(pair[:, place.stage])
            if place.key is not None and place.value is not None and place.key.shape == key.shape:
                place.key.copy_(key)
                place.value.copy_(value)
            else:
                place.key, place.value = key.contiguous(), value.contiguous()
        self._heard = stages
        self.weigh(self._strength)

    @torch.no_grad()
    def weigh(self, strength: float) -> None:
        """How loud the sound is from now on; 0 is the plain U-Net, to the last bit."""
        self._strength = strength
        for place, layer in zip(self._places, self.gated, strict=True):
            factor = strength * torch.tanh(layer.gate_adapter)
            if place.factor is None:
                place.factor = factor
            else:
                place.factor.copy_(factor)

    def teach(self, stages: Tensor) -> None:
        """Have the next call hear `stages` `(b, 3, n, context_width)`, one sound per picture."""
        self._heard = None
        for place, layer in zip(self._places, self.gated, strict=True):
            place.key, place.value = layer.keys_values(stages[:, place.stage])
            place.factor = torch.tanh(layer.gate_adapter)

    def last_layers(self) -> list[nn.Module]:
        """What the last stage of training still moves."""
        return [layer.attn_adapter.to_out for layer in self.gated]

    def withdraw(self) -> None:
        """Leave the U-Net as it was."""
        for place in self._places:
            place.remove()


def audio_blocks(unet: Any, places: Sequence[str]) -> dict[str, Any]:
    """The blocks of a U-Net that may hear, by name. Raises `ModelLoadError`."""
    found = {
        name: block
        for name, block in unet.named_modules()
        if type(block).__name__ == "BasicTransformerBlock"
        and block.attn2 is not None
        and name.startswith(tuple(places))
    }
    if not found:
        raise ModelLoadError(
            f"this U-Net has no attention to a text in {', '.join(places)}: it cannot hear sound"
        )
    for name, block in found.items():
        if block.norm_type != "layer_norm" or block._chunk_size is not None:  # noqa: SLF001
            raise ModelLoadError(
                f"{name} of this U-Net is of another kind ({block.norm_type}, chunks "
                f"{block._chunk_size}): gated audio attention cannot stand there"  # noqa: SLF001
            )
    return found


def context_width(blocks: Mapping[str, Any]) -> int:
    """How wide the texts are that these blocks read. Raises `ModelLoadError`."""
    widths = {int(block.attn2.to_k.in_features) for block in blocks.values()}
    if len(widths) != 1:
        raise ModelLoadError(
            f"the blocks of this U-Net read texts of {sorted(widths)}: it cannot hear sound"
        )
    return widths.pop()


def stage_of(name: str, routing: str) -> int:
    """Which of early, middle and late a block is; U-Nets of other depths by where they are."""
    block = ".".join(name.split(".")[:2]) if not name.startswith("mid") else "mid_block"
    return _STAGE_OF[routing].get(block, _LATE if name.startswith("up") else _EARLY)
