"""A helicopter before a low sun."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.billows import billows
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    over,
    profile,
    rotate,
    sdf_box,
    sdf_circle,
    sdf_segment,
    smoothstep,
    uniform,
)
from engine.training.ember.scenes.low_sun import low_sun
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.outlines import sdf_oval, sdf_polygon, union
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.stamp import stamp

_CABIN = (
    (0.66, -0.06),
    (0.6, 0.04),
    (0.4, 0.17),
    (0.16, 0.22),
    (-0.14, 0.2),
    (-0.32, 0.1),
    (-1.02, 0.09),
    (-1.14, 0.34),
    (-1.26, 0.34),
    (-1.2, 0.0),
    (-0.3, -0.1),
    (-0.12, -0.2),
    (0.46, -0.2),
    (0.62, -0.15),
)
"""A helicopter that faces right, its hull about the origin."""


def paint_helicopter(
    values: Values, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """Paint a helicopter before a low sun, hills below and dust in its wind."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    horizon = uniform(generator, batch, -0.66, -0.52)
    hx = uniform(generator, batch, -0.22, 0.22) * aspect
    hy = uniform(generator, batch, 0.02, 0.34)
    sun_x = hx + uniform(generator, batch, -0.45, 0.45) * min(1.0, aspect)
    sun = (
        sun_x,
        horizon + uniform(generator, batch, 0.3, 0.7),
        uniform(generator, batch, 0.2, 0.34),
    )
    light, warm = low_sun(generator, (x, y), colour, horizon, sun, cloud=0.55)
    ground = shade(colour, light=0.2, vivid=0.7, turn=-0.5)
    for layer, deep in enumerate((0.55, 0.12)):
        ridge = profile(generator, batch, x, cells=0.9 + 0.5 * layer, octaves=5)
        top = horizon + 0.1 - 0.16 * layer + 0.1 * ridge
        tone = tint(ground) * (1.0 - deep) + tint(shade(colour, light=0.8)) * deep
        light = over(light, tone, fill(y - top, 0.01))
    dust = knob(values["dust"], -0.5, 1.0).clamp(min=0.0)
    puffs = []
    for index in range(16):
        side = 2.0 * ((index * 0.618034 + 0.2) % 1.0) - 1.0
        px = hx + 1.1 * aspect * side + uniform(generator, batch, -0.1, 0.1)
        py = -0.95 + 0.14 * (index % 3) + 0.25 * abs(side) * dust
        big = (0.26 + 0.2 * dust + 0.06 * math.cos(5.0 * index)) * (dust > 0.0)
        puffs.append((px, py, big))
    light = billows(
        generator,
        light,
        (x, y),
        puffs,
        dark=shade(colour, light=0.42, vivid=0.6, turn=-0.3),
        bright=shade(warm, light=0.86, vivid=0.9),
        sun=(0.3 * torch.sign(sun_x - hx), torch.full_like(hx, 0.85)),
        opacity=0.8 * dust.sqrt(),
    )
    size = knob(values["size"], 0.36, 0.7) * min(1.0, 0.35 + 0.65 * aspect)
    facing = torch.where(values["facing"].view(-1, 1, 1) < 0.5, -1.0, 1.0)
    lean = uniform(generator, batch, -0.22, -0.02)
    lamp = smoothstep(0.45, 0.75, values["lamp"].view(-1, 1, 1))
    light = light + paint_flat(
        shade(warm, light=1.1, vivid=0.5), lamp * _searchlight((x - hx) * facing, y - hy, size)
    )
    light = helicopter_shape(light, (x, y), (hx, hy, size, facing, lean), (ground, warm), lamp)
    return finish(light, shine=0.4, vignette=0.25)


def _searchlight(u: Tensor, v: Tensor, size: Tensor) -> Tensor:
    """A cone of light down and forward from the nose."""
    along, across = rotate(u - 0.45 * size, v + 0.2 * size, -1.15)
    wide = 0.02 + 0.24 * along.clamp(min=0.0)
    cone = torch.exp(-((across / wide) ** 2)) * smoothstep(0.0, 0.06, along)
    return cone * 1.1 / (0.6 + along.clamp(min=0.0))


def helicopter_shape(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    tones: tuple[Tensor, Tensor],
    lamp: Tensor,
) -> Tensor:
    """Lay the helicopter over each picture: `place` is x, y, size, facing and lean."""
    hx, hy, size, facing, lean = place
    dark, warm = shade(tones[0], light=0.62), tones[1]
    red = rgb("#ff3020").to(light.device)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u = (x - hx[which]) * facing[which] / size[which]
        v = (y - hy[which]) / size[which]
        u, v = rotate(u, v, lean[which])
        soft = 0.012 / size[which]
        sweep = fill(sdf_oval(u - 0.05, v - 0.36, 1.3, 0.075), 0.12)
        patch = patch * (1.0 - 0.38 * sweep).unsqueeze(1)
        hull = sdf_polygon(u, v, _CABIN) - 0.025
        mast = sdf_box(u - 0.05, v - 0.28, 0.035, 0.09)
        hood = sdf_box(u + 0.03, v - 0.22, 0.17, 0.035) - 0.02
        blade = torch.minimum(
            sdf_segment(u, v, (0.05, 0.37), (1.3, 0.335)) - 0.02,
            sdf_segment(u, v, (0.05, 0.37), (-1.2, 0.41)) - 0.02,
        )
        skid = sdf_segment(u, v, (-0.34, -0.41), (0.5, -0.41))
        skid = torch.minimum(skid, sdf_segment(u, v, (0.5, -0.41), (0.58, -0.35)))
        legs = torch.minimum(
            sdf_segment(u, v, (-0.16, -0.18), (-0.22, -0.41)),
            sdf_segment(u, v, (0.32, -0.18), (0.36, -0.41)),
        )
        tail = sdf_circle(u + 1.16, v - 0.2, 0.24).abs() - 0.008
        tail = torch.minimum(tail, sdf_segment(u, v, (-1.28, 0.0), (-1.04, 0.4)) - 0.02)
        shape = union(hull, mast, hood, blade, torch.minimum(skid, legs) - 0.022, tail)
        pane = union(
            sdf_polygon(u, v, ((0.58, -0.02), (0.42, 0.12), (0.3, 0.15), (0.3, -0.04))),
            sdf_box(u - 0.13, v - 0.05, 0.09, 0.08) - 0.01,
        )
        rim = smoothstep(-0.07, 0.0, hull) * smoothstep(-0.02, 0.2, v) * (hull < 0.0)
        body = tint(dark[which]) + paint_flat(warm[which], 0.35 * rim)
        patch = over(patch, body, fill(shape, soft))
        patch = over(patch, tint(warm[which]) * 0.75, 0.8 * fill(pane, soft) * (hull < 0.0))
        blink = glow(torch.sqrt((u + 1.2) ** 2 + (v - 0.37) ** 2), 0.06)
        patch = patch + paint_flat(red.unsqueeze(0), 1.3 * blink)
        spot = glow(torch.sqrt((u - 0.46) ** 2 + (v + 0.22) ** 2), 0.07)
        return patch + paint_flat(warm[which], 2.6 * lamp[which] * spot)

    return stamp(light, canvas_xy, (hx, hy), 1.5 * size, paint)


SCENES_HELICOPTER: tuple[Scene, ...] = (
    Scene(
        "helicopter",
        (
            "a helicopter",
            "a helicopter before the setting sun",
            "a helicopter in the sky",
            "a helicopter flying over the hills",
            "a chopper",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("orange", "golden")),
            Attribute("size", (("distant", "small"), (), ("large", "close"))),
            Attribute("facing", (("flying left",), ("flying right",))),
            Attribute("lamp", ((), ("with a searchlight", "with its searchlight on"))),
            Attribute("dust", (("in clear air",), (), ("in a cloud of dust", "in swirling dust"))),
        ),
        paint_helicopter,
    ),
)
"""Every scene of this file."""
