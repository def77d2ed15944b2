"""Quantised convolutions: int8 weights and uint8 maps, marked in the graph for other runtimes.

Nothing here is fast: torch rounds and goes on in float32, which shows what int8 does to a picture.
OpenVINO and ONNX Runtime see the rounding and put integer kernels in its place. A number r is
s (q - z), with one s and z for a map and one s for each output channel of the weights (Jacob et
al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference").
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

NARROW = 32
"""Convolutions with fewer channels on a side stay as they are: they cost little, and what comes
in and goes out of a network passes through them."""

AnyNetwork = TypeVar("AnyNetwork", bound=nn.Module)

_LEVELS = 255
_WEIGHT_LEVELS = 127


class QuantisedConv2d(nn.Module):
    """A convolution whose input and weights are rounded to 8 bits."""

    def __init__(self, layer: nn.Conv2d, low: float, high: float) -> None:
        super().__init__()
        self.layer = layer
        low, high = min(low, 0.0), max(high, 0.0)  # zero must be exact: it is the padding
        self.scale = max(high - low, 1e-6) / _LEVELS
        self.zero = round(-low / self.scale)
        peaks = layer.weight.detach().abs().amax(dim=(1, 2, 3))
        self.register_buffer("weight_scale", peaks.clamp_min(1e-8) / _WEIGHT_LEVELS)
        self.register_buffer("weight_zero", torch.zeros_like(peaks, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of the rounded input with the rounded weights."""
        x = torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, 0, _LEVELS)
        weight = torch.fake_quantize_per_channel_affine(
            self.layer.weight,
            self.weight_scale,  # type: ignore[arg-type]  # a buffer, which mypy takes for a module
            self.weight_zero,  # type: ignore[arg-type]
            0,
            -_WEIGHT_LEVELS - 1,
            _WEIGHT_LEVELS,
        )
        layer = self.layer
        return torch.nn.functional.conv2d(
            x, weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups
        )


def quantised(network: AnyNetwork, calls: Iterable[tuple[Tensor, ...]]) -> AnyNetwork:
    """Return a copy of a float32 network whose wide convolutions compute in 8 bits.

    The range of each map is the widest seen while the network answers `calls`.
    """
    network = copy.deepcopy(network)
    wide = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and min(layer.in_channels, layer.out_channels) >= NARROW
    }
    ranges = _ranges(network, wide, calls)
    for name, layer in wide.items():
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, QuantisedConv2d(layer, *ranges[name]))
    return network.eval()


def _ranges(
    network: nn.Module, layers: Mapping[str, nn.Module], calls: Iterable[tuple[Tensor, ...]]
) -> dict[str, tuple[float, float]]:
    seen = dict.fromkeys(layers, (0.0, 0.0))

    def watch(name: str, inputs: tuple[Tensor, ...]) -> None:
        low, high = seen[name]
        least, most = inputs[0].aminmax()
        seen[name] = (min(low, float(least)), max(high, float(most)))

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: watch(name, inputs))
        for name, layer in layers.items()
    ]
    with torch.no_grad():
        for inputs in calls:
            network(*inputs)
    for hook in hooks:
        hook.remove()
    return seen
