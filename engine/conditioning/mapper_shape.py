"""What a mapper is built from, and which part of a prompt space it speaks; no torch.

A prompt is rows of numbers, `(tokens, width)`, and for some models one vector more. A mapper
writes *blocks* of the rows and leaves zeros elsewhere: all rows for most models, none for V2D's
first way into SD 3 (zeros and a pooled vector), the first twenty of each of SD 3's three text
encoders for its second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from engine.conditioning.mapper_names import NETWORKS, SEQUENCE, SMALL, WIDE
from engine.conditioning.sound_embedding import TargetSpec
from engine.errors import LimitError

PUBLISHED_HIDDEN, WIDE_HIDDEN, SMALL_HIDDEN = (512, 1024, 1024), (512, 1024, 4096), (256, 64)
SEQUENCE_PATCHES = 10
SD3_TOKENS, SD3_WIDTH, SD3_POOLED = 77 + 256, 4096, 768 + 1280
_BOTTLENECK, _LARGEST_FLAT = 128, 8192


class Block(NamedTuple):
    """A rectangle of the rows of a prompt."""

    row: int
    rows: int
    column: int
    columns: int


@dataclass(frozen=True, slots=True)
class MapperShape:
    """Everything its network is built from, beside the widths of both sides."""

    network: str
    """One of `NETWORKS`."""
    blocks: tuple[Block, ...]
    """What of the rows is written, zeros elsewhere."""
    patches: int = 0
    """How many vectors of a sound, one after the other, it wants; 0: one for the whole."""
    unit: bool = False
    """Whether the vectors are directions, of length 1 again after the gap was taken off."""

    def settings(self) -> dict[str, Any]:
        """As `AdapterCard.settings` keeps it."""
        return asdict(self) | {"blocks": [list(block) for block in self.blocks]}

    def flat_width(self, target: TargetSpec) -> int:
        """How many numbers it writes, the pooled vector's last."""
        return sum(block.rows * block.columns for block in self.blocks) + target.pooled_width

    def hidden(self, flat_width: int) -> tuple[int, ...]:
        """Hidden widths; long prompts pass a narrow place more, for they span few directions."""
        if self.network == SMALL:
            return SMALL_HIDDEN
        widths = WIDE_HIDDEN if self.network == WIDE else PUBLISHED_HIDDEN
        return widths if flat_width <= _LARGEST_FLAT else (*widths, _BOTTLENECK)


def shape_of(settings: Mapping[str, Any]) -> MapperShape:
    """Read `MapperShape.settings`. Raises `ValueError`, `TypeError` or `KeyError`."""
    blocks = tuple(Block(*(int(n) for n in block)) for block in settings["blocks"])
    shape = MapperShape(**{**settings, "blocks": blocks})
    if shape.network not in NETWORKS:
        raise ValueError(shape.network)
    return shape


def default_shape(network: str, target: TargetSpec, encoder: str) -> MapperShape:
    """Return what a network speaks of a model's prompt space unless told otherwise.

    SD 3 as V2D has it: its pooled mappers write the pooled vector alone, its sequence model
    twenty tokens of each text encoder too; every other model is written whole. Raises
    `LimitError` for a sequence where there is none: CLAP gives ten seconds one vector.
    """
    if network == SEQUENCE and encoder == "clap":
        raise LimitError(
            "CLAP hears ten seconds at once: there is no sequence; choose --encoder vggish or "
            "ear, or another --network"
        )
    patches = SEQUENCE_PATCHES if network == SEQUENCE else 0
    if target == TargetSpec(SD3_TOKENS, SD3_WIDTH, SD3_POOLED):
        blocks = sd3_blocks() if network == SEQUENCE else ()
    else:
        blocks = (Block(0, target.tokens, 0, target.width),)
    return MapperShape(network, blocks, patches, unit=encoder == "clap")


def sd3_blocks(
    tokens: int = 20, widths: tuple[int, int, int] = (768, 1280, 4096), clip_tokens: int = 77
) -> tuple[Block, ...]:
    """Where the first `tokens` of CLIP-L, CLIP-G and T5 stand in SD 3's rows.

    `[CLIP-L | CLIP-G | 0]` in the first 77 rows, T5's behind them (Esser et al. 2024, B.3).
    """
    clip_l, clip_g, t5 = widths
    return (
        Block(0, tokens, 0, clip_l),
        Block(0, tokens, clip_l, clip_g),
        Block(clip_tokens, tokens, 0, t5),
    )
