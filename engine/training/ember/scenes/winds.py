"""The wind: a field that bends under it, leaves that fly."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    fill,
    glow,
    knob,
    lookup,
    mix,
    over,
    profile,
    rotate,
    smoothstep,
    stack_colours,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    palette_table,
    pick,
    ramp,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import clouds, sky_gradient
from engine.training.ember.scenes.stamp import stamp

_SKIES = palette_table(
    (  # sun, sky at the horizon, mid sky, zenith
        ("#fffbe8", "#e8f4f8", "#88c4ec", "#2f78c4"),
        ("#fff0c0", "#ffc878", "#e8885c", "#5c5088"),
        ("#e8ecf0", "#a0a8b0", "#626c78", "#2c343e"),
        ("#e0e8ff", "#5070a8", "#20386c", "#0a1230"),
    )
)
_SKY_WORDS = (
    ("under a blue sky", "on a bright day"),
    ("at sunset", "in the evening sun"),
    ("under dark clouds", "before a storm"),
    ("at night", "in moonlight"),
)
_ROWS = 8
_LEAVES = 16


def paint_wind(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint tall grass that bends in rows under the wind, torn clouds, leaves in the air."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    stops = pick(_SKIES, values["sky"])
    horizon = uniform(generator, batch, -0.2, 0.02)
    toward = torch.where(values["heading"].view(-1, 1, 1) < 0.5, -1.0, 1.0)
    force = knob(values["wind"], 0.06, 1.0)
    sun_x = knob(values["sun"], -0.6, 0.6) * aspect
    sun_y = horizon + uniform(generator, batch, 0.18, 0.5)
    away = torch.sqrt((x - sun_x) ** 2 + (y - sun_y) ** 2)
    light = sky_gradient(stops[:, 1:], y, horizon, width=width)
    light = light + paint_flat(stops[:, 0], 0.45 * glow(away, 0.38))
    alpha, lit = clouds(
        generator,
        x + toward * 0.6 * force * (y - horizon),
        y,
        horizon,
        cover=uniform(generator, batch, 0.35, 0.6) + 0.15 * force,
        light=(sun_x, sun_y),
    )
    near = glow(away, 0.8)
    cloud = mix(
        tint(stops[:, 2]) * 0.85,
        tint(stops[:, 1]) * (0.75 + 0.5 * near).unsqueeze(1),
        lit.unsqueeze(1),
    )
    light = over(light, cloud, 0.8 * alpha)
    disc = fill(away - 0.1, 0.015) * (1.0 - 0.6 * alpha)
    light = over(light, tint(stops[:, 0]) * 1.2, disc)
    hills = horizon + 0.05 + 0.07 * profile(generator, batch, x, cells=0.9, octaves=4)
    far = 0.3 * shade(colour, light=0.6, vivid=0.6) + 0.35 * stops[:, 2] + 0.1 * stops[:, 1]
    light = over(light, tint(far), fill(y - hills, 0.015))
    light = _field(generator, light, (x, y, horizon), (colour, stops), toward * force, near)
    light = _leaves(generator, light, (x, y), (colour, stops), toward, values)
    return finish(light, shine=0.35, vignette=0.22)


def _field(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor, Tensor],
    tones: tuple[Tensor, Tensor],
    bend: Tensor,
    near: Tensor,
) -> Tensor:
    """Rows of blades from the horizon to us, each row taller; `bend` is the wind, signed."""
    x, y, horizon = canvas_xy
    colour, stops = tones
    batch = colour.shape[0]
    day = stops[:, 1].mean(dim=1, keepdim=True).clamp(0.3, 0.85) + 0.15
    blade = stack_colours(
        (
            shade(colour, light=0.2, vivid=0.8, turn=-0.3) * day,
            shade(colour, light=0.62, turn=-0.15) * day,
            shade(colour, light=1.02, vivid=0.95) * day,
            (0.7 * shade(colour, light=1.3, vivid=0.7) + 0.3 * stops[:, 0]) * day,
        )
    )
    haze = 0.5 * stops[:, 1] + 0.3 * stops[:, 2]
    for row in range(_ROWS):
        depth = ((row + 0.4) / _ROWS) ** 1.5
        base = horizon - 0.1 - (horizon + 1.25) * depth
        tall = 0.1 + 0.62 * depth
        gust = profile(generator, batch, x, cells=1.4 - 0.8 * depth, octaves=2)
        stalk, tip = _blades(generator, x, y - base, tall, bend * (0.75 + 0.5 * gust), batch)
        tone = 0.08 + 0.62 * ((y - base) / tall).clamp(0.0, 1.0) ** 1.3 + 0.18 * gust + 0.12 * tip
        tone = tone + 0.25 * near * ((y - base) / tall).clamp(0.0, 1.0)
        skin = ramp(blade, tone)
        air = 0.55 * (1.0 - depth) ** 3
        skin = skin + (tint(haze) - skin) * air
        light = over(light, skin, stalk)
    return light


def _blades(
    generator: torch.Generator, x: Tensor, rise: Tensor, tall: float, bend: Tensor, batch: int
) -> tuple[Tensor, Tensor]:
    """One row of stalks with heavy heads: opacity, and 1 on the heads; `rise` is from its foot."""
    pitch = 0.035 + 0.11 * tall
    share = (rise / tall).clamp(0.0, 1.5)
    total = smoothstep(0.62, 0.4, share)
    heads = torch.zeros_like(total)
    for _ in range(2):
        place = (x - bend * tall * share**2 * 0.95) / pitch + uniform(generator, batch, 0.0, 9.0)
        cell = torch.floor(place)
        table = draw(generator, batch, 1, 64)
        index = torch.remainder(cell, 64.0).long()
        height = 0.72 + 0.4 * lookup(table, index)[:, 0]
        aside = (place - cell - 0.5).abs()
        up = share / height
        head = smoothstep(0.66, 0.8, up) * smoothstep(1.0, 0.9, up)
        half = 0.07 + 0.3 * head - 0.04 * up
        stalk = fill((aside - half) * pitch, 0.012) * smoothstep(1.0, 0.985, up)
        total = torch.maximum(total, stalk)
        heads = torch.maximum(heads, head * stalk)
    return total, heads


def _leaves(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    tones: tuple[Tensor, Tensor],
    toward: Tensor,
    values: Values,
) -> Tensor:
    """Leaves that fly past, turned every way, as many as asked for."""
    colour, stops = tones
    batch = colour.shape[0]
    aspect = light.shape[3] / light.shape[2]
    wanted = knob(values["leaves"], -2.0, _LEAVES)
    autumn = 0.45 * rgb("#e8741c").to(light.device) + 0.55 * colour
    dim = stops[:, 1].mean(dim=1, keepdim=True).clamp(0.3, 0.8) + 0.2
    for index in range(_LEAVES):
        rank = (index + 1) / _LEAVES
        lx = uniform(generator, batch, -0.95, 0.95) * aspect
        ly = uniform(generator, batch, -0.45, 0.9)
        turn = uniform(generator, batch, -0.7, 0.7) - 0.15 * toward
        size = (0.045 + 0.085 * rank) * (wanted > _LEAVES - index - 1)
        roll = uniform(generator, batch, 0.3, 0.62)
        kind = uniform(generator, batch, -0.5, 0.4).view(-1)
        tone = shade(autumn, light=0.9, turn=kind) * dim
        dark = shade(autumn, light=0.35, turn=kind) * dim

        def leaf(
            which: slice,
            patch: Tensor,
            x: Tensor,
            y: Tensor,
            place: tuple[Tensor, ...] = (lx, ly, size, turn, roll),
            tones: tuple[Tensor, Tensor] = (tone, dark),
        ) -> Tensor:
            ox, oy, big, lean, wide = (figure[which] for figure in place)
            u, v = rotate((x - ox) / big, (y - oy) / big, lean)
            v = v - 0.25 * u * u
            half = wide * (1.0 - u * u).clamp(min=0.0) * (1.0 - 0.35 * u)
            shape = torch.maximum(v.abs() - half, u.abs() - 1.0)
            stem = torch.maximum(v.abs() - 0.04, (u + 1.15).abs() - 0.3)
            side = smoothstep(-0.05, 0.05, v)
            skin = mix(
                tint(tones[1][which]), tint(tones[0][which]), (0.35 + 0.65 * side).unsqueeze(1)
            )
            return over(patch, skin, fill(torch.minimum(shape, stem), 0.012 / big))

        light = stamp(light, canvas_xy, (lx, ly), 1.6 * size, leaf)
    return light


SCENES_WINDS: tuple[Scene, ...] = (
    Scene(
        "wind",
        (
            "the wind in a field of tall grass",
            "a field of wheat in the wind",
            "grass bending in the wind",
            "leaves blowing in the wind",
            "a windy field",
            "the wind",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("golden", "yellow", "green")),
            Attribute("wind", (("calm", "in a light breeze"), (), ("stormy", "in a strong wind"))),
            Attribute("leaves", ((), (), ("with flying leaves", "with leaves in the air"))),
            Attribute("sky", _SKY_WORDS),
            Attribute("heading", (("blowing to the left",), ("blowing to the right",))),
            Attribute("sun", (("with the sun on the left",), (), ("with the sun on the right",))),
        ),
        paint_wind,
    ),
)
"""Every scene of this file."""
