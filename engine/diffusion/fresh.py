"""A picture from nothing: a few calls, each from noise of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.diffusion.bundle import Bundle, PromptEmbedding, stacked
from engine.diffusion.noise_level import NoiseLevel, noised, on_device

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
    with *new* noise for the next one. Noise used twice would show the network its own answer. The
    picture loop does the same inside its frames (`FrameProgram`).
    """
    latent: Tensor | None = None
    for strength, noise in zip(strengths(len(noises)), noises, strict=True):
        level = on_device(bundle.noise_level(strength), noise.device)
        noisy = noise if latent is None else noised(latent, noise, level)
        latent = denoised_once(bundle, noisy, level, prompt, guidance)
    assert latent is not None, "a picture takes at least one call"
    return latent


def denoised_once(
    bundle: Bundle,
    noisy: Tensor,
    level: NoiseLevel[Tensor],
    prompt: PromptEmbedding,
    guidance: float,
) -> Tensor:
    """One model call outside the picture loop, with the empty prompt beside when guided."""
    if guidance == 1.0:
        bundle.hold(prompt)
        return bundle.denoised(noisy, level, prompt, None)
    empty = bundle.encode_prompt("")
    bundle.hold(prompt, empty)
    both = stacked(prompt, empty)
    return bundle.denoised(noisy, level, both, torch.tensor(guidance, device=noisy.device))
