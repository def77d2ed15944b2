"""The embedded listener's network in torch, to be trained; `engine.semantic.network` runs it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.semantic.log_mel import BANDS
from engine.semantic.network import BLOCKS, HEAD, STEM


class TrainableListener(nn.Module):
    """Levels `(n, frames, BANDS)` in [0, 1] -> unit directions `(n, width)`."""

    def __init__(self, width: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = _Convolution(1, STEM, 3, 2)
        depths, points, channels, bands = [], [], STEM, BANDS // 2
        for wide, stride in BLOCKS:
            depths.append(_Convolution(channels, channels, 3, stride, channels))
            points.append(_Convolution(channels, wide, 1, 1))
            channels, bands = wide, (bands - 1) // stride + 1
        self.depths, self.points = nn.ModuleList(depths), nn.ModuleList(points)
        self.head = nn.Linear(channels * bands, HEAD)
        self.out = nn.Linear(2 * HEAD, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, levels: Tensor) -> Tensor:
        """Return unit directions."""
        x = self.stem(levels.transpose(1, 2)[:, None])
        for depth, point in zip(self.depths, self.points, strict=True):
            y = point(depth(x))
            x = y + x if y.shape == x.shape else y
        frames = F.relu(self.head(x.flatten(1, 2).transpose(1, 2)))
        pooled = torch.cat([frames.mean(dim=1), frames.amax(dim=1)], dim=1)
        return F.normalize(self.out(self.dropout(pooled)), dim=1)


class _Convolution(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inside: int, outside: int, size: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.weight = nn.Conv2d(
            inside, outside, size, stride, size // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.weight(x)))

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of one convolution that does the same in evaluation."""
        variance, mean = self.norm.running_var, self.norm.running_mean
        assert variance is not None
        assert mean is not None
        gain = self.norm.weight / (variance + self.norm.eps).sqrt()
        return self.weight.weight * gain[:, None, None, None], self.norm.bias - mean * gain


@torch.no_grad()
def folded(network: TrainableListener) -> dict[str, Tensor]:
    """Return the tensors that `engine.semantic.network.ListenerNetwork` reads, float32."""
    parts = {"stem": network.stem.folded()}
    for index, depth in enumerate(network.depths):
        parts[f"depth{index}"] = depth.folded()  # type: ignore[operator]
    for index, point in enumerate(network.points):
        weight, bias = point.folded()  # type: ignore[operator]
        parts[f"point{index}"] = weight.flatten(1), bias
    for name, layer in (("head", network.head), ("out", network.out)):
        parts[name] = layer.weight, layer.bias
    named = {f"{name}.weight": weight for name, (weight, _) in parts.items()}
    named |= {f"{name}.bias": bias for name, (_, bias) in parts.items()}
    return {name: tensor.detach().clone().contiguous() for name, tensor in named.items()}


def count_parameters(network: TrainableListener) -> int:
    """Parameters after folding."""
    return sum(tensor.numel() for tensor in folded(network).values())
