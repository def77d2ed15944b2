"""What a LoRA adds to the weights of one layer, and how it is built from the tensors of a file.

LoRA (Hu et al. 2021): W + s alpha/r B A, `up` = B and `down` = A. LoHa (Hyeon-Woo et al. 2022):
(w1_a w1_b) * (w2_a w2_b), element by element. LoKr (LyCORIS): the Kronecker product of w1 and w2.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.diffusion.lora_file import LoraFile


class Misfit(Exception):  # noqa: N818 - never leaves the planning of a LoRA
    """Why the tensors of one layer cannot be used; one line, without the file's name."""


class Change(Protocol):
    """What one LoRA does to one layer, at weight 1. Diffusion thread only."""

    @property
    def n_bytes(self) -> int:
        """Memory it holds."""
        ...

    def to(self, device: torch.device) -> Change:
        """Return it on another device."""
        ...

    def add_to(self, matrix: Tensor, weight: float) -> None:
        """Add `weight` times the change to `matrix`, float32, laid out as `as_matrix` does."""
        ...


def as_matrix(weight: Tensor) -> Tensor:
    """Return a view `(out, everything else)` of a layer's weight in the order of its memory."""
    if weight.dim() == 4 and not weight.is_contiguous():
        weight = weight.permute(0, 2, 3, 1)  # channels_last
    return weight.view(weight.shape[0], -1)


@dataclass(frozen=True, slots=True)
class LowRank:
    """`up @ down`, alpha / rank inside `up`; `(out, r)` and `(r, everything else)`, float32."""

    up: Tensor
    down: Tensor

    @property
    def n_bytes(self) -> int:
        """Memory it holds."""
        return self.up.nbytes + self.down.nbytes

    def to(self, device: torch.device) -> LowRank:
        """Return it on another device."""
        return LowRank(self.up.to(device), self.down.to(device))

    def add_to(self, matrix: Tensor, weight: float) -> None:
        """See `Change`: one matrix product that ends in the weights, nothing in between."""
        matrix.addmm_(self.up, self.down, alpha=weight)


@dataclass(frozen=True, slots=True)
class Product:
    """LoHa and LoKr: small factors whose product is made anew for every change of weight."""

    first: tuple[Tensor, ...]
    """One matrix, or the two it is the product of."""
    second: tuple[Tensor, ...]
    shape: tuple[int, ...]
    """Of the layer's weight."""
    scale: float
    kronecker: bool
    channels_last: bool

    @property
    def n_bytes(self) -> int:
        """Memory it holds."""
        return sum(factor.nbytes for factor in (*self.first, *self.second))

    def to(self, device: torch.device) -> Product:
        """Return it on another device."""
        first, second = (tuple(f.to(device) for f in part) for part in (self.first, self.second))
        return Product(first, second, self.shape, self.scale, self.kronecker, self.channels_last)

    def add_to(self, matrix: Tensor, weight: float) -> None:
        """See `Change`; takes memory of the layer's size for the moment."""
        first, second = _whole(self.first), _whole(self.second)
        if self.kronecker:
            whole = torch.kron(first.reshape(*first.shape[:2], *[1] * (second.dim() - 2)), second)
        else:
            whole = first * second
        whole = whole.reshape(self.shape)
        if self.channels_last:
            whole = whole.permute(0, 2, 3, 1)
        matrix.add_(whole.reshape(matrix.shape), alpha=weight * self.scale)


def build_change(
    pieces: Mapping[str, Tensor], weight: Tensor, file: LoraFile, component: str, layer: str
) -> Change:
    """Return the change of a layer with this `weight`, on the CPU. Raises `Misfit`.

    `pieces` are the layer's tensors by part (`lora_keys.LoraKey`).
    """
    kinds = {part.split("_")[0] for part in pieces if part != "alpha"} or {"nothing but alpha"}
    if kinds <= {"up", "down", "mid"}:
        return _low_rank(pieces, weight, file, component, layer)
    if kinds == {"hada"}:
        return _hadamard(pieces, weight, file, component, layer)
    if kinds == {"lokr"}:
        return _kronecker(pieces, weight, file, component, layer)
    raise Misfit(f"{layer} is given as {' and '.join(sorted(kinds))}")


def _low_rank(
    pieces: Mapping[str, Tensor], weight: Tensor, file: LoraFile, component: str, layer: str
) -> LowRank:
    up, down = _part(pieces, "up", layer), _part(pieces, "down", layer)
    if up.dim() not in (2, 4) or down.dim() not in (2, 4) or up[0, 0].numel() != 1:
        raise Misfit(f"{layer} has factors {_sizes(up)} and {_sizes(down)}")
    up = up.reshape(up.shape[0], -1)
    rank = int(down.shape[0])
    if "mid" in pieces:  # a convolution cut into three: the last two are one of low rank
        mid, inner = pieces["mid"], down.reshape(rank, -1)
        if mid.dim() != 4 or mid.shape[:2] != (up.shape[1], rank):
            raise Misfit(f"{layer} has a middle {_sizes(mid)} for rank {rank}")
        down = torch.einsum("mnhw,ni->mihw", mid, inner)
    if up.shape[1] != down.shape[0]:
        raise Misfit(f"{layer} has ranks {up.shape[1]} and {down.shape[0]}")
    down = _fitting(down, (down.shape[0], *weight.shape[1:]), weight, layer, up.shape[0])
    scale = _scale(pieces, rank, file, component, layer)
    return LowRank((up * scale).contiguous(), _in_order(down, weight))


def _hadamard(
    pieces: Mapping[str, Tensor], weight: Tensor, file: LoraFile, component: str, layer: str
) -> Product:
    first, second = (
        tuple(_part(pieces, f"hada_w{k}_{half}", layer) for half in "ab") for k in (1, 2)
    )
    for a, b in (first, second):
        if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0]:
            raise Misfit(f"{layer} has factors {_sizes(a)} and {_sizes(b)}")
        if (a.shape[0], b.shape[1]) != tuple(as_matrix(weight).shape):
            raise Misfit(_unlike(layer, (a.shape[0], b.shape[1]), weight))
    scale = _scale(pieces, int(first[1].shape[0]), file, component, layer)
    shape, last = tuple(weight.shape), _is_channels_last(weight)
    return Product(first, second, shape, scale, kronecker=False, channels_last=last)


def _kronecker(
    pieces: Mapping[str, Tensor], weight: Tensor, file: LoraFile, component: str, layer: str
) -> Product:
    parts: list[tuple[Tensor, ...]] = []
    rank = 0
    for k in (1, 2):
        if f"lokr_w{k}" in pieces:
            parts.append((pieces[f"lokr_w{k}"],))
            continue
        a, b = (_part(pieces, f"lokr_w{k}_{half}", layer) for half in "ab")
        rank = int(b.shape[0])
        if a.dim() != 2 or a.shape[1] != rank:
            raise Misfit(f"{layer} has factors {_sizes(a)} and {_sizes(b)}")
        # The product of a convolution's second matrix is `(out, in * h * w)`, or already apart.
        parts.append((a, b.reshape(rank, -1)))
    first, second = parts
    if rank and weight.dim() == 4 and len(second) == 2:
        sides = (second[0].shape[0], -1, *weight.shape[2:])
        if second[1].shape[1] % math.prod(weight.shape[2:]):
            raise Misfit(_unlike(layer, tuple(_whole(second).shape), weight))
        second = (_whole(second).reshape(sides),)
    whole = _whole(second)
    made = (
        _whole(first).shape[0] * whole.shape[0],
        _whole(first).shape[1] * whole.shape[1:].numel(),
    )
    if made != tuple(as_matrix(weight).shape) or _whole(first).dim() != 2:
        raise Misfit(_unlike(layer, made, weight))
    if weight.dim() == 4 and whole.dim() == 2:  # 1x1
        second = (whole[:, :, None, None],)
    # LyCORIS knows no alpha where both matrices are whole.
    scale = _scale(pieces, rank, file, component, layer) if rank else 1.0
    shape, last = tuple(weight.shape), _is_channels_last(weight)
    return Product(first, second, shape, scale, kronecker=True, channels_last=last)


def _scale(
    pieces: Mapping[str, Tensor], rank: int, file: LoraFile, component: str, layer: str
) -> float:
    """Its alpha / rank; a file that is silent about alpha means alpha = rank, as trainers do."""
    if "alpha" in pieces:
        if pieces["alpha"].numel() != 1:
            raise Misfit(f"{layer} has {pieces['alpha'].numel()} alphas")
        return float(pieces["alpha"]) / rank
    settings = dict(file.config)
    packed = file.metadata.get("lora_adapter_metadata")  # diffusers since 0.34
    if packed:
        try:
            notes: dict[str, Any] = json.loads(packed)
        except ValueError as error:
            raise Misfit("its note lora_adapter_metadata is damaged") from error
        own = f"{component}."
        settings |= {k.removeprefix(own): v for k, v in notes.items() if k.startswith(own)}
    if "lora_alpha" not in settings:
        return 1.0
    alpha = float(settings["lora_alpha"])
    for pattern, value in (settings.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*_)?({pattern.replace('.', '_')})", layer):
            alpha = float(value)
    return alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)


def _fitting(
    down: Tensor, wanted: tuple[int, ...], weight: Tensor, layer: str, outputs: int
) -> Tensor:
    """Return `down` in the dimensions of the layer; a 1x1 convolution is a matrix."""
    size = (outputs, *down.shape[1:])
    plain = down.shape[2:].numel() == 1 and math.prod(wanted[2:]) == 1
    if outputs != weight.shape[0] or down.shape[1] != wanted[1]:
        raise Misfit(_unlike(layer, size, weight))
    if not plain and down.shape != wanted:
        raise Misfit(_unlike(layer, size, weight))
    return down.reshape(wanted)


def _in_order(down: Tensor, weight: Tensor) -> Tensor:
    """`down` as a matrix whose columns are in the order of the weight's memory."""
    if _is_channels_last(weight):
        down = down.permute(0, 2, 3, 1)
    return down.reshape(down.shape[0], -1).contiguous()


def _is_channels_last(weight: Tensor) -> bool:
    return weight.dim() == 4 and not weight.is_contiguous()


def _whole(factors: tuple[Tensor, ...]) -> Tensor:
    return factors[0] if len(factors) == 1 else factors[0] @ factors[1]


def _part(pieces: Mapping[str, Tensor], name: str, layer: str) -> Tensor:
    if name not in pieces:
        raise Misfit(f"{layer} lacks its half '{name}'")
    return pieces[name]


def _sizes(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape)


def _unlike(layer: str, made: tuple[int, ...], weight: Tensor) -> str:
    return f"{layer} is {'x'.join(map(str, made))} there and {_sizes(weight)} in the model"
