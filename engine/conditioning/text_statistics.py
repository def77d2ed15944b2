"""How a text encoder writes: measured on a bank of prompts, for whatever writes in its stead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.conditioning.sound_embedding import SoundEmbedding, TargetSpec
from engine.messages import Float32

_STILL = 1e-3
"""A row that moves less than this share of its length, whatever is said, says nothing itself."""


@dataclass(frozen=True, slots=True)
class TextStatistics:
    """Rows of a bank of n prompts, and what they have in common."""

    tokens: Float32
    """`(n, tokens, width)`."""
    pooled: Float32 | None
    """`(n, pooled_width)`; None where the model has none."""
    mean: Float32
    """`(tokens, width)`."""
    spread: Float32
    """Standard deviation over the prompts, `(tokens, width)`."""
    lengths: Float32
    """Mean L2 norm of each row, `(tokens,)`."""
    kept: Float32
    """1 for rows that are the same in every prompt, as BOS is under a causal mask; `(tokens,)`."""

    @property
    def target(self) -> TargetSpec:
        """The prompt space."""
        pooled = 0 if self.pooled is None else self.pooled.shape[1]
        return TargetSpec(self.tokens.shape[1], self.tokens.shape[2], pooled)

    @property
    def low(self) -> float:
        """The least number of all; with CLIP it stands in the BOS row."""
        return float(self.tokens.min())

    @property
    def high(self) -> float:
        """The largest number of all."""
        return float(self.tokens.max())


def text_statistics(bank: Sequence[SoundEmbedding]) -> TextStatistics:
    """Measure embedded prompts, at least two."""
    if len(bank) < 2:
        raise ValueError(f"{len(bank)} prompts have no spread")
    tokens = np.stack([each.tokens for each in bank]).astype(np.float32)
    pooled = [each.pooled for each in bank if each.pooled is not None]
    spread = tokens.std(axis=0)
    lengths = np.linalg.norm(tokens, axis=2).mean(axis=0)
    still = np.linalg.norm(spread, axis=1) < _STILL * lengths
    return TextStatistics(
        tokens,
        np.stack(pooled).astype(np.float32) if len(pooled) == len(bank) else None,
        tokens.mean(axis=0),
        spread,
        lengths,
        still.astype(np.float32),
    )
