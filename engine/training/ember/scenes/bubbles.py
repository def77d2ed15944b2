"""Soap bubbles."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    canvas,
    fbm,
    fill,
    glow,
    knob,
    rotate,
    sample,
    smoothstep,
    stack_colours,
    texture,
    uniform,
)
from engine.training.ember.scenes.fluids import iridescence
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    ramp,
    shade,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.stamp import stamp


def paint_bubbles(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint soap bubbles: rainbow skins and mirrored windows before a soft, dappled background."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, -0.9, 0.9).view(-1)
    clouds = fbm(generator, batch, height, width, cells=1.3, octaves=2)
    day = knob(values["light"], 0.25, 1.0)
    stops = stack_colours(
        (
            shade(colour, light=0.3, turn=-turn),
            shade(colour, light=0.6),
            shade(colour, light=0.95, turn=turn),
            shade(colour, light=1.25, vivid=0.6, turn=turn),
        )
    )
    light = ramp(stops, 0.42 + 0.25 * y + 0.25 * clouds + 0.1 * x) * (0.22 + 0.7 * day).unsqueeze(
        1
    )
    for _ in range(7):
        bx, by = uniform(generator, batch, -aspect, aspect), uniform(generator, batch, -1.0, 1.0)
        size = uniform(generator, batch, 0.07, 0.2)
        away = torch.sqrt((x - bx) ** 2 + (y - by) ** 2)
        blur = smoothstep(size, size * 0.8, away) * (0.6 + 0.4 * (away / size))
        light = light + paint_flat(shade(colour, light=1.2, vivid=0.7, turn=turn), 0.13 * blur)
    tile = texture(generator, batch, cells=4, octaves=3)
    total = 11
    wanted = knob(values["count"], 3.0, 11.5)
    big = knob(values["size"], 0.2, 0.42)
    bright = shade(colour, light=1.4, vivid=0.3)
    for index in range(total):
        rank = (index + 1) / total
        size = big * (0.3 + 0.85 * rank**1.6) * uniform(generator, batch, 0.8, 1.2)
        bx = uniform(generator, batch, -0.95 * aspect, 0.95 * aspect)
        by = uniform(generator, batch, -0.85, 0.85)
        shown = (wanted > total - index - 1).float()

        def float_by(
            which: slice,
            patch: Tensor,
            px: Tensor,
            py: Tensor,
            place: tuple[Tensor, Tensor, Tensor] = (bx, by, size),
            number: int = index,
        ) -> Tensor:
            ox, oy, big = (figure[which] for figure in place)
            u, v = (px - ox) / big, (py - oy) / big
            return _bubble(patch, tile[which], u, v, bright[which], number)

        light = stamp(light, (x, y), (bx, by), 1.06 * size * shown, float_by)
    return finish(light, shine=0.35, vignette=0.2)


def _bubble(
    light: Tensor, tile: Tensor, u: Tensor, v: Tensor, bright: Tensor, index: int
) -> Tensor:
    """Lay one bubble of radius 1 about the origin of u, v over the picture."""
    square = u * u + v * v
    radius = torch.sqrt(square)
    inside = fill(radius - 1.0, 0.03)
    rim = (1.0 - square).clamp(min=0.0).sqrt()
    edge = (1.0 - rim) ** 2
    flow = sample(tile, u * 0.11 + 0.19 * index, v * 0.11 + 0.37 * index)
    bow = iridescence(7.0 * edge + 3.5 * flow + 2.2 * v + 1.7 * index)
    skin = bow * (0.06 + 0.95 * edge + 0.14 * smoothstep(0.2, 0.9, flow + 0.5)).unsqueeze(1)
    clear = 1.0 - 0.35 * inside * (0.35 + edge)
    light = light * clear.unsqueeze(1) + skin * inside.unsqueeze(1)
    outline = smoothstep(0.05, 0.0, (radius - 0.975).abs())
    light = light + paint_flat(bright, 0.55 * outline * (0.5 + 0.5 * v).clamp(min=0.15))
    window = _window(u + 0.42, v - 0.45) + 0.45 * _window((u - 0.4) * 1.6, (v + 0.5) * 1.6)
    spot = glow(torch.sqrt((u + 0.6) ** 2 + (v - 0.28) ** 2), 0.07) * inside
    return light + (1.1 * window + 0.7 * spot).unsqueeze(1)


def _window(u: Tensor, v: Tensor) -> Tensor:
    """Return a curved bright patch, as a window mirrored in a sphere."""
    bent_u, bent_v = rotate(u, v, -0.75)
    distance = torch.sqrt((bent_u * 1.0) ** 2 + ((bent_v + 0.9 * bent_u * bent_u) * 2.6) ** 2)
    return smoothstep(0.26, 0.1, distance)


SCENES_BUBBLES: tuple[Scene, ...] = (
    Scene(
        "soap bubbles",
        ("soap bubbles", "floating bubbles", "iridescent bubbles", "bubbles in the air"),
        (
            Attribute("hue", HUE_WORDS, natural=("cyan", "blue")),
            Attribute("count", (("a few", "several"), (), ("many", "a swarm of"))),
            Attribute("size", (("small",), (), ("big", "huge"))),
            Attribute(
                "light", (("in the dark", "at night"), (), ("in bright light", "in daylight"))
            ),
        ),
        paint_bubbles,
    ),
)
"""Every scene of this file."""
