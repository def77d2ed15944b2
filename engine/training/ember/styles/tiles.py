"""Styles of pieces: pixel art, mosaic, stained glass, paper cut."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.ember.scenes.fields import (
    blur,
    canvas,
    draw,
    fbm,
    lookup,
    mix,
    smoothstep,
    warp,
)
from engine.training.ember.styles.style import (
    enlarge,
    grey,
    lift,
    patches,
    shrink,
    spread,
    unit_px,
    vivid,
)


def pixel_art(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Large square pixels of few, clear colours, as on an old game console."""
    height, width = pictures.shape[-2:]
    side = max(2, 2 * round(8.0 * unit_px(pictures)))
    rows, columns = math.ceil(height / side), math.ceil(width / side)
    padded = F.pad(
        pictures, (0, columns * side - width, 0, rows * side - height), mode="replicate"
    )
    cells = vivid(lift(F.avg_pool2d(padded, side), 0.45, least=0.7, most=1.15), 1.45)
    steps = 5.0
    levels = torch.round(cells * steps) / steps
    large = levels.repeat_interleave(side, dim=2).repeat_interleave(side, dim=3)
    return large[..., :height, :width].contiguous()


def mosaic(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Small stones in bending rows, pale mortar between them."""
    batch, _, height, width = pictures.shape
    x, y = canvas(height, width, pictures.device)
    cell = 2.0 * 24.0 / 512.0 * unit_px(pictures) * 512.0 / height
    bends = [fbm(generator, batch, height, width, cells=1.3, octaves=2) for _ in range(2)]
    u, v = (x + 0.22 * bends[0]) / cell, (y + 0.22 * bends[1]) / cell
    row = torch.floor(v)
    u = u + 0.5 * torch.remainder(row, 2.0)
    column = torch.floor(u)
    aside, above = u - column - 0.5, v - row - 0.5
    stones = warp(blur(pictures, 0.016), -aside * cell, -above * cell, mode="nearest")
    stones = vivid(lift(stones, 0.48, least=0.65, most=1.1), 1.3)
    chance = draw(generator, batch, 1, 4096)
    index = torch.remainder(row * 131.0 + column * 17.0, 4096.0).long()
    uneven = torch.stack([lookup(chance[i : i + 1], index[i : i + 1])[0] for i in range(batch)])
    gap = 0.5 - torch.maximum(aside.abs(), above.abs())
    bevel = 1.0 + 0.22 * (above - aside)
    stones = stones * ((0.78 + 0.4 * uneven) * bevel.unsqueeze(1))
    mortar = torch.tensor([0.8, 0.76, 0.69], device=pictures.device).view(1, 3, 1, 1)
    return mix(mortar, stones, smoothstep(0.03, 0.11, gap).unsqueeze(1)).clamp(0.0, 1.0)


def stained_glass(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Panes of clear strong colour between dark leads, light behind them."""
    batch, height = pictures.shape[0], pictures.shape[-2]
    small = shrink(pictures)
    x, y = canvas(small.shape[-2], small.shape[-1], pictures.device)
    cell = 2.0 * 52.0 / 512.0 * unit_px(pictures) * 512.0 / height
    to_point, border = _panes(generator, batch, x / cell, y / cell)
    glass = warp(blur(small, 0.03), to_point[0] * cell, to_point[1] * cell, mode="nearest")
    glass = vivid(lift(glass, 0.44, least=0.55, most=1.1), 1.9)
    reach = torch.sqrt(to_point[0] ** 2 + to_point[1] ** 2).unsqueeze(1)
    glass = glass * (1.28 - 0.6 * reach)
    both = enlarge(torch.cat((glass, border.unsqueeze(1)), dim=1), pictures)
    lead = torch.tensor([0.05, 0.045, 0.05], device=pictures.device).view(1, 3, 1, 1)
    window = mix(lead, both[:, :3], smoothstep(0.075, 0.16, both[:, 3:]))
    return (window + 0.3 * blur((window - 0.55).clamp(min=0.0), 0.04)).clamp(0.0, 1.0)


def _panes(
    generator: torch.Generator, batch: int, u: Tensor, v: Tensor
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Way to the nearest of scattered points, right and up, and distance to the pane's border.

    u `(1, 1, w)` and v `(1, h, 1)` in panes; all results `(b, h, w)` in panes.
    """
    period = 32
    points = 0.5 + 0.85 * (draw(generator, batch, 2, period * period) - 0.5)
    left, low = torch.floor(u), torch.floor(v)
    near = torch.full((batch, v.shape[1], u.shape[2]), 9.0, device=u.device)
    second, best_x, best_y = near.clone(), torch.zeros_like(near), torch.zeros_like(near)
    for step_y in (-1, 0, 1):
        row = torch.remainder(low + step_y, period) * period
        for step_x in (-1, 0, 1):
            index = (row + torch.remainder(left + step_x, period)).long()
            here = lookup(points, index)
            dx, dy = left + step_x + here[:, 0] - u, low + step_y + here[:, 1] - v
            distance = torch.sqrt(dx * dx + dy * dy)
            closer = distance < near
            second = torch.where(closer, near, torch.minimum(second, distance))
            best_x, best_y = torch.where(closer, dx, best_x), torch.where(closer, dy, best_y)
            near = torch.minimum(near, distance)
    return (best_x, best_y), second - near


def paper_cut(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Sheets of coloured paper, one per tone, cut round and stacked, each casting a shadow."""
    batch = pictures.shape[0]
    small = shrink(pictures)
    flat = patches(blur(small, 0.02), max(1, round(10.0 * unit_px(small))))
    tone = spread(grey(flat))
    tone = tone + 0.05 * fbm(generator, batch, *small.shape[-2:], cells=3.0, octaves=2)[:, None]
    tone = blur(tone, 0.012)
    colours = vivid(lift(flat, 0.52, least=0.55, most=1.1), 1.45)
    local = blur(colours, 0.25)
    sheet: Tensor | None = None
    count = 6
    for level in range(count):
        inside = ((tone - (level + 0.5) / count).abs() < 0.6 / count).float() + 1e-3
        mean = (colours * inside).sum((2, 3), keepdim=True) / inside.sum((2, 3), keepdim=True)
        paper = (0.7 * mean + 0.3 * local) * (0.78 + 0.5 * level / (count - 1))
        if sheet is None:
            sheet = paper
            continue
        cut = smoothstep(-0.012, 0.012, tone - level / count)
        shadow = blur(warp(cut, torch.full_like(cut[:, 0], -0.012), cut[:, 0] * 0.0 + 0.02), 0.018)
        sheet = mix(sheet * (1.0 - 0.62 * shadow), paper * 1.04, cut)
    if sheet is None:
        raise ValueError("a paper cut needs sheets")
    return enlarge(sheet, pictures).clamp(0.0, 1.0)
