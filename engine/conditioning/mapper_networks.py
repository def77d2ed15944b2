"""Networks from a sound's vector into a prompt space, with the published counts and names.

`TransformationNetwork`, `ResidualMapper` and `MultiOutputTransformer` are V2D's, written from the
counts and key names of its notebooks (SomanGaurav/Audio-to-Image-Generation; it has no licence, so
no line of it is here).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.conditioning.mapper_shape import PUBLISHED_HIDDEN

_DROPS = (0.3, 0.3, 0.4)
HEAD_WIDTHS = (768, 1280, 4096)
"""CLIP-L, CLIP-G and T5 of SD 3."""


class TransformationNetwork(nn.Module):
    """V2D's pooled mapper: `(n, 128)` to `(n, 2048)`, 3,745,280 parameters as published."""

    def __init__(
        self, input_width: int = 128, output_width: int = 2048,
        hidden: Sequence[int] = PUBLISHED_HIDDEN,
    ) -> None:  # fmt: skip
        super().__init__()
        layers: list[nn.Module] = []
        width = input_width
        for index, wanted in enumerate(hidden):
            drop = _DROPS[index] if index < len(_DROPS) else 0.0
            layers += [nn.Linear(width, wanted), nn.GELU(), nn.LayerNorm(wanted), nn.Dropout(drop)]
            width = wanted
        self.layers = nn.Sequential(*layers, nn.Linear(width, output_width))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, input_width)` to `(n, output_width)`."""
        out: Tensor = self.layers(x)
        return out


class _Block(nn.Module):
    """A residual layer: twice as wide inside, normalised after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x + self.outer(nn.functional.gelu(self.inner(x))))
        return out


class ResidualMapper(nn.Module):
    """V2D's residual mapper: 128-512-[Block x2]-1024-[Block]-2048-LN, 8,996,352 parameters."""

    def __init__(self, input_width: int = 128, output_width: int = 2048) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(input_width, 512), _Block(512), _Block(512),
            nn.Linear(512, 1024), _Block(1024), nn.Linear(1024, output_width),
        )  # fmt: skip
        self.norm = nn.LayerNorm(output_width)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, input_width)` to `(n, output_width)`."""
        out: Tensor = self.norm(self.layers(x))
        return out


class MultiOutputTransformer(nn.Module):
    """V2D's sequence model: the patches of a sound to the first tokens of several text encoders.

    11,629,276 parameters for 10 patches of 128 to 20 tokens each of SD 3's three encoders.
    """

    def __init__(
        self, patches: int = 10, input_width: int = 128, tokens: int = 20,
        head_widths: Sequence[int] = HEAD_WIDTHS, *, width: int = 512, layers: int = 4,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input = nn.Linear(input_width, width)
        layer = nn.TransformerEncoderLayer(width, 8, 2 * width, 0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.time = nn.Linear(patches, tokens)
        self.heads = nn.ModuleList(nn.Linear(width, head) for head in head_widths)
        self.register_buffer("position", sinusoids(patches, width), persistent=False)
        self.position: Tensor

    def forward(self, x: Tensor) -> list[Tensor]:
        """`(n, patches, input_width)` to one `(n, tokens, head)` per head."""
        found = self.encoder(self.input(x) + self.position)
        rows = self.time(found.transpose(1, 2)).transpose(1, 2)
        return [head(rows) for head in self.heads]


def sinusoids(count: int, width: int) -> Tensor:
    """Positions of Vaswani et al. 2017, `(count, width)`."""
    place = torch.arange(count, dtype=torch.float32)[:, None]
    turn = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    table = torch.zeros(count, width)
    table[:, 0::2], table[:, 1::2] = torch.sin(place * turn), torch.cos(place * turn)
    return table
