"""Word vectors as the networks in training hear them: slightly moved."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.conditioning.word_table import MAX_WORDS
from engine.diffusion.models.ember.text import TextEncoder


def look_up(
    text: TextEncoder,
    prompts: Sequence[str],
    noise: float,
    generator: torch.Generator,
    device: str | torch.device,
) -> tuple[Tensor, Tensor]:
    """Word vectors, slightly moved so that neighbours of known words work too, and word counts."""
    vectors, lengths = text.look_up(prompts)
    words = torch.from_numpy(vectors)
    if noise:
        present = torch.arange(MAX_WORDS) < torch.from_numpy(lengths)[:, None]
        scale = noise / words.shape[2] ** 0.5
        words = words + scale * torch.randn(words.shape, generator=generator) * present[:, :, None]
    return words.to(device), torch.from_numpy(lengths).to(device)
