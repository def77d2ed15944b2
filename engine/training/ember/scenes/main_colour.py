"""The colour a scene is painted in."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.palettes import from_lab, hue, to_lab

_COLD = (-0.012, -0.05)  # Oklab a and b added to a colour without any


def main_colour(value: Tensor) -> Tensor:
    """Return the colour `(b, 3)` of the hue attribute `(b,)`, linear light, never quite grey.

    White gets a cold cast: its lights stay white, while its shadows and its turns to neighbouring
    hues (`shade` keeps the chroma) become blue and violet instead of grey.
    """
    lab = to_lab(hue(value))
    chroma = torch.sqrt(lab[:, 1:2] ** 2 + lab[:, 2:] ** 2)
    share = (1.0 - chroma / 0.06).clamp(0.0, 1.0)
    cold = torch.tensor((0.0, *_COLD), device=value.device)
    return from_lab(lab + share * cold)
