"""Drawn with lines of light: a synthwave land, a tunnel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    over,
    polar,
    profile,
    sample,
    smoothstep,
    stack_colours,
    stars,
    texture,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    ramp,
    shade,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values


def paint_neon_grid(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a synthwave land: striped sun, dark peaks with neon ridges, glowing grid floor."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    horizon = uniform(generator, batch, -0.3, -0.05)
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.8, 1.9).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    rise = (y - horizon).clamp(min=0.0)
    sky = stack_colours(
        (
            shade(colour, light=1.0, turn=0.5 * turn),
            shade(colour, light=0.6),
            shade(colour, light=0.26, turn=0.5 * turn),
            shade(colour, light=0.12, turn=turn),
        )
    )
    light = ramp(sky, (rise * 0.85).expand(batch, height, 1)) * 0.75
    light = light + 0.7 * stars(generator, batch, x, y, count=60) * smoothstep(
        0.2, 0.8, rise
    ).unsqueeze(1)
    size = knob(values["sun"], 0.26, 0.52)
    sun_x = uniform(generator, batch, -0.35, 0.35)
    sun_y = horizon + size * uniform(generator, batch, 0.35, 1.0)
    away = torch.sqrt((x - sun_x) ** 2 + (y - sun_y) ** 2)
    warm = stack_colours(
        (
            shade(colour, light=0.95, turn=0.25 * turn),
            shade(colour, light=1.2, turn=-0.3 * turn),
            shade(colour, light=1.5, vivid=0.6, turn=-0.7 * turn),
        )
    )
    level = (y - sun_y) / size
    slats = torch.remainder(level * 4.2 + 0.2, 1.0)
    cut = smoothstep(
        0.0, 0.07, (slats - 0.5).abs() * 2.0 - (0.42 - 0.5 * (level + 0.55)).clamp(0.0, 0.8)
    )
    disc = fill(away - size, 0.012) * torch.maximum(cut, smoothstep(0.25, 0.3, level))
    face = ramp(warm, 0.5 + 0.5 * level.expand(batch, height, width))
    light = over(light, face * 1.35, disc)
    strength = knob(values["glow"], 0.5, 1.2)
    light = light + paint_flat(
        warm[:, 1], 0.4 * strength * glow((away - size).clamp(min=0.0), 0.35)
    )
    ridge = horizon + knob(values["peaks"], 0.0, 0.42) * (
        0.35 + 0.65 * ((x - sun_x) / aspect).abs()
    ).clamp(max=1.0) * (
        0.75 + 0.55 * profile(generator, batch, x, cells=2.2, octaves=4, sharp=True)
    ).clamp(min=0.05)
    peak = fill(y - ridge, 0.01)
    face_line = glow((y - ridge).abs(), 0.016)
    light = light * (1.0 - peak).unsqueeze(1) + paint_flat(
        shade(colour, light=0.14, turn=turn), peak * (0.5 + 0.8 * rise)
    )
    light = light + paint_flat(
        shade(colour, light=1.1, turn=turn), 0.9 * strength * face_line * (y > horizon)
    )
    floor = _neon_floor(values, generator, x, y, horizon)
    below = fill(y - horizon, 0.01)
    ground = paint_flat(shade(colour, light=0.13, turn=turn), torch.ones_like(floor))
    mirror = glow((x - sun_x), size) * smoothstep(0.0, 0.5, 1.0 - (horizon - y))
    ground = ground + paint_flat(
        warm[:, 0], 0.3 * strength * mirror * torch.exp(-2.2 * (horizon - y).clamp(min=0.0))
    )
    ground = ground + paint_flat(shade(colour, light=1.15, turn=turn), 1.1 * strength * floor)
    light = over(light, ground, below.expand(batch, height, width))
    light = light + paint_flat(
        warm[:, 1], 0.9 * strength * glow((y - horizon).abs(), 0.025) * glow(x - sun_x, 1.1)
    )
    return finish(light, shine=0.45, vignette=0.2)


def _neon_floor(
    values: Values, generator: torch.Generator, x: Tensor, y: Tensor, horizon: Tensor
) -> Tensor:
    """Lines of light on the floor, each as thick as its distance allows, `(b, h, w)`."""
    batch = values["hue"].shape[0]
    drop = (horizon - y).clamp(min=0.012)
    per = knob(values["density"], 1.6, 3.8)
    across = x / drop * 0.55 * per + uniform(generator, batch)
    depth = 0.55 / drop * per + uniform(generator, batch)
    side = (torch.remainder(across, 1.0) - 0.5).abs()
    step = (torch.remainder(depth, 1.0) - 0.5).abs()
    side_px = (0.5 - side) * drop / (0.55 * per)
    step_px = (0.5 - step) * drop * drop / (0.55 * per)
    thick = 0.008 + 0.016 * drop
    fade = smoothstep(0.012, 0.16, drop)
    lines = glow(side_px, thick) * smoothstep(0.012, 0.07, drop) + glow(step_px, thick) * fade
    return lines.clamp(max=1.3) * (0.6 + 0.4 * fade)


def paint_tunnel(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a flight through a tunnel of light: rings and rails run to a bright far end."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    cx, cy = uniform(generator, batch, -0.3, 0.3), uniform(generator, batch, -0.25, 0.25)
    u, v = x - cx, y - cy
    radius, angle = polar(u, v)
    bend = knob(values["twist"], 0.0, 1.6) * torch.sign(uniform(generator, batch, -1.0, 1.0))
    angle = angle + bend * torch.log(radius + 0.08) + uniform(generator, batch, -1.0, 1.0)
    sides = torch.round(knob(values["sides"], 2.6, 8.4))
    sector = 2.0 * math.pi / sides
    local = torch.remainder(angle, sector) - 0.5 * sector
    flat = radius * torch.cos(local) / torch.cos(0.5 * sector) * 0.9
    roundness = smoothstep(0.6, 0.75, values["sides"].view(-1, 1, 1))
    wall = flat + (radius - flat) * roundness
    depth = 0.9 / wall.clamp(min=0.02)
    near = smoothstep(0.03, 0.5, wall)
    rings = knob(values["density"], 0.55, 1.5)
    walk = depth * rings + uniform(generator, batch)
    step = (torch.remainder(walk, 1.0) - 0.5).abs() * 2.0
    cell = torch.floor(walk)
    ring = glow((1.0 - step) / (rings * depth * 0.35 + 0.7), 0.16)
    rail = glow((local.abs() - 0.5 * sector).abs() * wall, 0.035 * (0.5 + wall))
    mid = 0.5 * glow(local.abs() * wall, 0.022 * (0.5 + wall))
    tile = texture(generator, batch, cells=6, octaves=3)
    panel = sample(tile, angle * (3.0 / (2.0 * math.pi)) * 1.0, walk * 0.11)
    pulse = 0.55 + 0.45 * torch.sin(cell * 2.4 + uniform(generator, batch, 0.0, 6.0))
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.6, 1.7).view(-1)
    stops = stack_colours(
        (
            shade(colour, light=1.1),
            colour,
            shade(colour, turn=turn),
            shade(colour, turn=-0.7 * turn),
        )
    )
    paint = ramp(stops, 0.5 + 0.5 * torch.sin(0.6 * depth + uniform(generator, batch, 0.0, 6.0)))
    strength = 1.5 * ring * (0.4 + 0.8 * pulse) + 0.9 * rail + 0.5 * mid
    strength = (strength + 0.14 * smoothstep(-0.2, 1.0, panel)) * near + 0.03
    light = paint * strength.unsqueeze(1)
    end = glow(radius, knob(values["glow"], 0.08, 0.26))
    light = light + paint_flat(shade(colour, light=1.5, vivid=0.3), 2.2 * end)
    light = light + paint_flat(shade(colour, turn=turn), 0.25 * glow(radius, 0.5))
    return finish(light, shine=0.45)


SCENES_NEON: tuple[Scene, ...] = (
    Scene(
        "neon grid",
        (
            "a synthwave sunset",
            "a neon grid landscape",
            "a retrowave horizon",
            "an eighties neon sun",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("magenta", "pink")),
            Attribute("sun", (("with a small sun",), (), ("with a huge sun",))),
            Attribute("peaks", (("over flat land",), (), ("with mountains", "with neon peaks"))),
            Attribute("density", (("with a wide grid",), (), ("with a fine grid",))),
            Attribute("glow", ((), (), ("glowing", "blazing"))),
        ),
        paint_neon_grid,
    ),
    Scene(
        "light tunnel",
        (
            "a tunnel of light",
            "a neon tunnel",
            "flying through a wormhole",
            "a hyperspace corridor",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("cyan", "blue")),
            Attribute("sides", (("triangular",), ("square",), ("hexagonal",), ("round",))),
            Attribute("twist", (("straight",), (), ("twisted", "spinning"))),
            Attribute("density", (("with few rings",), (), ("with many rings",))),
            Attribute("glow", ((), (), ("with a bright end", "with a light at the end"))),
        ),
        paint_tunnel,
    ),
)
"""Every scene of this file."""
