"""Embeddings of sound bent by loudness, and mixed with one another."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from engine.conditioning.sound_embedding import SoundEmbedding
from engine.messages import Float32

BEND = 0.8
"""Of Sound-Diffusion's network bending: z += 0.8 RMS, in deviations of z."""
MOST_STRETCH = 4.0
"""A mean is stretched at most so much: two opposite rows have no middle."""
_TINY = 1e-6


def bent(embedding: SoundEmbedding, rms: float, amount: float) -> SoundEmbedding:
    """Push every number by `BEND` x RMS of the sound x `amount`, in deviations of them all.

    Sound-Diffusion pushes latents, all upwards. A network that normalises what it attends to, as
    ember does, takes a push that all channels share away again; so each has a sign of its own.
    """
    if amount == 0.0:
        return embedding
    push = BEND * rms * amount
    tokens, pooled = embedding.tokens, embedding.pooled
    if pooled is not None:
        pooled = pooled + np.float32(push) * pooled.std() * fixed_signs(1, len(pooled))[0]
    pushed = tokens + np.float32(push) * tokens.std() * fixed_signs(*tokens.shape)
    return SoundEmbedding(pushed, pooled)


@lru_cache(maxsize=8)
def fixed_signs(rows: int, width: int) -> Float32:
    """+1 and -1, `(rows, width)`: the same for ever."""
    bits = np.random.default_rng(1_341).integers(0, 2, (rows, width))
    return (2 * bits - 1).astype(np.float32)


def mixed(parts: Sequence[SoundEmbedding], shares: Sequence[float]) -> SoundEmbedding:
    """sum_i s_i E_i, each row as long as the parts' rows are on average; shares sum to 1."""
    if len(parts) == 1:
        return parts[0]
    pooled = [each.pooled for each in parts if each.pooled is not None]
    return SoundEmbedding(
        _mean([each.tokens for each in parts], shares),
        _mean(pooled, shares) if len(pooled) == len(parts) else None,
    )


def _mean(rows: Sequence[Float32], shares: Sequence[float]) -> Float32:
    """Weighted mean `(..., width)`, lengths set back."""
    stack = np.stack(rows)
    weights = np.asarray(shares, np.float32)
    mean = np.tensordot(weights, stack, 1)
    wanted = np.tensordot(weights, np.linalg.norm(stack, axis=-1), 1)
    stretch = np.minimum(wanted / (np.linalg.norm(mean, axis=-1) + _TINY), MOST_STRETCH)
    return np.asarray(mean * stretch[..., None], np.float32)
