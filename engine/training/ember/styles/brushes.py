"""Styles of the brush: watercolour, oil painting, pastel."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    canvas,
    fbm,
    mix,
    rotate,
    sample,
    smoothstep,
    texture,
    uniform,
    warp,
)
from engine.training.ember.styles.style import (
    edges,
    enlarge,
    grey,
    lift,
    patches,
    shrink,
    unit_px,
    vivid,
)


def watercolour(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Thin washes on white paper: soft blots, darker rims, an unpainted ragged border."""
    batch, _, height, width = pictures.shape
    small = shrink(pictures)
    across, down = (fbm(generator, batch, *small.shape[-2:], cells=7.0) for _ in range(2))
    bled = warp(small, 0.03 * across, 0.03 * down)
    washed = patches(patches(bled, _reach(small, 4)), _reach(small, 4))
    washed = vivid(lift(washed, 0.66, least=0.42, most=1.0), 1.25)
    rim = smoothstep(0.006, 0.05, edges(washed, 0.008))
    pool = fbm(generator, batch, *small.shape[-2:], cells=3.0, octaves=4).unsqueeze(1)
    pigment = (1.0 - washed) * (0.82 + 0.34 * pool + 0.55 * rim)
    pigment = enlarge(pigment, pictures)
    x, y = canvas(height, width, pictures.device)
    inside = torch.minimum(1.0 - y.abs(), width / height - x.abs())
    ragged = fbm(generator, batch, height, width, cells=4.0, octaves=4)
    painted = smoothstep(0.05, 0.1, inside + 0.06 * ragged).unsqueeze(1)
    grain = fbm(generator, batch, height, width, cells=48.0, octaves=2, gain=0.8).unsqueeze(1)
    pigment = pigment * painted * (1.0 + 0.12 * grain)
    paper = torch.tensor([0.985, 0.97, 0.94], device=pictures.device).view(1, 3, 1, 1)
    return (paper - pigment + 0.012 * grain).clamp(0.0, 1.0)


def oil_painting(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Thick paint in wide strokes of several directions, lit from the side."""
    batch = pictures.shape[0]
    small = shrink(pictures)
    size = small.shape[-2:]
    level = fbm(generator, batch, *size, cells=26.0, octaves=2, stretch=5.0)
    upright = fbm(generator, batch, *size, cells=5.5, octaves=2, stretch=0.2)
    field = fbm(generator, batch, *size, cells=2.2, octaves=2)
    stroke = mix(level, upright, smoothstep(-0.12, 0.12, field))
    bent = warp(small, 0.035 * stroke, 0.035 * stroke)
    laid = patches(patches(bent, _reach(small, 5)), _reach(small, 4))
    laid = vivid(lift(laid, 0.46, least=0.72, most=1.15), 1.3)
    relief = stroke.unsqueeze(1) * 0.6 + 1.2 * grey(laid)
    lit = relief - torch.roll(relief, (2, -2), dims=(-2, -1))
    lit[..., :2, :], lit[..., -2:] = 0.0, 0.0
    shine = enlarge(torch.cat((laid, lit), dim=1), pictures)
    return (shine[:, :3] * (1.0 + 0.6 * shine[:, 3:].clamp(-0.9, 0.9))).clamp(0.0, 1.0)


def pastel(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Chalk in pale tones, hatched one way, the warm paper showing between the strokes."""
    batch, _, height, width = pictures.shape
    small = shrink(pictures)
    soft = enlarge(patches(small, _reach(small, 5)), pictures)
    soft = lift(soft, 0.66, least=0.4, most=1.0)
    pale = vivid(0.26 + 0.74 * soft, 1.15)
    x, y = canvas(height, width, pictures.device)
    along, across = rotate(x, y, 0.9 + uniform(generator, batch, -0.2, 0.2))
    tile = texture(generator, batch, 256, cells=24, octaves=2, gain=0.6)
    chalk = sample(tile, along * 0.2, across * 0.85).unsqueeze(1)
    paper = torch.tensor([0.93, 0.87, 0.79], device=pictures.device).view(1, 3, 1, 1)
    bare = smoothstep(0.2, 0.75, chalk) * 0.6
    return (mix(pale, paper, bare) + 0.05 * chalk).clamp(0.0, 1.0)


def _reach(pictures: Tensor, radius: int) -> int:
    """A radius in pixels of a picture half as wide as 512, for this size."""
    return max(1, round(radius * 2.0 * unit_px(pictures)))
