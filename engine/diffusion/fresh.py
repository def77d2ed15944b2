"""A picture from nothing: a few calls, each from noise of its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from engine.diffusion.bundle import Bundle, PromptEmbedding

_SECOND, _LAST = 0.75, 0.5
"""Strength of the second call, and of the last where there are more than two.

Scenes named of 272, mean of two seeds (`sonolume bench ember --quality`): two calls with the noise
of the first, at 0.5, 82.5 %; with new noise at 0.6 or 0.75, 84.8; four with new noise, 86.
"""


def strengths(calls: int) -> tuple[float, ...]:
    """Strength of every call, falling: pure noise first, then equal steps down to a half."""
    if calls < 3:
        return (1.0, _SECOND)[:calls]
    step = (_SECOND - _LAST) / (calls - 2)
    return (1.0, *(_SECOND - k * step for k in range(calls - 1)))


def paint_fresh(
    bundle: Bundle, noises: Sequence[Tensor], prompt: PromptEmbedding, guidance: float
) -> Tensor:
    """Return the clean latent after one call per noise, each `bundle.latent_shape`.

    Multistep consistency sampling (Song et al. 2023, algorithm 1): what a call paints is covered
    with *new* noise for the next one. Noise used twice would show the network its own answer.
    """
    latent = bundle.denoised(noises[0], 1.0, prompt, guidance)
    for strength, noise in zip(strengths(len(noises))[1:], noises[1:], strict=True):
        noisy = bundle.noised(latent, noise, strength)
        latent = bundle.denoised(noisy, strength, prompt, guidance)
    return latent
