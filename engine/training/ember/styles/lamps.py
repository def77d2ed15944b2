"""Styles of light: neon and vaporwave."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import blur, canvas, fbm, mix, smoothstep, warp
from engine.training.ember.scenes.palettes import ramp, rgb, to_srgb
from engine.training.ember.styles.style import (
    edges,
    enlarge,
    grey,
    patches,
    shrink,
    spread,
    unit_px,
)


def neon(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Outlines as glowing tubes on near black, in the picture's own hues made loud."""
    small = shrink(pictures)
    flat = patches(patches(small, max(1, round(5.0 * unit_px(small)))), 2)
    stretched = flat / flat.amax((1, 2, 3), keepdim=True).clamp(min=0.2)
    tubes = smoothstep(0.008, 0.04, edges(stretched, 0.007))
    low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
    hues = (flat - 0.85 * low) / (high - 0.85 * low).clamp(min=0.02)
    batch, height, width = small.shape[0], *small.shape[-2:]
    drift = fbm(generator, batch, height, width, cells=0.8, octaves=1).unsqueeze(1)
    pink = torch.tensor([1.0, 0.12, 0.75], device=pictures.device).view(1, 3, 1, 1)
    cyan = torch.tensor([0.1, 0.85, 1.0], device=pictures.device).view(1, 3, 1, 1)
    signs = mix(pink, cyan, smoothstep(-0.3, 0.3, drift))
    pale = smoothstep(0.35, 0.1, (high - low) / high.clamp(min=0.05))  # grey has no hue to show
    hues = mix(hues, signs, pale)
    light = tubes * hues
    glow = 1.6 * blur(light, 0.018) + 1.5 * blur(light, 0.07)
    core = smoothstep(0.5, 1.0, tubes) * 0.35
    room = 0.1 * _room(flat) + 0.9 * light + glow + core
    return (1.0 - torch.exp(-1.5 * enlarge(room, pictures))).clamp(0.0, 1.0)


def _room(flat: Tensor) -> Tensor:
    """The room behind the tubes: the picture, dark and slightly violet."""
    shade = torch.tensor([0.7, 0.45, 1.1], device=flat.device).view(1, 3, 1, 1)
    return flat * flat * shade


_WAVES = ("#120a2e", "#3a1470", "#8a1fa8", "#ff3fa8", "#ff9ac8", "#7ae8f8", "#e8fdff")


def vaporwave(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Violet shadows, pink middle tones, cyan lights, scan bands and colour fringes."""
    batch, _, height, width = pictures.shape
    small = shrink(pictures)
    tone = spread(grey(patches(small, max(1, round(3.0 * unit_px(small))))))
    _, y = canvas(small.shape[-2], small.shape[-1], pictures.device)
    haze = 0.12 * y.unsqueeze(1)
    stops = torch.stack([rgb(code) for code in _WAVES]).to(pictures.device)
    mapped = to_srgb(ramp(stops.expand(batch, -1, -1), (0.06 + 0.9 * tone + haze)[:, 0]))
    aside = torch.full((1, 1, 1), 0.014, device=pictures.device)
    still = torch.zeros_like(aside)
    fringed = torch.cat(
        (warp(mapped[:, :1], aside, still), mapped[:, 1:2], warp(mapped[:, 2:], -aside, still)),
        dim=1,
    )
    shine = fringed + 0.35 * blur((fringed - 0.5).clamp(min=0.0), 0.06)
    large = enlarge(shine, pictures)
    _, rows = canvas(height, width, pictures.device)
    bands = 1.0 - 0.13 * smoothstep(-0.3, 0.3, torch.sin(rows * 100.0)).unsqueeze(1)
    return (large * bands).clamp(0.0, 1.0)
