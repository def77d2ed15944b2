"""Lands and what stands on them, to be laid over a picture of another scene.

Each is drawn by the functions its own scene is drawn with, in linear light, and takes its light
from the picture it is laid over: what stands before a green sky is lit green.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.city import NIGHTS, buildings
from engine.training.ember.scenes.coast import lamp_beams, lamp_tower
from engine.training.ember.scenes.fire import FLAMES, fire_logs, fire_sparks, flame
from engine.training.ember.scenes.journeys import ship_shape
from engine.training.ember.scenes.land import pines
from engine.training.ember.scenes.plants import TREES, tree_shape
from engine.training.ember.scenes.strongholds import (
    castle_shape,
    church_shape,
    lit_building,
    stronghold_hill,
)
from engine.training.ember.scenes.water import surface


class Foreground(Protocol):
    """Lays a subject over pictures: the same arguments give the same pixels."""

    def __call__(self, light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
        """Return linear light `(b, 3, h, w)` with the subject laid over `light`.

        `colour` `(b,)` in [0, 1] is the subject's colour attribute, where it has one. `light` may
        be written to.
        """
        ...


def air(light: Tensor) -> Tensor:
    """Return the colours of a picture `(b, 5, 3)`, linear light.

    Its lights, its air low, halfway and high, and a dark tone for what stands against it.
    """
    height = light.shape[-2]
    tone = light.mean(1, keepdim=True)
    weight = tone**3 + 1e-6
    lights = (light * weight).sum((2, 3)) / weight.sum((2, 3))
    parts = (slice(height // 2, (3 * height) // 4), slice(height // 4, height // 2))
    low, middle = (light[:, :, part].mean((2, 3)) for part in parts)
    high = light[:, :, : height // 4].mean((2, 3))
    mean = (low + middle + high) / 3.0
    level = mean.mean(1, keepdim=True).clamp(min=1e-3)
    dark = mean * (0.028 / level).clamp(max=0.3) + 0.004
    return torch.stack((lights, low, middle, high, dark), dim=1)


def canvas_of(light: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return the coordinates x `(1, 1, w)` and y `(1, h, 1)` of a picture, and its aspect."""
    height, width = light.shape[-2:]
    x, y = fields.canvas(height, width, light.device)
    return x, y, width / height


def lighthouse(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A lighthouse on its rock in the sea, its beams in the air."""
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    stops = air(light)
    stops[:, 0] = 0.4 * stops[:, 0] + palettes.rgb("#fff0c8").to(light.device) * 0.8
    horizon = fields.uniform(generator, batch, -0.3, -0.22)
    aside = x - fields.uniform(generator, batch, -0.45, 0.45) * aspect
    tall = fields.uniform(generator, batch, 0.6, 0.78)
    rock = horizon + 0.14
    up = y - rock - tall
    beams = lamp_beams(generator, aside, up, fields.uniform(generator, batch, 0.4, 0.9))
    light = light + palettes.paint_flat(stops[:, 0], beams)
    lit = stops.clone()
    lit[:, 1:3] = 0.5 * stops[:, 1:3] + 0.12
    light = lamp_tower(generator, light, aside, y, rock, tall, lit)
    lamp = fields.sdf_circle(aside, up, 0.0)
    shine = 4.0 * fields.fill(lamp - 0.022, 0.02) + 0.8 * fields.glow(lamp, 0.1)
    return _water(light + palettes.paint_flat(stops[:, 0], shine), generator, horizon, 0.5)


def castle(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A castle with lit windows on a hill."""
    return _on_hill(light, generator, castle=True)


def church(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A church with lit windows on a hill."""
    return _on_hill(light, generator, castle=False)


def tree(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A big tree in leaf or blossom on a dark hill."""
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    stops = palettes.pick(TREES, colour)
    sky = air(light)
    bright = (0.3 + 1.3 * light.mean((1, 2, 3))).clamp(0.45, 0.9).view(-1, 1, 1)
    root_x = fields.uniform(generator, batch, -0.4, 0.4) * aspect
    root_y = fields.uniform(generator, batch, -0.6, -0.5)
    hill = root_y + 0.24 * torch.exp(-(((x - root_x) / 0.9) ** 2)) - 0.18
    rim = torch.exp(-7.0 * (hill - y).clamp(min=0.0))
    grass = 0.5 * sky[:, 4] + 0.06 * stops[:, 3]
    ground = palettes.paint_flat(grass, 0.7 + 0.9 * rim) + palettes.paint_flat(
        sky[:, 2], 0.12 * rim
    )
    light = fields.over(light, ground, fields.fill(y - hill, 0.01))
    cast = sky[:, 2] / sky[:, 2].mean(1, keepdim=True).clamp(min=1e-3)
    stops = stops * (0.75 + 0.25 * cast.clamp(max=2.0)).unsqueeze(1)
    tall = fields.uniform(generator, batch, 0.85, 1.12)
    return tree_shape(generator, light, x, y, (root_x, root_y, hill), tall, stops, bright)


def city(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Towers with lit windows, mirrored in water."""
    x, y, _ = canvas_of(light)
    batch = light.shape[0]
    sky = air(light)
    stops = palettes.pick(NIGHTS, fields.draw(generator, batch))
    ground = fields.uniform(generator, batch, -0.55, -0.4)
    tall = fields.uniform(generator, batch, 0.5, 0.85)
    lit = fields.uniform(generator, batch, 0.3, 0.6)
    for layer, (scale, wide, pane) in enumerate(((0.85, 0.13, 0.026), (0.7, 0.22, 0.036))):
        body, windows, label = buildings(
            generator,
            x,
            y,
            ground=ground,
            tall=tall * scale,
            wide=wide,
            pane=pane,
            lit=lit,
            batch=batch,
        )
        mist = (0.3 - 0.16 * layer) * torch.exp(-1.6 * (y - ground).clamp(min=0.0))
        wall = palettes.tint(sky[:, 4]) * (1.1 - 0.35 * layer) + palettes.paint_flat(
            sky[:, 1], mist
        )
        light = fields.over(light, wall, body)
        warm = fields.smoothstep(0.62, 0.7, label).unsqueeze(1)
        panes = fields.mix(palettes.tint(stops[:, 3]), palettes.tint(stops[:, 4]), warm)
        light = light + panes * (windows * (0.9 + 0.3 * layer)).unsqueeze(1)
    return _water(light, generator, ground, 0.4)


def conifers(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """The dark tops of a forest, mist between the near and the far trees."""
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    sky = air(light)
    top = fields.uniform(generator, batch, -0.62, -0.5)
    for layer in range(3):
        size = fields.uniform(generator, batch, 0.3, 0.4) + 0.2 * layer
        valley = 0.14 * layer * (x.abs() / aspect) ** 2
        line = top - 0.16 * layer + valley
        line = line + 0.08 * fields.profile(generator, batch, x, cells=0.8, octaves=3)
        opacity = pines(generator, x, y, line, size=size, batch=batch)
        veil = (0.42, 0.2, 0.03)[layer] * fields.smoothstep(0.5, -0.3, y - line)
        tone = palettes.tint(sky[:, 4]) * (1.1, 0.8, 0.5)[layer]
        light = fields.over(light, tone + palettes.paint_flat(sky[:, 1], veil), opacity)
    return light


def sea(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Open water to the horizon, the sky mirrored in its waves."""
    batch = light.shape[0]
    horizon = fields.uniform(generator, batch, -0.3, -0.1)
    return _water(light, generator, horizon, 0.75)


def mountains(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Ranges of pointed peaks, one behind the other in the haze, above a lake."""
    x, y, _ = canvas_of(light)
    batch = light.shape[0]
    sky = air(light)
    shore = fields.uniform(generator, batch, -0.55, -0.42)
    rock = fields.ridged(generator, batch, *light.shape[-2:], cells=3.5, octaves=5)
    for layer in range(3):
        rise = (0.62, 0.42, 0.2)[layer]
        crest = shore + rise * (
            0.75
            + 0.55
            * fields.profile(generator, batch, x, cells=0.75 + 0.35 * layer, octaves=6, sharp=True)
        )
        below = (crest - y).clamp(min=0.0)
        veil = (0.5, 0.26, 0.1)[layer] * (0.35 + fields.smoothstep(0.0, 0.5, below))
        snow = fields.smoothstep(0.2, 0.02, below + 0.16 * (1.0 - rock)) * (0.5, 0.24, 0.0)[layer]
        tone = palettes.tint(sky[:, 4]) * (0.7 + 0.6 * rock).unsqueeze(1)
        tone = (
            tone
            + palettes.paint_flat(sky[:, 1], veil)
            + palettes.paint_flat(0.5 * sky[:, 2] + 0.3 * sky[:, 0], snow)
        )
        light = fields.over(light, tone, fields.fill(y - crest, 0.01))
    return _water(light, generator, shore, 0.3)


def desert(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Dunes of golden sand, their windward sides in the light."""
    x, y, _ = canvas_of(light)
    batch = light.shape[0]
    sky = air(light)
    sand = palettes.rgb("#e8a860").to(light.device)
    level = sky[:, 1:3].mean(1)
    lit = sand * (0.16 + 1.1 * level + 0.3 * level.mean(1, keepdim=True))
    top = fields.uniform(generator, batch, -0.32, -0.2)
    for layer in range(3):
        crest = (
            top
            - 0.24 * layer
            + (0.1 + 0.05 * layer) * fields.profile(generator, batch, x, cells=0.7, octaves=2)
        )
        spine = 0.35 * fields.profile(generator, batch, y.transpose(1, 2), cells=1.0, octaves=2)
        slope = x - spine.transpose(1, 2) - fields.uniform(generator, batch, -0.6, 0.6)
        lee = fields.smoothstep(-0.03, 0.06, slope - 0.7 * (crest - y))
        below = (crest - y).clamp(min=0.0)
        tone = (1.0 - 0.62 * lee) * (0.95 - 0.35 * below) * (0.75 + 0.12 * layer)
        haze = (0.4, 0.16, 0.0)[layer] * torch.exp(-6.0 * below)
        land = palettes.paint_flat(lit, tone) + palettes.paint_flat(sky[:, 1], haze)
        light = fields.over(light, land, fields.fill(y - crest, 0.01))
    return light


def ship(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A three-masted ship under sail on the sea."""
    x, _, aspect = canvas_of(light)
    batch = light.shape[0]
    stops = air(light)
    horizon = fields.uniform(generator, batch, -0.4, -0.3)
    facing = torch.sign(fields.uniform(generator, batch, -1.0, 1.0))
    size = fields.uniform(generator, batch, 0.45, 0.65) * min(1.0, 0.3 + 0.7 * aspect)
    sx = fields.uniform(generator, batch, -0.35, 0.35) * aspect
    lean = 0.06 * facing
    sails = stops.clone()
    sails[:, 1:3] = 0.55 * stops[:, 1:3] + 0.6 * stops[:, :1] + 0.06
    light = ship_shape(
        light, (x, canvas_of(light)[1]), (sx, horizon - 0.03, size, facing, lean), sails, sx
    )
    return _water(light, generator, horizon, 0.5)


def campfire(light: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """A campfire on dark ground, sparks above it."""
    x, y, _ = canvas_of(light)
    batch = light.shape[0]
    sky = air(light)
    stops = palettes.pick(FLAMES, colour)
    base = fields.uniform(generator, batch, -0.62, -0.52)
    tall = fields.uniform(generator, batch, 0.6, 0.85)
    line = base + 0.22 + 0.04 * fields.profile(generator, batch, x, cells=1.0, octaves=4)
    wood = pines(generator, x, y, line, size=0.35 + 0.0 * base, batch=batch)
    near = fields.glow(fields.sdf_circle(x * 0.75, (y - base) * 1.6, 0.0), 0.6)
    floor = palettes.tint(sky[:, 4]) * 0.6 + palettes.paint_flat(stops[:, 2], 0.4 * near)
    light = fields.over(light, floor, wood)
    light = fire_logs(generator, light, x, y, base, stops)
    wild = fields.uniform(generator, batch, 0.4, 1.0)
    heat = flame(generator, x, y, base=base + 0.02, tall=tall, wide=0.2 + 0.16 * tall, wild=wild)
    glowing = palettes.ramp(stops, heat, (0.0, 0.14, 0.42, 0.74, 1.0))
    light = fields.over(
        light, glowing * (0.7 + 1.1 * heat).unsqueeze(1), fields.smoothstep(0.02, 0.16, heat)
    )
    sparks = fire_sparks(generator, x, y, base + 0.2, 0.3 + 0.0 * base, 0.9 + 0.0 * base)
    return light + palettes.paint_flat(stops[:, 3], sparks + 0.0 * heat)


def _water(light: Tensor, generator: torch.Generator, horizon: Tensor, rough: float) -> Tensor:
    """Lay water below `horizon` `(b, 1, 1)`, up to `rough` in [0, 1]."""
    x, y, _ = canvas_of(light)
    batch = light.shape[0]
    sky = air(light)
    body = palettes.shade(0.6 * sky[:, 2] + 0.4 * sky[:, 3], light=0.55)
    roughness = fields.uniform(generator, batch, 0.1, rough)
    picture, _ = surface(generator, light, x, y, horizon, roughness=roughness, body=body)
    return picture


def _on_hill(light: Tensor, generator: torch.Generator, *, castle: bool) -> Tensor:
    x, y, aspect = canvas_of(light)
    batch = light.shape[0]
    stops = air(light)
    stops[:, 1] = stops[:, 1].clamp(max=0.5)
    bx = fields.uniform(generator, batch, -0.35, 0.35) * aspect
    size = fields.uniform(generator, batch, 0.4, 0.56) * min(1.0, 0.35 + 0.65 * aspect)
    top = fields.uniform(generator, batch, -0.36, -0.22)
    for layer in range(2):
        ridge = fields.profile(generator, batch, x, cells=0.8 + 0.4 * layer, octaves=5)
        crest = top - 0.16 - 0.16 * layer + 0.16 * ridge
        tone = stops[:, 1] * (0.34 - 0.2 * layer) + stops[:, 4] * 0.7
        light = fields.over(light, palettes.tint(tone), fields.fill(y - crest, 0.02))
    lamps = fields.uniform(generator, batch, 0.8, 1.2)
    shape = castle_shape if castle else church_shape
    light = lit_building(shape, light, (x, y), (bx, top, size), stops, lamps)
    return stronghold_hill(generator, light, x, y, (bx, top, size), stops)
