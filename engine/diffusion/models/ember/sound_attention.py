"""Gated attention to sound inside ember's U-Net: beside the words, never instead of them.

After every attention to the words, h <- h + f tanh(g) A(norm(h), rows of the sound), and the
vector for the whole prompt leans by f tanh(g) s (after SonicDiffusion's adapter for Stable
Diffusion, whose text attention stays as it is too). Gates of zero change nothing. It hangs on the
U-Net by hooks, so that the U-Net of whoever hears nothing is as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.conditioning.projector.projector_file import UNET, part_of
from engine.diffusion.models.ember.unet import FlowUNet, UNetConfig
from engine.errors import ModelLoadError

_HEAD_WIDTH = 32
INNER_WIDTH = 96


@dataclass(frozen=True, slots=True)
class SoundRows:
    """What the U-Net hears."""

    rows: Tensor
    """`(b, n, width)`, b 1 or that of the pictures."""
    pooled: Tensor
    """`(b, width)`."""
    amount: Tensor
    """f, `(n,)`, one for each picture, those beyond the last picture unused; 0 is silence."""


class SoundAttention(nn.Module):
    """Picture cells ask the rows of the sound, through a bottleneck."""

    def __init__(self, width: int, text_width: int, inner_width: int = INNER_WIDTH) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, inner_width, bias=False)
        self.key_value = nn.Linear(text_width, 2 * inner_width, bias=False)
        self.out = nn.Linear(inner_width, width)
        self.gate = nn.Parameter(torch.zeros(1))
        self.heads = inner_width // _HEAD_WIDTH

    def forward(self, x: Tensor, sound: SoundRows) -> Tensor:
        """`(b, c, h, w)` -> what is to be added to it."""
        b, c, height, width = x.shape
        cells = self.norm(x.permute(0, 2, 3, 1).reshape(b, height * width, c))
        rows = sound.rows.to(x.dtype).expand(b, -1, -1)
        key, value = (self._split(part) for part in self.key_value(rows).chunk(2, dim=2))
        h = F.scaled_dot_product_attention(self._split(self.query(cells)), key, value)
        h = self.out(h.transpose(1, 2).reshape(b, height * width, -1))
        loud = (sound.amount[:b].to(x.dtype) * torch.tanh(self.gate)).view(-1, 1, 1, 1)
        added: Tensor = loud * h.reshape(b, height, width, c).permute(0, 3, 1, 2)
        return added

    def _split(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        return x.reshape(b, n, self.heads, c // self.heads).transpose(1, 2)


class SoundEar(nn.Module):
    """All gated attentions of one U-Net, and the gate of the vector for the whole prompt."""

    def __init__(self, config: UNetConfig, inner_width: int = INNER_WIDTH) -> None:
        super().__init__()
        blocks = {"down.1": config.blocks_down[1], "middle": config.blocks_middle,
                  "up.1": config.blocks_up[1]}  # fmt: skip
        widths = {"down.1": config.widths[1], "middle": config.widths[2], "up.1": config.widths[1]}
        self.places = tuple(
            f"{level}.attention.{index}" for level, n in blocks.items() for index in range(n)
        )
        self.attention = nn.ModuleList(
            SoundAttention(widths[level], config.text_width, inner_width)
            for level, n in blocks.items()
            for _ in range(n)
        )
        self.pooled_gate = nn.Parameter(torch.zeros(1))
        self._sound: SoundRows | None = None
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def attach(self, unet: FlowUNet) -> None:
        """Have the U-Net hear from now on what `hear` says."""
        for place, attention in zip(self.places, self.attention, strict=True):

            def add(
                module: nn.Module,
                given: tuple[Tensor, ...],
                out: Tensor,
                attention: nn.Module = attention,
            ) -> Tensor:
                if self._sound is None:
                    return out
                heard: Tensor = out + attention(out, self._sound)
                return heard

            self._handles.append(unet.get_submodule(place).register_forward_hook(add))

    def detach(self) -> None:
        """Leave the U-Net as it was; idempotent."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def hear(self, sound: SoundRows | None) -> None:
        """What the next calls hear; None: nothing, which costs nothing."""
        self._sound = sound

    def leaning(self, pooled: Tensor) -> Tensor:
        """The vector for the whole prompt, `(b, width)`, with the sound in it."""
        if self._sound is None:
            return pooled
        amount = self._sound.amount[: len(pooled)].view(-1, 1).to(pooled.dtype)
        return pooled + amount * torch.tanh(self.pooled_gate) * self._sound.pooled.to(pooled.dtype)


def open_ear(file: Path, unet: FlowUNet, device: torch.device, dtype: torch.dtype) -> SoundEar:
    """Attach the attention of an adapter's file to a U-Net.

    Raises `ModelLoadError` where the file has none for ember, with the U-Net as it was.
    """
    tensors = part_of(file, UNET)
    name = "attention.0.key_value.weight"
    try:
        ear = SoundEar(unet.config, tensors[name].shape[0] // 2)
        ear.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ModelLoadError(
            f"{file} has no attention for ember ({reason}): choose the one that ships, or train "
            "one with 'sonolume train sights'"
        ) from error
    ear.to(device, dtype).eval().requires_grad_(False)
    ear.attach(unet)
    return ear
