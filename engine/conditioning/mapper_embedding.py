"""`EmbeddingMapper`: a sound's vector into any model's prompt space, by any of the networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.conditioning import mapper_names
from engine.conditioning.mapper_networks import (
    MultiOutputTransformer,
    ResidualMapper,
    TransformationNetwork,
)
from engine.conditioning.mapper_shape import MapperShape
from engine.conditioning.sound_embedding import TargetSpec


class EmbeddingMapper(nn.Module):
    """A network between two scalings: of what is heard, and of what prompts are like.

    What never changes between prompts (a text encoder's first row) is written exactly: its scale
    is 0. With the scalings as they begin, 0 and 1, a published network answers as it did.
    """

    def __init__(self, input_width: int, target: TargetSpec, shape: MapperShape) -> None:
        super().__init__()
        flat = shape.flat_width(target)
        self.target, self.shape = target, shape
        self.network = _network(input_width, target, shape)
        self.gap: Tensor
        self.input_mean: Tensor
        self.input_scale: Tensor
        self.output_mean: Tensor
        self.output_scale: Tensor
        self.register_buffer("gap", torch.zeros(input_width))
        self.register_buffer("input_mean", torch.zeros(input_width))
        self.register_buffer("input_scale", torch.ones(input_width))
        self.register_buffer("output_mean", torch.zeros(flat))
        self.register_buffer("output_scale", torch.ones(flat))

    def forward(self, heard: Tensor) -> Tensor:
        """`(n, input_width)`, or `(n, patches, input_width)`, to `(n, flat)`."""
        found = self.network((heard - self.input_mean) / self.input_scale)
        if self.shape.patches:
            rows = found if not self.target.pooled_width else found[:-1]
            parts = [row.flatten(1) for row in rows]
            if self.target.pooled_width:
                parts.append(found[-1].mean(dim=1))
            found = torch.cat(parts, dim=1)
        out: Tensor = self.output_mean + self.output_scale * found
        return out

    def bridged(self, heard: Tensor) -> Tensor:
        """Move vectors of sounds to where those of texts lie, for mappers that learned from texts.

        Less the mean difference between the two (Liang et al. 2022, "Mind the gap").
        """
        moved = heard - self.gap
        return nn.functional.normalize(moved, dim=-1) if self.shape.unit else moved

    def flat(self, tokens: Tensor, pooled: Tensor | None) -> Tensor:
        """Cut `(n, tokens, width)` and `(n, pooled_width)` to what is written, `(n, flat)`."""
        parts = [
            tokens[:, b.row : b.row + b.rows, b.column : b.column + b.columns].flatten(1)
            for b in self.shape.blocks
        ]
        if self.target.pooled_width:
            if pooled is None:
                raise ValueError(f"no pooled vector, but {self.target} has one")
            parts.append(pooled)
        return torch.cat(parts, dim=1)

    def prompts(self, flat: Tensor) -> tuple[Tensor, Tensor | None]:
        """`(n, flat)` as rows `(n, tokens, width)`, zeros where none is written, and pooled."""
        tokens = flat.new_zeros(len(flat), self.target.tokens, self.target.width)
        place = 0
        for b in self.shape.blocks:
            size = b.rows * b.columns
            block = flat[:, place : place + size].view(-1, b.rows, b.columns)
            tokens[:, b.row : b.row + b.rows, b.column : b.column + b.columns] = block
            place += size
        return tokens, flat[:, place:] if self.target.pooled_width else None


def _network(input_width: int, target: TargetSpec, shape: MapperShape) -> nn.Module:
    flat = shape.flat_width(target)
    match shape.network:
        case mapper_names.LINEAR:
            return nn.Linear(input_width, flat)
        case mapper_names.RESIDUAL:
            return ResidualMapper(input_width, flat)
        case mapper_names.SEQUENCE:
            rows = {block.rows for block in shape.blocks}
            if len(rows) != 1:
                raise ValueError(f"a sequence writes blocks of one height, not {sorted(rows)}")
            heads = [block.columns for block in shape.blocks]
            heads += [target.pooled_width] if target.pooled_width else []
            return MultiOutputTransformer(shape.patches, input_width, rows.pop(), heads)
        case _:
            return TransformationNetwork(input_width, flat, shape.hidden(flat))
