"""What stands behind a subject: an evening land, a moonlit night, a blurred garden, a stage."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.ember.scenes.fields import (
    Figure,
    canvas,
    draw,
    fbm,
    fill,
    glow,
    mix,
    over,
    profile,
    smoothstep,
    splats,
    stack_colours,
    stars,
    uniform,
    warp,
)
from engine.training.ember.scenes.palettes import paint_flat, ramp, shade, tint

_BEAM_ORDER = (1, 4, 2, 5, 0, 3)  # few beams are spread, too


def evening_land(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    colour: Tensor,
    *,
    ground: Tensor,
    horizon: Tensor,
    sun: tuple[Tensor, Tensor],
    mist: Tensor,
) -> Tensor:
    """A low sun, soft clouds and hills over a plain, `(b, 3, h, w)`.

    `colour` `(b, 3)` is the light's, `ground` `(b, 3)` the plain's; `horizon`, `sun` (x, y) and
    `mist` in [0, 1] have shape `(b, 1, 1)`.
    """
    batch, height, width = colour.shape[0], y.shape[1], x.shape[2]
    stops = stack_colours(
        (
            shade(colour, light=1.3, vivid=0.7, turn=-0.25),
            shade(colour, light=1.08, vivid=0.95),
            shade(colour, light=0.78, turn=0.3),
            shade(colour, light=0.5, turn=0.6),
        )
    )
    light = ramp(stops, ((y - horizon) * 0.62).expand(batch, height, 1)).expand(-1, -1, -1, width)
    away = torch.sqrt((x - sun[0]) ** 2 + (y - sun[1]) ** 2)
    bright = shade(colour, light=1.45, vivid=0.5, turn=-0.3)
    near = glow(away, 0.75)
    cloud = fbm(generator, batch, height, width, cells=1.8, octaves=4, stretch=3.0)
    light = over(
        light,
        tint(bright),
        smoothstep(0.0, 0.9, cloud) * smoothstep(0.0, 0.5, y - horizon) * (0.25 + 0.4 * near),
    )
    disc = fill(away - 0.2, 0.02)
    light = light + paint_flat(bright, 0.35 * near + 0.45 * glow(away, 0.32) + 0.8 * disc)
    for layer, tone in enumerate(
        (shade(colour, light=0.66, turn=0.35), shade(colour, light=0.46, vivid=0.9, turn=0.5))
    ):
        top = horizon + (0.17 - 0.1 * layer) * (
            0.6 + 0.6 * profile(generator, batch, x, cells=0.8 + 0.5 * layer, octaves=3)
        )
        veil = (0.35 + 0.55 * mist) * smoothstep(0.0, 0.22, top - y)
        hill = mix(tint(tone), tint(bright) * 0.8, veil.unsqueeze(1))
        light = over(light, hill, fill(y - top, 0.012))
    return _plain(
        light,
        (x, y),
        horizon,
        (ground, bright, shade(colour, light=0.2), shade(colour, light=1.0)),
        sun[0],
        mist,
    )


def _plain(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    horizon: Tensor,
    tones: tuple[Tensor, Tensor, Tensor, Tensor],
    sun_x: Tensor,
    mist: Tensor,
) -> Tensor:
    """Lay a plain under the horizon: lit and misty far away, dark at the feet of the picture."""
    x, y = canvas_xy
    ground, bright, dark, haze = tones
    below = (horizon - y).clamp(min=0.0)
    near = smoothstep(0.0, 0.9, below).expand(-1, -1, 1)
    plain = mix(tint(ground), tint(0.55 * dark + 0.45 * shade(ground, light=0.45)), near[:, None])
    shine = torch.exp(-3.0 * below) * glow(x - sun_x, 0.9)
    plain = plain + paint_flat(bright, 0.4 * shine)
    plain = over(plain, tint(0.5 * bright + 0.4 * haze), 0.8 * mist * torch.exp(-6.0 * below))
    return over(light, plain, fill(y - horizon, 0.02).expand_as(light[:, 0]))


def moon_night(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    colour: Tensor,
    *,
    moon: tuple[Tensor, Tensor, Tensor],
    clouds: Tensor,
) -> tuple[Tensor, Tensor]:
    """A night sky with a great moon, stars and clouds, `(b, 3, h, w)`, and the moon's pale colour.

    `moon` is x, y and radius, `clouds` about -0.5 (clear) to 0.3, `(b, 1, 1)` each.
    """
    batch, height, width = colour.shape[0], y.shape[1], x.shape[2]
    pale = shade(colour, light=1.4, vivid=0.4)
    away = torch.sqrt((x - moon[0]) ** 2 + (y - moon[1]) ** 2)
    sky = stack_colours(
        (
            shade(colour, light=0.16, turn=0.3),
            shade(colour, light=0.36),
            shade(colour, light=0.72, turn=-0.15),
            shade(colour, light=1.1, vivid=0.85, turn=-0.2),
        )
    )
    light = ramp(sky, 0.12 + 0.8 * glow(away, 0.95) - 0.06 * y)
    light = light + 0.6 * stars(generator, batch, x, y, count=50)
    seas = fbm(generator, batch, height, width, cells=3.2, octaves=4)
    face = 0.95 - 0.3 * smoothstep(0.0, 0.55, seas) - 0.15 * (away / moon[2]).clamp(max=1.0) ** 3
    light = over(light, paint_flat(pale, 1.15 * face), fill(away - moon[2], 0.012))
    light = light + paint_flat(pale, 0.3 * glow((away - moon[2]).clamp(min=0.0), 0.22))
    cloud = fbm(generator, batch, height, width, cells=1.7, octaves=4, stretch=3.2)
    bank = smoothstep(0.1, 0.75, cloud + clouds)
    lit = mix(tint(sky[:, 1]), tint(sky[:, 3]) * 0.9, glow(away, 0.6).unsqueeze(1))
    return over(light, lit, 0.85 * bank), pale


def out_of_focus(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    stops: Tensor,
    *,
    lamps: Tensor,
    strength: Figure = 0.5,
) -> Tensor:
    """A blurred place: soft clouds of colour `stops` `(b, n, 3)`, dark below, round lights.

    `lamps` `(b, 3)` is the lights' colour. Shape `(b, 3, h, w)`.
    """
    batch, height, width = stops.shape[0], y.shape[1], x.shape[2]
    soft = fbm(generator, batch, height, width, cells=1.3, octaves=2)
    light = ramp(stops, 0.45 + 0.3 * y + 0.32 * soft)
    count = 12
    places = draw(generator, batch, count, 2) * 2.0 - 1.0
    places[..., 0] *= float(x.abs().max())
    radius = 0.06 + 0.13 * draw(generator, batch, count)
    power = 0.25 + 0.75 * draw(generator, batch, count)
    # a disc of light from two Gaussians: the narrow dark one flattens the top of the wide one
    wide = splats(x, y, places, radius, power.unsqueeze(-1))
    hole = splats(x, y, places, 0.62 * radius, 0.55 * power.unsqueeze(-1))
    return light + tint(lamps) * (wide - hole).clamp(min=0.0) * strength


def stage(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    colours: Tensor,
    *,
    beams: Tensor,
    smoke: Tensor,
    floor: Tensor,
) -> Tensor:
    """A dark stage with coloured beams from above and a floor that shines, `(b, 3, h, w)`.

    `colours` `(b, 2, 3)` are the light's two colours; `beams` (how many, up to 6), `smoke` in [0,
    1] and `floor` (the y of its far edge) have shape `(b, 1, 1)`. Smooth, so computed at half
    size.
    """
    height, width = y.shape[1], x.shape[2]
    small = canvas(max(16, height // 2), max(16, width // 2), x.device)
    light = _stage(generator, small, colours, beams, smoke, floor)
    return F.interpolate(light, size=(height, width), mode="bilinear", align_corners=False)


def _stage(
    generator: torch.Generator,
    canvas_xy: tuple[Tensor, Tensor],
    colours: Tensor,
    beams: Tensor,
    smoke: Tensor,
    floor: Tensor,
) -> Tensor:
    x, y = canvas_xy
    batch, height, width = colours.shape[0], y.shape[1], x.shape[2]
    aspect = width / height
    first, second = colours[:, 0], colours[:, 1]
    fog = fbm(generator, batch, height, width, cells=1.6, octaves=4, stretch=1.8)
    away = torch.sqrt((x / aspect) ** 2 + ((y - floor - 0.35) * 0.9) ** 2)
    light = paint_flat(shade(first, light=0.3), 0.25 + 0.9 * glow(away, 0.9))
    light = light + paint_flat(
        shade(first, light=0.75), (0.16 + 0.5 * smoke) * glow(away, 0.75) * (0.6 + 0.7 * fog)
    )
    spin = uniform(generator, batch, -0.12, 0.12)
    for index in range(6):
        side = (_BEAM_ORDER[index] - 2.5) / 2.5
        top_x = side * aspect * 0.95
        angle = -0.42 * side + spin + uniform(generator, batch, -0.16, 0.16)
        drop = 1.25 - y
        across = x - top_x - drop * torch.tan(angle)
        width_here = 0.035 + 0.14 * drop
        ray = torch.exp(-((across / width_here) ** 2)) * torch.exp(-0.5 * drop)
        ray = ray * (0.45 + 0.55 * smoke) * (1.0 + 0.6 * fog * smoke)
        ray = ray * (beams > index).float() * 0.85
        light = light + paint_flat(first if index % 2 == 0 else second, ray)
        lamp = glow(torch.sqrt((x - top_x) ** 2 + (y - 0.97) ** 2), 0.06)
        light = light + paint_flat(
            shade(first if index % 2 == 0 else second, light=1.4, vivid=0.6),
            1.3 * lamp * (beams > index),
        )
    below = (floor - y).clamp(min=0.0)
    cut = fill(y - floor, 0.02).expand(-1, -1, width)
    mirror = glow(x / aspect, 0.8) * torch.exp(-2.2 * below)
    ground = paint_flat(shade(first, light=0.5), 0.3 + 0.0 * mirror) + paint_flat(
        0.6 * first + 0.4 * second, 0.55 * mirror * (0.8 + 0.4 * fog)
    )
    return over(light, ground, cut)


def mirror_floor(light: Tensor, y: Tensor, floor: Tensor, strength: Figure = 0.4) -> Tensor:
    """Add to a floor below `floor` `(b, 1, 1)` what stands on it, upside down and fading."""
    below = (floor - y).clamp(min=0.0)
    upside = warp(light, torch.zeros_like(below), 2.0 * below)
    fade = strength * torch.exp(-2.5 * below) * fill(y - floor, 0.02)
    return light + upside * fade.unsqueeze(1)


def spotlight(x: Tensor, y: Tensor, top_x: Figure, foot: tuple[Figure, Figure]) -> Tensor:
    """The cone of one spotlight above the picture that falls on `foot` (x, y), `(b, h, w)`."""
    drop = (1.15 - y).clamp(min=0.0)
    tall = 1.15 - foot[1]
    middle = top_x + (foot[0] - top_x) * drop / tall
    spread = 0.04 + 0.5 * drop / tall
    cone = smoothstep(1.0, 0.55, (x - middle).abs() / spread) * torch.exp(-0.55 * drop)
    return cone * smoothstep(-0.06, 0.06, y - foot[1] + 0.1 * torch.cos((x - middle) * math.pi))
