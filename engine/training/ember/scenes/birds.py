"""A flock of birds against the sky."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    Figure,
    canvas,
    fbm,
    fill,
    glow,
    knob,
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
    ramp,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.stamp import stamp


def paint_birds(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a flock of birds against a glowing sky: sun behind clouds, wings at every beat."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.3, 0.9).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    low = knob(values["light"], -0.25, 0.2)
    sun_x, sun_y = (
        uniform(generator, batch, -0.6, 0.6) * aspect,
        uniform(generator, batch, -0.55, 0.2),
    )
    stops = stack_colours(
        (
            shade(colour, light=1.3, vivid=0.75, turn=-1.3 * turn),
            shade(colour, light=1.12, turn=-0.4 * turn),
            shade(colour, light=0.85, turn=0.3 * turn),
            shade(colour, light=0.5, turn=turn),
            shade(colour, light=0.25, turn=1.6 * turn),
        )
    )
    light = ramp(stops, (0.45 + 0.45 * y - low).expand(batch, height, width))
    away = torch.sqrt((x - sun_x) ** 2 + (y - sun_y) ** 2)
    bright = shade(colour, light=1.4, vivid=0.7, turn=-1.3 * turn)
    sun = 1.1 * fill(away - 0.2, 0.02) + 0.45 * glow(away, 0.4) + 0.2 * glow(away, 1.0)
    light = light + paint_flat(bright, sun)
    cloud = fbm(generator, batch, height, width, cells=2.2, octaves=5, stretch=2.6)
    cover = smoothstep(0.35, -0.5, knob(values["clouds"], -0.35, 0.35) * -1.0 - cloud + 0.2 * y)
    lit = smoothstep(-0.2, 0.9, cloud) * glow(away, 0.9)
    tone = ramp(
        stack_colours(
            (
                shade(colour, light=0.42, turn=turn),
                shade(colour, light=0.95, turn=0.2 * turn),
                bright,
            )
        ),
        0.25 + 0.75 * lit,
    )
    light = over(light, tone, 0.9 * cover)
    for layer in range(3):
        ridge = profile(generator, batch, x, cells=0.9 + 0.4 * layer, octaves=5, sharp=layer < 2)
        hill = fill(y + 0.6 + 0.13 * layer - 0.1 * ridge, 0.012)
        tone = shade(colour, light=0.62 - 0.24 * layer, turn=(0.3 + 0.35 * layer) * turn)
        mist = smoothstep(-0.05, 0.3, 0.1 * ridge - 0.6 - 0.13 * layer - y) * (0.35 - 0.1 * layer)
        land = tint(tone) + (tint(bright) - tint(tone)) * (mist * glow(x - sun_x, 1.6)).unsqueeze(
            1
        )
        light = over(light, land, hill)
    size = knob(values["size"], 0.055, 0.15)
    wanted = knob(values["count"], 4.0, 22.0)
    course = uniform(generator, batch, -0.3, 0.3)
    flock_x, flock_y = uniform(generator, batch, -0.25, 0.25), uniform(generator, batch, 0.0, 0.3)
    dark = shade(colour, light=0.1, turn=turn)
    for index in range(22):
        bx = flock_x + 1.43 * aspect * uniform(generator, batch, -0.5, 0.5)
        by = flock_y + uniform(generator, batch, -0.6, 0.5)
        scale = size * uniform(generator, batch, 0.55, 1.25)
        lean = course + uniform(generator, batch, -0.2, 0.2)
        beat = uniform(generator, batch, -0.55, 0.95)

        def fly(
            which: slice,
            patch: Tensor,
            px: Tensor,
            py: Tensor,
            place: tuple[Tensor, ...] = (bx, by, scale, lean, beat),
        ) -> Tensor:
            ox, oy, big, tilt, wing = (figure[which] for figure in place)
            u, v = rotate((px - ox) / big, (py - oy) / big, tilt)
            return over(patch, tint(dark[which]), bird_shape(u, v, wing, 0.02 / size[which]))

        light = stamp(light, (x, y), (bx, by), 1.2 * scale * (wanted > index), fly)
    return finish(light, shine=0.4, vignette=0.15)


def bird_shape(u: Tensor, v: Tensor, beat: Tensor, soft: Figure) -> Tensor:
    """Opacity of a bird of half-span 1: two arched wings, a body, a forked tail."""
    span = u.abs()
    arch = beat * (1.15 * span - 0.62 * span * span) + 0.12 * torch.sin(3.1 * span)
    thick = 0.15 * (1.0 - span).clamp(min=0.0) ** 0.7 * (0.55 + 0.6 * torch.exp(-3.0 * span))
    wing = torch.maximum((v - arch + 0.35 * thick).abs() - thick, span - 1.0)
    body = torch.sqrt((u / 0.11) ** 2 + ((v + 0.06) / 0.3) ** 2) - 1.0
    return fill(torch.minimum(wing, body * 0.1), soft * 0.5)


SCENES_BIRDS: tuple[Scene, ...] = (
    Scene(
        "birds",
        ("a flock of birds", "birds in the sky", "birds flying at sunset", "a flight of geese"),
        (
            Attribute("hue", HUE_WORDS, natural=("orange", "golden")),
            Attribute("count", (("a few",), (), ("many", "a great flock of"))),
            Attribute("size", (("distant", "small"), (), ("close", "large"))),
            Attribute("clouds", (("in a clear sky",), (), ("among clouds", "in a cloudy sky"))),
            Attribute("light", (("at dusk", "in dim light"), (), ("in bright light",))),
        ),
        paint_birds,
    ),
)
"""Every scene of this file."""
