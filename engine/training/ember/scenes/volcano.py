"""A volcano at night, with lava."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.billows import billows
from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    fill,
    glow,
    knob,
    over,
    profile,
    ridged,
    sample,
    smoothstep,
    splats,
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
    rgb,
    shade,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import sky_gradient
from engine.training.ember.scenes.water import surface


def paint_volcano(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a volcano at night: lava from the crater and down its flanks, ash lit from below."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    shore = uniform(generator, batch, -0.72, -0.6)
    vx = knob(values["position"], -0.35, 0.35) * aspect
    top = knob(values["size"], 0.0, 0.3)
    tall = top - shore
    power = knob(values["eruption"], 0.15, 1.25)
    light = _night(generator, x, y, colour, (vx, top, shore), power)
    ash = knob(values["smoke"], 0.25, 1.05)
    lean = uniform(generator, batch, -0.45, 0.45)
    puffs = []
    for index in range(14):
        share = 1.0 - index / 14.0
        px = vx + lean * share**1.3 + 0.3 * share * ((index * 0.618) % 1.0 - 0.5)
        py = top + 0.05 + 0.95 * share + uniform(generator, batch, -0.04, 0.04)
        puffs.append((px, py, ash * (0.12 + 0.34 * share)))
    light = billows(
        generator,
        light,
        (x, y),
        puffs,
        dark=shade(colour, light=0.2, vivid=0.45, turn=-0.6),
        bright=shade(colour, light=0.75, vivid=0.75),
        sun=(0.0, -0.95),
        opacity=0.88,
    )
    light = _fountain(generator, light, (x, y), (vx, top), colour, power)
    light = _cone(generator, light, x, y, (vx, top, tall), colour, values)
    near = torch.sqrt((x - vx) ** 2 + (y - top) ** 2)
    light = light + paint_flat(colour, power * (0.5 * glow(near, 0.12) + 0.12 * glow(near, 0.5)))
    light, _ = surface(
        generator,
        light,
        x,
        y,
        shore,
        roughness=uniform(generator, batch, 0.3, 0.8),
        body=shade(colour, light=0.14, turn=-0.6),
    )
    return finish(light, shine=0.55, vignette=0.25)


def _night(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    colour: Tensor,
    place: tuple[Tensor, Tensor, Tensor],
    power: Tensor,
) -> Tensor:
    """A dark sky that the crater lights."""
    batch, width = colour.shape[0], x.shape[2]
    vx, top, shore = place
    dusk = rgb("#3a3a66").to(x.device)
    stops = stack_colours(
        (
            0.5 * shade(colour, light=0.62, turn=-0.4) + 0.5 * dusk,
            0.25 * shade(colour, light=0.4, turn=-0.5) + 0.4 * dusk,
            rgb("#080a18").to(x.device).expand(batch, 3),
        )
    )
    light = sky_gradient(stops, y, shore, width=width)
    light = light + stars(generator, batch, x, y, count=70) * 0.6
    away = torch.sqrt((x - vx) ** 2 + (y - top - 0.1) ** 2)
    return light + paint_flat(colour, 0.5 * power * glow(away, 0.55))


def _fountain(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    crater: tuple[Tensor, Tensor],
    colour: Tensor,
    power: Tensor,
) -> Tensor:
    """Lava thrown from the crater: a hot core and clots on their arcs."""
    x, y = canvas_xy
    batch = colour.shape[0]
    vx, top = crater
    rise = (y - top + 0.04) / (0.5 * power)
    half = (0.05 + 0.1 * rise.clamp(0.0, 1.0)) * (0.4 + 0.6 * power)
    tile = texture(generator, batch, 128, cells=8, octaves=3)
    bend = sample(tile, (x - vx) * 0.5, y * 0.3)
    core = torch.exp(-(((x - vx) / half.clamp(min=0.02)) ** 2))
    heat = core * smoothstep(1.0 + 0.5 * bend, 0.0, rise) * smoothstep(-0.15, 0.0, rise)
    stops = stack_colours(
        (
            shade(colour, light=0.7),
            shade(colour, light=1.1),
            shade(colour, light=1.45, vivid=0.5, turn=0.3),
        )
    )
    light = over(
        light, ramp(stops, heat) * (0.6 + 1.2 * heat).unsqueeze(1), smoothstep(0.05, 0.5, heat)
    )
    count = 70
    angle = (draw(generator, batch, count) - 0.5) * 1.5
    flight = draw(generator, batch, count)
    speed = (0.35 + 0.65 * draw(generator, batch, count)) * power.view(-1, 1)
    away = 0.75 * speed * torch.sin(angle) * flight
    up = 1.25 * speed * torch.cos(angle) * flight - 0.75 * flight**2 * power.view(-1, 1)
    places = torch.stack((vx.view(-1, 1) + away, top.view(-1, 1) + up), dim=-1)
    lit = (0.9 - 0.4 * flight).unsqueeze(-1) * shade(colour, light=1.15, vivid=0.9).unsqueeze(1)
    return light + splats(x, y, places, 0.007 + 0.008 * draw(generator, batch, count), 1.3 * lit)


def _cone(
    generator: torch.Generator,
    light: Tensor,
    x: Tensor,
    y: Tensor,
    place: tuple[Tensor, Tensor, Tensor],
    colour: Tensor,
    values: Values,
) -> Tensor:
    """The mountain with its streams of lava; `place` is x, top and height."""
    vx, top, tall = place
    batch, height, width = colour.shape[0], y.shape[1], x.shape[2]
    u = x - vx
    ragged = profile(generator, batch, x, cells=3.0, octaves=5)
    slope = (
        1.06
        * tall
        * (1.0 - torch.exp(-2.3 * ((u.abs() - 0.1).clamp(min=0.0)) / (0.55 * tall + 0.4)))
    )
    crest = top - slope * 1.08 + 0.03 * ragged + 0.05 * smoothstep(0.0, 0.1, u.abs()) - 0.05
    mask = fill(y - crest, 0.012)
    crag = ridged(generator, batch, height, width, cells=4.5, octaves=4, stretch=0.7)
    down = ((top - y) / tall).clamp(0.0, 1.0)
    near = torch.exp(-3.2 * down)
    rock = shade(colour, light=0.2, vivid=0.35, turn=-0.7)
    stone = paint_flat(rock, 0.2 + 0.65 * crag) + paint_flat(colour, 0.3 * near * crag**2)
    tile = texture(generator, batch, 256, cells=8, octaves=3, gain=0.5)
    total = torch.zeros_like(crag)
    wanted = knob(values["lava"], 0.9, 5.4)
    for index in range(5):
        side = (0.1, -0.5, 0.65, -1.0, 1.1)[index] + uniform(generator, batch, -0.15, 0.15)
        path = side * (0.05 + 0.75 * tall * down**1.25)
        path = path + 0.13 * down * sample(tile, down * 0.35 + 0.2 * index, u * 0.0 + 0.11 * index)
        half = 0.022 + 0.03 * down
        reach = smoothstep(1.05, 0.8, down / (0.65 + 0.35 * uniform(generator, batch)))
        flow = torch.exp(-(((u - path) / half) ** 2)) * reach
        halo = 0.22 * glow(u - path, 3.0 * half) * reach
        total = torch.maximum(total, (flow + halo) * (wanted > index).float())
    hot = stack_colours(
        (
            shade(colour, light=0.3, turn=-0.15),
            shade(colour, light=0.9),
            shade(colour, light=1.15, turn=0.12),
            shade(colour, light=1.5, vivid=0.5, turn=0.3),
        )
    )
    crust = total * (0.78 + 0.3 * crag)
    fire = ramp(hot, crust) * (0.4 + 1.3 * crust).unsqueeze(1)
    stone = over(stone, fire, smoothstep(0.06, 0.4, total))
    return over(light, stone, mask)


SCENES_VOLCANO: tuple[Scene, ...] = (
    Scene(
        "volcano",
        (
            "a volcano",
            "an erupting volcano",
            "a volcano with lava",
            "lava flowing down a mountain",
            "a volcanic eruption",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("red", "orange")),
            Attribute("size", (("small",), (), ("huge", "towering"))),
            Attribute(
                "eruption", (("quiet", "sleeping"), (), ("violent", "with a fountain of lava"))
            ),
            Attribute("lava", (("with a single stream",), (), ("with rivers of lava",))),
            Attribute(
                "smoke", (("under a clear sky",), (), ("in clouds of ash", "with thick smoke"))
            ),
            Attribute("position", (("on the left",), (), ("on the right",))),
        ),
        paint_volcano,
    ),
)
"""Every scene of this file."""
