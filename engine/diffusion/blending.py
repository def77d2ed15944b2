"""How prompts are mixed: one factor per prompt and token, so that whatever is linear mixes alike.

A blended token is sum_i c_i e_i. The factors need only the lengths of the tokens and their inner
products (the Gram matrix), so they are worked out beside the picture on a few hundred numbers; and
keys and values of cross-attention, linear in the tokens, are blended by the very same factors:
K(sum_i c_i e_i) = sum_i c_i K(e_i).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.messages import Float32

LERP, SLERP = 0, 1
"""Values of `prompt/blend`: along the chord, and along the arc."""

MOST_STRETCH = 4.0
"""A mean is stretched at most so much: two opposite tokens have no middle."""
_LEAST_ARC_COS = -0.99
"""Tokens further apart than this have no arc between them that is better than any other."""
_LEAST_SINE = 1e-4
_TINY = 1e-12

Float64 = NDArray[np.float64]


def gram(vectors: Sequence[Float32]) -> Float64:
    """Inner products `(p, p, n)` of the tokens of p prompts, each `(n, d)`."""
    stack = np.stack(vectors)
    products: Float64 = np.einsum("ind,jnd->ijn", stack, stack, optimize=True).astype(np.float64)
    return products


def factors(products: Float64, weights: Sequence[float], blend: int) -> Float32:
    """Return c_i per token, `(p, n)`, for weights that sum to 1.

    Either way the blended token is as long as the weighted mean of the parts' lengths: a plain
    average of two directions is shorter than both, which washes the picture out.
    """
    shares = np.asarray(weights, np.float64)
    found = _arc(products, shares) if blend == SLERP else _chord(products, shares)
    return found.astype(np.float32)


def _chord(products: Float64, shares: Float64) -> Float64:
    """Weighted mean, its length set back (as in scope's `blending.py`, per token)."""
    wanted = np.einsum("i,in->n", shares, _lengths(products))
    length = np.sqrt(np.maximum(np.einsum("i,ijn,j->n", shares, products, shares), _TINY))
    stretch = np.minimum(wanted / length, MOST_STRETCH)
    rows: Float64 = shares[:, None] * stretch
    return rows


def _arc(products: Float64, shares: Float64) -> Float64:
    """Slerp (Shoemake 1985) from token to token at constant angular speed.

    More than two are taken in turn, each with its share of the sum so far. So a third prompt comes
    and goes without a jump: at weight 0 it changes nothing.
    """
    count, tokens = len(shares), products.shape[-1]
    lengths = _lengths(products)
    rows = np.zeros((count, tokens))
    rows[0] = 1.0
    length, sum_so_far = lengths[0].copy(), shares[0]
    for place in range(1, count):
        sum_so_far += shares[place]
        t = shares[place] / max(sum_so_far, _TINY)
        cosine = np.einsum("in,in->n", rows, products[:, place]) / (length * lengths[place])
        here, there = _arc_shares(cosine.clip(-1.0, 1.0), t)
        longer = (1.0 - t) * length + t * lengths[place]
        rows *= here * longer / length
        rows[place] = there * longer / lengths[place]
        length = longer
    return rows


def _arc_shares(cosine: Float64, t: float) -> tuple[Float64, Float64]:
    """sin((1-t)θ)/sin θ and sin(tθ)/sin θ; (1-t) and t where there is no arc."""
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    bent = (sine > _LEAST_SINE) & (cosine > _LEAST_ARC_COS)
    divisor = np.where(bent, sine, 1.0)
    here = np.where(bent, np.sin((1.0 - t) * angle) / divisor, 1.0 - t)
    there = np.where(bent, np.sin(t * angle) / divisor, t)
    return here, there


def _lengths(products: Float64) -> Float64:
    """Lengths of the tokens, `(p, n)`, above zero."""
    lengths: Float64 = np.sqrt(np.einsum("iin->in", products).clip(_TINY))
    return lengths
