"""The judge's network: a small residual classifier whose pooled features measure likeness.

Layout after "Deep Residual Learning" (He et al. 2016), with average pooling on the skip path.
About 1 M parameters and 0.3 GFLOP per picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INPUT_PX = 128
"""Side of the square pictures that it sees."""


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """What it can tell apart, and how wide it is.

    `styles` is empty where it was trained on pictures without styles. `widths` are the channels
    at 64x64, 32x32, 16x16 and 8x8; the last is the number of features.
    """

    scenes: tuple[str, ...]
    styles: tuple[str, ...] = ()
    widths: tuple[int, int, int, int] = (24, 48, 96, 144)


class JudgeNetwork(nn.Module):
    """Pictures `(b, 3, 128, 128)` in [-1, 1] to features and class scores."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        w = config.widths
        self.stem = nn.Conv2d(3, w[0], 5, stride=2, padding=2, bias=False)
        self.stem_norm = nn.BatchNorm2d(w[0])
        self.blocks = nn.Sequential(
            _Block(w[0], w[1], stride=2),
            _Block(w[1], w[2], stride=2),
            _Block(w[2], w[2], stride=1),
            _Block(w[2], w[3], stride=2),
            _Block(w[3], w[3], stride=1),
        )
        self.scene_head = nn.Linear(w[3], len(config.scenes))
        self.style_head = nn.Linear(w[3], len(config.styles)) if config.styles else None

    def features(self, pictures: Tensor) -> Tensor:
        """Return `(b, widths[-1])`, all at least 0: what both heads read."""
        x = F.relu(self.stem_norm(self.stem(pictures)))
        pooled: Tensor = self.blocks(x).mean(dim=(2, 3))
        return pooled

    def scores(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits `(b, scenes)` and `(b, styles)`, the latter None without styles."""
        style = None if self.style_head is None else self.style_head(features)
        return self.scene_head(features), style

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return `scores` of the pictures' features."""
        return self.scores(self.features(pictures))


class _Block(nn.Module):
    """Two 3x3 convolutions beside a skip path."""

    def __init__(self, in_width: int, out_width: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, out_width, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_width)
        self.conv2 = nn.Conv2d(out_width, out_width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_width)
        self.stride = stride
        self.skip = nn.Conv2d(in_width, out_width, 1) if in_width != out_width else None

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.norm1(self.conv1(x)))
        h = self.norm2(self.conv2(h))
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride)
        if self.skip is not None:
            x = self.skip(x)
        return F.relu(h + x)


@torch.no_grad()
def count_parameters(network: nn.Module) -> int:
    """Trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())
