"""Matrices as int8 rows with a scale each: half the size of float16, a quarter of a per cent off.

What ships has to be small. A matrix `W` `(m, n)` is kept as `W` int8 and `W:scale` float16
`(m, 1)`, so that W = scale * int8; vectors and small matrices stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

SCALE = ":scale"
_LEAST = 4096
"""Elements from which on packing is worth it."""
_LARGEST = 127.0


def packed(tensors: Mapping[str, Tensor], but: Collection[str] = ()) -> dict[str, Tensor]:
    """Return tensors for a file: large matrices as int8 rows, the rest as float16.

    `but`: names of matrices whose columns are of very different size, which int8 would lose.
    """
    out: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dim() != 2 or tensor.numel() < _LEAST or name in but:
            out[name] = tensor.half()
            continue
        scale = (tensor.abs().amax(dim=1, keepdim=True) / _LARGEST).clamp_min(1e-7).half()
        out[name] = (tensor / scale.float()).round().clamp(-_LARGEST, _LARGEST).to(torch.int8)
        out[name + SCALE] = scale
    return out


def unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return float tensors of a file, packed or not."""
    return {
        name: tensor.float() * tensors[name + SCALE].float() if name + SCALE in tensors else tensor
        for name, tensor in tensors.items()
        if not name.endswith(SCALE)
    }
