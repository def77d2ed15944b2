"""Pictures made of cells: stained glass, living cells."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    glow,
    knob,
    mix,
    polar,
    sample,
    smoothstep,
    stack_colours,
    texture,
    uniform,
    voronoi,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    ramp,
    rgb,
    shade,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values

VARIETY = Attribute("variety", (("in one colour",), (), ("many-coloured", "colourful")))
"""How far the colours of a pattern spread round the hue circle."""


def paint_stained_glass(
    values: Values, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """Paint a leaded window with the sun behind it: glowing panes, dark cames."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    bend = texture(generator, batch, cells=3, octaves=2)
    cx = uniform(generator, batch, -0.5, 0.5)
    cy = uniform(generator, batch, -0.4, 0.5)
    radius, angle = polar(x - cx, y - cy)
    scale = knob(values["pieces"], 1.7, 4.2)
    wave = 0.22 * sample(bend, x * 0.16, y * 0.16)
    # from free shards to panes that radiate from the sun
    rays = torch.round(scale * 3.2) / (2.0 * math.pi)
    rose = smoothstep(0.45, 0.55, knob(values["pattern"], 0.0, 1.0))
    u = mix((x + wave) * scale, angle * rays, rose)
    v = mix((y - wave) * scale, torch.log(radius + 0.16) * scale * 1.2, rose)
    period = torch.round(scale * 3.2)
    u = mix(u + 9.0, torch.remainder(u, period), rose)
    border, label = _panes(
        generator, batch, u, v + 40.0, mix(torch.full_like(rose, 32.0), period, rose)
    )
    size = mix(1.0 / scale, (radius + 0.16) / scale, rose)
    border = border * size
    streak = texture(generator, batch, cells=5, octaves=4)
    seedy = sample(streak, x * 0.35 + label * 3.0, y * 0.12 + label * 5.0)
    colour = main_colour(values["hue"])
    turn = knob(values["variety"], 0.3, 1.9).view(-1)
    stops = stack_colours(
        (
            shade(colour, light=0.55, turn=-turn),
            shade(colour, light=0.9, turn=-0.5 * turn),
            shade(colour, light=0.7),
            shade(colour, light=1.05),
            shade(colour, light=1.15, turn=0.5 * turn),
            shade(colour, light=1.3, vivid=0.6, turn=turn),
        )
    )
    glass = ramp(stops, label + 0.09 * seedy)
    sun = knob(values["glow"], 0.4, 1.5) * glow(radius, 0.55)
    clear = 0.5 + 0.28 * seedy + 0.35 * smoothstep(0.0, 0.12, border)
    light = glass * (clear * (0.42 + 1.25 * sun)).unsqueeze(1)
    light = light + glass * (0.5 * sun * smoothstep(0.3, 1.0, seedy + label)).unsqueeze(1)
    lead = smoothstep(0.03, 0.018, border)
    metal = rgb("#1b1a20").to(colour.device).view(1, 3, 1, 1) * (
        0.35 + 0.9 * smoothstep(0.02, 0.0, border)
    ).unsqueeze(1)
    light = light * (1.0 - lead).unsqueeze(1) + metal * lead.unsqueeze(1)
    return finish(light, shine=0.5, vignette=0.3)


def _panes(
    generator: torch.Generator, batch: int, u: Tensor, v: Tensor, period: Tensor
) -> tuple[Tensor, Tensor]:
    """Cells, periodic along u: exact distance to the border, and a figure in [0, 1) per cell."""
    lattice = 32
    points = draw(generator, batch, 3, lattice * lattice)
    points[:, :2] = 0.5 + (points[:, :2] - 0.5) * 0.8
    shape = (batch, *u.shape[1:])
    left, low = torch.floor(u), torch.floor(v)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for step_y in (-1, 0, 1):
        row = torch.remainder(low + step_y, lattice) * lattice
        for step_x in (-1, 0, 1):
            column = torch.remainder(torch.remainder(left + step_x, period), lattice)
            index = (row + column).long().expand(shape).flatten(1)
            here = points.gather(2, index.unsqueeze(1).expand(-1, 3, -1))
            here = here.view(batch, 3, *shape[1:])
            found.append(
                (left + step_x + here[:, 0] - u, low + step_y + here[:, 1] - v, here[:, 2])
            )
    near = torch.full(shape, 9.0, device=u.device)
    near_x, near_y, label = torch.zeros_like(near), torch.zeros_like(near), torch.zeros_like(near)
    for away_x, away_y, name in found:
        distance = away_x * away_x + away_y * away_y
        closer = distance < near
        near = torch.where(closer, distance, near)
        near_x = torch.where(closer, away_x, near_x)
        near_y = torch.where(closer, away_y, near_y)
        label = torch.where(closer, name, label)
    border = torch.full_like(near, 9.0)
    for away_x, away_y, _ in found:
        run_x, run_y = away_x - near_x, away_y - near_y
        length = run_x * run_x + run_y * run_y
        wall = 0.5 * ((away_x + near_x) * run_x + (away_y + near_y) * run_y)
        wall = wall / torch.sqrt(length + 1e-6)
        border = torch.where(length > 1e-4, torch.minimum(border, wall), border)
    return border, label


def paint_cells(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint living cells or coral polyps: soft glowing walls round bright nuclei."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    bend = texture(generator, batch, cells=3, octaves=3)
    scale = knob(values["scale"], 4.0, 1.8)
    wave = knob(values["wave"], 0.04, 0.22)
    u = x + wave * sample(bend, x * 0.2, y * 0.2)
    v = y + wave * sample(bend, x * 0.2 + 0.4, y * 0.2 + 0.3)
    near, border, label = voronoi(generator, batch, u * scale + 8.0, v * scale + 8.0, jitter=0.8)
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.5, 1.5).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    stops = stack_colours(
        (
            shade(colour, light=0.2, vivid=1.1, turn=0.6 * turn),
            shade(colour, light=0.48, vivid=1.1, turn=0.35 * turn),
            shade(colour, light=0.9),
            shade(colour, light=1.3, vivid=0.7, turn=-0.2 * turn),
        )
    )
    dome = smoothstep(0.02, 0.5, border)
    tone = 0.5 * sample(bend, x * 0.13 + 0.6, y * 0.13)
    body = ramp(stops, 0.3 + 0.55 * (1.0 - dome) + 0.22 * (label - 0.5) + 0.2 * tone)
    light = body * (0.35 + 0.5 * (1.0 - dome)).unsqueeze(1)
    # a highlight towards the upper left makes each cell round
    up = _sheen(near, border)
    light = light + paint_flat(shade(colour, light=1.0, vivid=1.1, turn=0.2 * turn), 0.2 * up)
    wall = smoothstep(0.16, 0.02, border)
    thin = smoothstep(0.05, 0.0, border)
    strength = knob(values["glow"], 0.25, 1.1)
    light = light + paint_flat(shade(colour, light=1.15), strength * 0.5 * wall)
    light = light + paint_flat(shade(colour, light=1.45, vivid=0.45), strength * 0.7 * thin)
    seed = smoothstep(0.3, 0.1, near) * (0.35 + 0.65 * label)
    core = shade(colour, light=1.2, turn=turn)
    light = light + paint_flat(core, knob(values["nuclei"], 0.05, 1.3) * seed)
    light = light + paint_flat(
        shade(core, light=1.3, vivid=0.4),
        knob(values["nuclei"], 0.0, 0.9) * smoothstep(0.13, 0.04, near) * label,
    )
    place_x, place_y = uniform(generator, batch, -0.5, 0.5), uniform(generator, batch, -0.4, 0.4)
    lamp = 0.55 + 0.9 * glow(torch.sqrt((x - place_x) ** 2 + (y - place_y) ** 2), 0.9)
    return finish(light * lamp.unsqueeze(1), shine=0.45, vignette=0.35)


def _sheen(near: Tensor, border: Tensor) -> Tensor:
    """Return a soft sheen half-way between a cell's middle and its wall, in [0, 1]."""
    return (
        smoothstep(0.1, 0.28, border) * smoothstep(0.62, 0.2, near) * smoothstep(0.05, 0.25, near)
    )


SCENES_CELLULAR: tuple[Scene, ...] = (
    Scene(
        "stained glass",
        (
            "stained glass",
            "a stained-glass window",
            "a church window",
            "a leaded window with the sun behind",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("blue", "violet")),
            Attribute("pieces", (("with big panes",), (), ("with many small panes",))),
            Attribute(
                "pattern", (("of free shards", "in shards"), ("radiating", "like a rose window"))
            ),
            VARIETY,
            Attribute("glow", (("in dim light",), (), ("glowing", "in bright sun"))),
        ),
        paint_stained_glass,
    ),
    Scene(
        "cells",
        ("living cells", "glowing coral", "cells under a microscope", "coral polyps"),
        (
            Attribute("hue", HUE_WORDS, natural=("green", "teal")),
            Attribute("scale", (("tiny", "many"), (), ("large", "close up"))),
            Attribute("wave", (("regular",), (), ("flowing", "wavy"))),
            Attribute("nuclei", ((), (), ("with bright nuclei", "with glowing hearts"))),
            Attribute("glow", (("dim",), (), ("glowing", "luminous"))),
        ),
        paint_cells,
    ),
)
"""Every scene of this file."""
