"""Styles of line and print: ink drawing, pencil sketch, black and white film, risograph."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    blur,
    canvas,
    draw,
    fbm,
    mix,
    rotate,
    smoothstep,
    uniform,
    warp,
)
from engine.training.ember.styles.style import (
    enlarge,
    grey,
    patches,
    relieved,
    shrink,
    spread,
    unit_px,
)


def ink_drawing(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Black brush lines and one grey wash on cream paper."""
    batch, _, height, width = pictures.shape
    small = shrink(pictures)
    radius = max(1, round(6.0 * unit_px(small)))
    tone = _balanced(relieved(spread(grey(patches(small, radius))), 0.55), 0.62)
    shaky = fbm(generator, batch, *small.shape[-2:], cells=9.0, octaves=3)
    tone = warp(tone, 0.012 * shaky, -0.012 * shaky)
    fine, coarse = blur(tone, 0.007), blur(tone, 0.018)
    line = smoothstep(0.018, 0.06, coarse - fine)
    solid = smoothstep(0.2, 0.14, fine)
    washes = fbm(generator, batch, *small.shape[-2:], cells=3.0, octaves=4).unsqueeze(1)
    wash = smoothstep(0.52, 0.42, tone + 0.05 * washes) * (0.4 + 0.16 * washes)
    ink = enlarge(torch.maximum(torch.maximum(line, solid), wash), pictures).clamp(0.0, 1.0)
    paper = torch.tensor([0.96, 0.94, 0.88], device=pictures.device).view(1, 3, 1, 1)
    black = torch.tensor([0.06, 0.06, 0.08], device=pictures.device).view(1, 3, 1, 1)
    grain = fbm(generator, batch, height, width, cells=40.0, octaves=2).unsqueeze(1)
    return (mix(paper, black, ink) + 0.015 * grain).clamp(0.0, 1.0)


def pencil_sketch(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Soft graphite outlines and slanting hatches on white paper."""
    batch, _, height, width = pictures.shape
    small = shrink(pictures)
    tone = relieved(spread(grey(patches(small, max(1, round(4.0 * unit_px(small)))))), 0.5)
    tone = _balanced(tone, 0.5)
    line = smoothstep(0.01, 0.07, (blur(tone, 0.02) - blur(tone, 0.006)).abs())
    both = enlarge(torch.cat((tone, line), dim=1), pictures)
    tone, line = both[:, 0], both[:, 1]
    x, y = canvas(height, width, pictures.device)
    shaky = fbm(generator, batch, height, width, cells=2.0, octaves=3)
    lean = 0.75 + uniform(generator, batch, -0.15, 0.15)
    hatch = torch.zeros_like(tone)
    for turn, start in ((0.0, 0.72), (1.2, 0.38)):
        _, across = rotate(x, y, lean + turn)
        wave = torch.cos(across * (2.0 * math.pi * 18.0) + 2.0 * shaky)
        need = (1.0 - tone / start).clamp(0.0, 1.0)
        hatch = hatch + smoothstep(0.75 - 1.1 * need, 1.15 - 1.1 * need, wave) * (need > 0.0)
    press = 0.75 + 0.35 * fbm(generator, batch, height, width, cells=16.0, octaves=3)
    dark = (0.4 * hatch + 0.95 * line + 0.3 * (1.0 - tone)).clamp(0.0, 0.92) * press
    paper = torch.tensor([0.975, 0.972, 0.96], device=pictures.device).view(1, 3, 1, 1)
    lead = torch.tensor([0.17, 0.17, 0.2], device=pictures.device).view(1, 3, 1, 1)
    return mix(paper, lead, dark.clamp(0.0, 1.0).unsqueeze(1)).clamp(0.0, 1.0)


def noir(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Black and white film: deep blacks, glowing lights, a dark frame, coarse grain."""
    batch, _, height, width = pictures.shape
    tone = _balanced(relieved(spread(grey(pictures)), 0.3), 0.36)
    tone = smoothstep(0.06, 0.92, tone)
    tone = tone + 0.45 * blur((tone - 0.6).clamp(min=0.0), 0.05)
    x, y = canvas(height, width, pictures.device)
    corner = (x * height / width) ** 2 + y * y
    frame = smoothstep(1.9, 0.35, corner).unsqueeze(1)
    grain = fbm(generator, batch, height, width, cells=64.0, octaves=2, gain=0.8).unsqueeze(1)
    tone = tone * (0.25 + 0.75 * frame) + 0.07 * grain * (0.3 + tone)
    return tone.clamp(0.0, 1.0).expand(-1, 3, -1, -1).contiguous()


_INKS = (  # the light, dotted ink and the dark one over it
    ((1.0, 0.28, 0.57), (0.0, 0.25, 0.62)),
    ((1.0, 0.44, 0.2), (0.0, 0.42, 0.45)),
    ((1.0, 0.78, 0.0), (0.86, 0.1, 0.42)),
    ((0.2, 0.78, 0.62), (0.36, 0.16, 0.52)),
    ((0.3, 0.72, 0.98), (0.9, 0.2, 0.2)),
)


def risograph(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Two spot inks on rough paper, printed slightly apart, the light one in coarse dots."""
    batch, _, height, width = pictures.shape
    small = shrink(pictures)
    tone = relieved(spread(grey(patches(small, max(1, round(4.0 * unit_px(small)))))), 0.45)
    tone = _balanced(tone, 0.5)
    tone = enlarge(tone, pictures)
    aside = uniform(generator, batch, 0.012, 0.024) * torch.sign(
        draw(generator, batch, 1, 1) - 0.5
    )
    apart = warp(tone, aside, aside * 0.6)[:, 0]
    x, y = canvas(height, width, pictures.device)
    u, v = rotate(x, y, 0.6)
    pitch = 2.0 * math.pi * 16.0
    screen = 0.25 * (torch.cos(u * pitch) + torch.cos(v * pitch)) + 0.5
    grain = fbm(generator, batch, height, width, cells=64.0, octaves=2, gain=0.8)
    light_ink = smoothstep(-0.16, 0.16, (1.12 - 1.15 * apart) - screen)
    dark_ink = smoothstep(0.56, 0.2, tone[:, 0] + 0.1 * grain)
    wear = 0.92 + 0.12 * grain
    chosen = torch.randint(len(_INKS), (batch,), generator=generator, device=generator.device)
    inks = torch.tensor(_INKS, device=pictures.device)[chosen]  # (b, 2, 3)
    sheet = torch.tensor([0.97, 0.945, 0.89], device=pictures.device).view(1, 3, 1, 1)
    for ink, cover in ((inks[:, 0], light_ink), (inks[:, 1], dark_ink)):
        through = 1.0 - (cover * wear).clamp(0.0, 1.0).unsqueeze(1) * (1.0 - ink.view(-1, 3, 1, 1))
        sheet = sheet * through
    return sheet.clamp(0.0, 1.0)


def _balanced(tone: Tensor, middle: float) -> Tensor:
    """Bend lightness `(b, 1, h, w)` so that its mean comes near `middle`."""
    mean = tone.mean((1, 2, 3), keepdim=True).clamp(0.05, 0.95)
    exponent = (math.log(middle) / torch.log(mean)).clamp(0.35, 2.5)
    return tone.clamp(1e-4, 1.0) ** exponent
