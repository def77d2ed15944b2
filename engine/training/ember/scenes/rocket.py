"""A rocket that climbs on its flame."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.billows import Puff, billows
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    mix,
    over,
    profile,
    sample,
    smoothstep,
    stack_colours,
    stars,
    texture,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.outlines import sdf_polygon
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    ramp,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import sky_gradient
from engine.training.ember.scenes.stamp import stamp


def paint_rocket(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a rocket that climbs on a pillar of fire out of billows of lit smoke."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    day = smoothstep(0.4, 0.85, values["time"].view(-1, 1, 1))
    rx = knob(values["position"], -0.35, 0.35) * aspect
    size = knob(values["size"], 0.3, 0.5)
    foot = knob(values["height"], -0.62, 0.12)
    ground = uniform(generator, batch, -0.9, -0.82)
    light = _launch_sky(generator, x, y, colour, day, ground)
    away = torch.sqrt(((x - rx) * 1.1) ** 2 + (0.75 * (y - foot)) ** 2)
    warm = shade(colour, light=1.25, vivid=0.75)
    light = light + paint_flat(colour, (0.75 - 0.4 * day) * glow(away, 0.5))
    far = ground + 0.06 + 0.05 * profile(generator, batch, x, cells=1.4, octaves=4)
    land = tint(shade(colour, light=0.1)) + 0.05 * day.unsqueeze(1)
    light = over(light, land, fill(y - far, 0.012))
    smoke = knob(values["smoke"], 0.45, 1.2)
    dark, bright = _smoke_tones(colour, day)
    trail = _trail(generator, (rx, foot, ground), size, smoke)
    light = billows(
        generator, light, (x, y), trail, dark=dark, bright=bright, sun=(0.15, 0.75), opacity=0.93
    )
    light = light + paint_flat(colour, 0.4 * glow(away, 0.26))
    light = _jet(generator, light, x, y, (rx, foot, size), colour)
    light = _rocket(light, (x, y), (rx, foot, size), (colour, warm), day)
    return finish(light, shine=0.55, vignette=0.25)


def _launch_sky(
    generator: torch.Generator, x: Tensor, y: Tensor, colour: Tensor, day: Tensor, ground: Tensor
) -> Tensor:
    """Night with stars, or a clear morning; cold, so that the fire is the warm thing in it."""
    batch, width = colour.shape[0], x.shape[2]
    table = [
        [rgb(code).to(x.device).expand(batch, 3) for code in row]
        for row in (("#2c3a6c", "#10173a", "#050716"), ("#e4eef4", "#8cc0e4", "#3474b4"))
    ]
    share = day.view(-1, 1, 1)
    stops = mix(stack_colours(table[0]), stack_colours(table[1]), share)
    stops = torch.cat(
        (stops[:, :1] * 0.65 + 0.35 * shade(colour, vivid=0.8).unsqueeze(1), stops[:, 1:]), 1
    )
    light = sky_gradient(stops, y, ground, width=width)
    night = (1.0 - 1.6 * day).clamp(min=0.0).unsqueeze(1)
    return light + stars(generator, batch, x, y, count=80) * 0.8 * night


def _smoke_tones(colour: Tensor, day: Tensor) -> tuple[Tensor, Tensor]:
    """Smoke away from the fire and towards it, the first pale by day."""
    white = rgb("#eef0f4").to(colour.device)
    share = day.view(-1, 1)
    dark = shade(colour, light=0.4, vivid=0.5, turn=-0.4) * (1.0 - share) + 0.36 * white * share
    bright = shade(colour, light=1.12, vivid=0.75) * (1.0 - share) + white * share
    return dark, bright


def _trail(
    generator: torch.Generator,
    place: tuple[Tensor, Tensor, Tensor],
    size: Tensor,
    smoke: Tensor,
) -> list[Puff]:
    """Puffs along the ground under the rocket and up the way it came."""
    rx, foot, ground = place
    batch = rx.shape[0]
    puffs: list[Puff] = []
    for index in range(12):
        side = 1.0 - index / 12.0
        sign = 1.0 if index % 2 else -1.0
        px = rx + sign * (0.1 + 1.25 * side) * smoke + uniform(generator, batch, -0.08, 0.08)
        py = ground + 0.04 + 0.2 * (1.0 - side) * smoke + uniform(generator, batch, -0.05, 0.08)
        puffs.append((px, py, (0.26 + 0.16 * (1.0 - side)) * smoke))
    climbed = (foot - 0.55 * size - ground).clamp(min=0.0)
    for index in range(7):
        share = index / 7.0
        px = rx + uniform(generator, batch, -0.05, 0.05)
        radius = smoke * (0.24 - 0.13 * share) * smoothstep(0.0, 0.25, climbed)
        puffs.append((px, ground + 0.08 + climbed * share, radius))
    return puffs


def _jet(
    generator: torch.Generator,
    light: Tensor,
    x: Tensor,
    y: Tensor,
    place: tuple[Tensor, Tensor, Tensor],
    colour: Tensor,
) -> Tensor:
    """The pillar of fire under the engines: white where it leaves them, coloured at its rim."""
    rx, foot, size = place
    batch = colour.shape[0]
    tile = texture(generator, batch, 128, cells=8, octaves=3)
    drop = (foot - y) / size
    flicker = sample(tile, (x - rx) * 0.5, y * 0.16 + uniform(generator, batch))
    half = size * (0.1 + 0.13 * drop.clamp(0.0, 1.2) ** 0.8) * (1.0 + 0.25 * flicker)
    across = ((x - rx) / half.clamp(min=1e-3)) ** 2
    body = torch.exp(-1.3 * across) * smoothstep(-0.02, 0.05, drop)
    heat = body * smoothstep(1.9 + 0.5 * flicker, 0.1, drop)
    stops = stack_colours(
        (
            shade(colour, light=0.6, turn=-0.2),
            colour,
            shade(colour, light=1.3, vivid=0.7, turn=0.2),
            shade(colour, light=1.5, vivid=0.2, turn=0.2),
        )
    )
    fire = ramp(stops, 1.05 * heat) * (0.7 + 1.6 * heat).unsqueeze(1)
    return over(light, fire, smoothstep(0.04, 0.4, heat))


def _rocket(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor],
    tones: tuple[Tensor, Tensor],
    day: Tensor,
) -> Tensor:
    """Lay the rocket over each picture: `place` is x, the engines' height, half its length."""
    rx, foot, size = place
    colour, warm = tones
    white = rgb("#e8ecf2").to(light.device).unsqueeze(0)
    black = rgb("#16181e").to(light.device).unsqueeze(0)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u = (x - rx[which]) / size[which]
        v = (y - foot[which]) / size[which]
        soft = 0.012 / size[which]
        half = 0.17 * (1.0 - smoothstep(1.35, 2.12, v) ** 1.5).clamp(min=0.0)
        hull = torch.maximum(u.abs() - half, torch.maximum(v - 2.1, 0.06 - v))
        boosters = torch.maximum(
            (u.abs() - 0.27).abs() - 0.085 * (1.0 - smoothstep(0.85, 1.15, v)),
            torch.maximum(v - 1.14, 0.02 - v),
        )
        fins = sdf_polygon(u.abs(), v, ((0.1, 0.5), (0.3, 0.34), (0.5, -0.06), (0.1, 0.06)))
        nozzle = sdf_polygon(
            u.abs(), v, ((-0.2, 0.08), (0.07, 0.08), (0.12, -0.06), (-0.2, -0.06))
        )
        round_ = 0.5 + 0.42 * torch.cos(1.5 * (u / half.clamp(min=0.02) + 0.45).clamp(-2.0, 2.0))
        ambient = 0.22 + 0.6 * day[which]
        fire = 0.75 * torch.exp(-1.7 * v.clamp(min=0.0)) * (1.1 - 0.6 * day[which])
        patch = over(
            patch,
            tint(colour[which]) * 0.35 * ambient.unsqueeze(1)
            + paint_flat(warm[which], 0.3 * fire),
            fill(fins, soft),
        )
        patch = over(patch, tint(black), fill(nozzle, soft))
        inner = 0.5 + 0.42 * torch.cos(9.0 * (u.abs() - 0.25))
        side = paint_flat(white, ambient * inner) + paint_flat(warm[which], fire * inner)
        patch = over(patch, side, fill(boosters, soft))
        skin = paint_flat(white, ambient * round_ * 1.15) + paint_flat(warm[which], fire * round_)
        belt = torch.minimum((v - 1.3).abs() - 0.05, (v - 0.62).abs() - 0.03)
        skin = over(skin, tint(black) * 2.0, fill(belt, 0.02))
        nose = paint_flat(colour[which], (0.3 + 0.6 * ambient) * round_)
        skin = over(skin, nose, smoothstep(1.58, 1.62, v))
        return over(patch, skin, fill(hull, soft))

    return stamp(light, canvas_xy, (rx, foot + size), 1.35 * size, paint)


SCENES_ROCKET: tuple[Scene, ...] = (
    Scene(
        "rocket",
        (
            "a rocket launch",
            "a rocket taking off",
            "a rocket rising on its flame",
            "a space rocket",
            "a launching rocket",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("orange", "golden")),
            Attribute("height", (("on the launch pad", "lifting off"), (), ("high in the sky",))),
            Attribute("size", (("small", "distant"), (), ("large", "close"))),
            Attribute("smoke", ((), (), ("in clouds of smoke", "with billowing smoke"))),
            Attribute("time", (("at night", "under the stars"), (), ("in daylight", "by day"))),
            Attribute("position", (("on the left",), (), ("on the right",))),
        ),
        paint_rocket,
    ),
)
"""Every scene of this file."""
