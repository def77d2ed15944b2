"""A concert seen from among the crowd: raised hands before the lights of the stage."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import stage
from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    fill,
    glow,
    knob,
    lookup,
    mix,
    over,
    smooth_minimum,
    smoothstep,
    splats,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sculpt import (
    chain,
    join,
    lay,
    limb,
    model_grid,
    oval,
    relief,
)

_ROWS = 3
_ARMS = 6  # per row


def paint_crowd(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint rows of heads and raised hands, dark before a blazing stage and its beams."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = knob(values["contrast"], 0.1, 1.7).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    second = shade(colour, light=1.05, turn=turn)
    brim = knob(values["size"], -0.5, -0.22)
    smoke = knob(values["smoke"], 0.1, 1.0)
    light = stage(
        generator,
        x,
        y,
        torch.stack((colour, second), dim=1),
        beams=knob(values["beams"], 1.0, 6.4),
        smoke=smoke,
        floor=brim - 0.25,
    )
    bright = shade(colour, light=1.35, vivid=0.6)
    blaze = knob(values["glow"], 0.35, 1.3)
    sx = uniform(generator, batch, -0.3, 0.3) * aspect
    away = torch.sqrt(((x - sx) * 0.7) ** 2 + ((y - brim - 0.12) * 1.25) ** 2)
    light = light + paint_flat(bright, blaze * (0.75 * glow(away, 0.3) + 0.3 * glow(away, 0.85)))
    light = light + _lamps(generator, (x, y), brim + 0.42, bright, second) * blaze.unsqueeze(1)
    arm = _arm(colour, bright)
    hands = knob(values["hands"], 0.6, _ROWS * _ARMS + 0.5)
    for row in range(_ROWS):
        near = (row + 1) / _ROWS
        radius = (0.045 + 0.075 * near**1.5) * (0.8 + knob(values["size"], 0.0, 0.6))
        base = brim - (0.05 + 0.3 * near**1.4) + 0.06
        tone = mix(0.16 * colour, 0.02 * colour, torch.full_like(colour, near))
        light = _arms(generator, light, (x, y), (row, near), (base, radius, hands), arm)
        light = _heads(generator, light, (x, y), (base, radius), (tone, bright, sx))
    return finish(light, shine=0.5, vignette=0.3)


def _lamps(
    generator: torch.Generator,
    canvas_xy: tuple[Tensor, Tensor],
    level: Tensor,
    bright: Tensor,
    second: Tensor,
) -> Tensor:
    """A row of lamps over the stage, shape `(b, 3, h, w)`."""
    batch = bright.shape[0]
    count = 7
    x, y = canvas_xy
    aspect = x.shape[2] / y.shape[1]
    places = torch.zeros(batch, count, 2, device=x.device)
    spread = torch.linspace(-0.62, 0.62, count, device=x.device) * min(aspect, 1.3)
    places[..., 0] = spread
    places[..., 1] = level.view(-1, 1) - 0.08 * spread.abs()
    power = (0.4 + 0.6 * draw(generator, batch, count)).unsqueeze(-1)
    light = power * torch.where(
        (torch.arange(count, device=x.device) % 2 == 0).view(1, -1, 1),
        bright.unsqueeze(1),
        second.unsqueeze(1),
    )
    radius = torch.full((batch, count), 0.026, device=x.device)
    return splats(x, y, places, radius, 1.5 * light) + splats(
        x, y, places, 3.2 * radius, 0.35 * light
    )


def _arm(colour: Tensor, bright: Tensor) -> tuple[Tensor, Tensor]:
    """A raised arm with an open hand, from (0, -1) to (0, 1), lit from behind."""
    u, v = model_grid(colour.device)
    sleeve = chain(u, v, ((0.05, -1.25), (-0.04, -0.3), (0.0, 0.3)), (0.22, 0.17, 0.12), 0.1)
    palm = oval(u, v, (0.0, 0.45), 0.19, 0.22)
    fingers = [
        limb(
            u,
            v,
            (0.09 * k - 0.1, 0.55),
            (0.17 * k - 0.18, 0.98 - 0.05 * (k - 1) ** 2),
            0.06,
            0.045,
        )
        for k in range(4)
    ]
    thumb = chain(u, v, ((-0.1, 0.38), (-0.3, 0.5), (-0.38, 0.68)), (0.07, 0.06, 0.045))
    distance = join([sleeve, palm, thumb, *fingers], 0.04)
    _, rim = relief(distance, 0.2, (0.0, 1.0))
    edge = rim + 0.5 * fill(distance.abs() - 0.02, 0.05)
    return distance, tint(0.05 * colour) + paint_flat(0.55 * bright, edge)


def _arms(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    row: tuple[int, float],
    frame: tuple[Tensor, Tensor, Tensor],
    arm: tuple[Tensor, Tensor],
) -> Tensor:
    """Raise hands over a row of heads; `row` is its index and nearness."""
    base, radius, hands = frame
    index_of_row, near = row
    batch = light.shape[0]
    aspect = light.shape[-1] / light.shape[-2]
    skin = arm[1] * (0.45 + 0.55 * (1.3 - near))
    for index in range(_ARMS):
        # turn about, so that few hands are spread over all rows
        shown = (hands > index * _ROWS + (_ROWS - 1 - index_of_row)).float()
        share = ((index * 0.618 + 0.37 * index_of_row + 0.1) % 1.0) * 2.0 - 1.0
        ax = share * aspect * 0.95 + uniform(generator, batch, -0.12, 0.12)
        size = radius * uniform(generator, batch, 2.0, 2.7)
        ay = base + radius * uniform(generator, batch, 1.2, 2.4)
        lean = -0.22 * ax / aspect + uniform(generator, batch, -0.28, 0.28)
        hand = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
        light = lay(light, canvas_xy, (ax, ay, size, hand, lean), (arm[0], skin), shown=shown)
    return light


def _heads(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    frame: tuple[Tensor, Tensor],
    tones: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """Lay a row of heads and shoulders, rims lit by the stage (x of its light in `tones`)."""
    x, y = canvas_xy
    base, radius = frame
    dark, bright, sx = tones
    batch = light.shape[0]
    pitch = 2.9 * radius
    cells = x / pitch + uniform(generator, batch, 0.0, 9.0)
    cell = torch.floor(cells)
    chance = lookup(draw(generator, batch, 2, 64), torch.remainder(cell, 64.0).long())
    across = (cells - cell - 0.5 - 0.24 * (chance[:, 0] - 0.5)) * pitch
    level = y - base - radius * 1.1 * (chance[:, 1] - 0.5)
    head = torch.sqrt((across * 1.12) ** 2 + level**2) - radius
    body = level + 1.3 * radius + 0.32 * (across / radius).abs() ** 1.7 * radius
    shape = smooth_minimum(0.9 * head, body, 0.3 * radius)
    shape = torch.minimum(shape, y - base + 2.3 * radius)
    rim = smoothstep(-0.25, 0.0, shape / radius) * smoothstep(-0.3, 1.0, level / radius)
    rim = rim * glow(x - sx, 0.9)
    return over(light, tint(dark) + paint_flat(0.4 * bright, rim), fill(shape, 0.01))


SCENES_CROWD: tuple[Scene, ...] = (
    Scene(
        "crowd",
        (
            "a crowd at a concert",
            "a concert crowd with raised hands",
            "a cheering audience before the stage lights",
            "a festival crowd",
            "a rave",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("violet", "blue", "magenta")),
            Attribute("hands", (("watching quietly",), (), ("with hands in the air", "cheering"))),
            Attribute(
                "beams", (("with one spotlight",), (), ("with many beams", "in a light show"))
            ),
            Attribute("contrast", (("in one colour",), (), ("in two colours", "colourful"))),
            Attribute("smoke", (("in clear air",), (), ("in smoke", "in haze"))),
            Attribute("glow", (("in dim light",), (), ("in blazing light", "in bright light"))),
            Attribute("size", (("seen from far",), (), ("seen from close by", "close"))),
        ),
        paint_crowd,
    ),
)
"""Every scene of this file."""
