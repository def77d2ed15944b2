"""A drum kit on a stage in coloured light."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import mirror_floor, stage
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
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
from engine.training.ember.scenes.sculpt import (
    Point,
    cover,
    lay,
    limb,
    model_grid,
    oval,
    relief,
)

SHELLS = palette_table(
    (("#b0141e",), ("#15151b",), ("#e6e2da",), ("#1d4fc0",), ("#c98a2c",)),
)
SHELL_WORDS = (
    ("with red drums",),
    ("with black drums",),
    ("with white drums",),
    ("with blue drums",),
    ("with golden drums", "with wooden drums"),
)


def paint_drums(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a drum kit from the front: bass drum, toms, cymbals, beams of light behind it."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = knob(values["contrast"], 0.1, 1.7).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    floor = uniform(generator, batch, -0.62, -0.5)
    light = stage(
        generator,
        x,
        y,
        torch.stack((colour, shade(colour, light=1.05, turn=turn)), dim=1),
        beams=knob(values["beams"], 0.5, 6.0),
        smoke=knob(values["smoke"], 0.0, 1.0),
        floor=floor,
    )
    size = knob(values["size"], 0.6, 0.8) * min(1.0, 0.1 + 0.9 * aspect)
    cx = uniform(generator, batch, -0.1, 0.1) * aspect
    foot = floor - 0.14
    cy = foot + 0.92 * size
    bright = shade(colour, light=1.4, vivid=0.6)
    halo = glow(torch.sqrt(((x - cx) * 0.8) ** 2 + (y - cy - 0.1) ** 2), 0.7 * size)
    light = light + paint_flat(bright, 0.55 * halo)
    shadow = 0.6 * fill(oval(x, y, (cx, foot), 1.05 * size, 0.1 * size), 0.12)
    light = light * (1.0 - shadow).unsqueeze(1)
    side = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    tones = pick(SHELLS, values["shells"])[:, 0]
    model = _kit(generator, (tones, colour, bright), (0.7 * side, 0.65))
    place = (cx, cy, size, torch.ones_like(cx), torch.zeros_like(cx))
    light = lay(light, (x, y), place, model)
    light = mirror_floor(light, y, foot - 0.02, 0.35)
    return finish(light, shine=0.45, vignette=0.3)


def _kit(
    generator: torch.Generator, tones: tuple[Tensor, Tensor, Tensor], side: Point
) -> tuple[Tensor, Tensor]:
    """A drum kit seen from the front; `tones` are its shells', the light's and the glints'."""
    shell, colour, bright = tones
    batch = shell.shape[0]
    u, v = model_grid(shell.device)
    cast = 0.3 + 0.7 * colour / colour.amax(dim=1, keepdim=True)
    steel = tint(cast) * 0.55
    stands = _stands(u, v)
    outline = stands
    skin = (steel * (0.6 + 0.4 * torch.cos(40.0 * u)).unsqueeze(1)).expand(
        batch, 3, *v.shape[1:2], u.shape[2]
    )
    tubs = (  # centre, half width, half height, how far its rims bow
        ((-0.74, -0.3), 0.25, 0.13, 0.05),
        ((0.76, -0.48), 0.28, 0.28, 0.06),
        ((-0.29, 0.2), 0.25, 0.2, 0.07),
        ((0.29, 0.2), 0.25, 0.2, 0.07),
    )
    for centre, half, tall, bow in tubs:
        distance, layer = _tub(u, v, (centre, half, tall, bow), (shell * cast, cast), bright)
        outline = torch.minimum(outline, distance)
        skin = cover(skin, layer, distance, 0.02)
    bass, layer = _bass_drum(u, v, (shell * cast, cast, bright), side)
    outline = torch.minimum(outline, bass)
    skin = cover(skin, layer, bass, 0.02)
    brass = stack_colours(
        (
            rgb("#5a3a10").to(u.device) * cast,
            rgb("#d9a032").to(u.device) * cast,
            0.5 * rgb("#fff0b8").to(u.device) + 0.5 * bright,
        )
    )
    for where, half, lean in (
        ((-0.78, 0.72), 0.42, 0.16),
        ((0.82, 0.68), 0.44, -0.2),
        ((-1.0, 0.12), 0.24, 0.03),
    ):
        tilt = lean + uniform(generator, batch, -0.06, 0.06)
        disc = oval(u, v, where, half, 0.055, tilt)
        spread = (u - where[0]) / half
        sheen = 0.45 + 0.4 * torch.cos(5.0 * spread - 1.2 * side[0]) + 0.3 * (v - where[1]) / 0.06
        outline = torch.minimum(outline, disc)
        skin = cover(skin, ramp(brass, sheen + 0.0 * disc), disc, 0.02)
    _, rim = relief(outline.expand(batch, -1, -1), 0.08, side)
    return outline, skin + paint_flat(bright, 0.5 * rim)


def _stands(u: Tensor, v: Tensor) -> Tensor:
    """Distance to the thin legs and stands."""
    stands = torch.full_like(u + v, 9.0)
    for start, end in (
        ((-0.78, 0.72), (-0.72, -0.9)),
        ((0.82, 0.68), (0.9, -0.9)),
        ((-1.0, 0.12), (-1.0, -0.9)),
        ((-0.72, -0.6), (-0.95, -0.92)),
        ((-0.72, -0.6), (-0.52, -0.92)),
        ((0.54, -0.5), (0.52, -0.92)),
        ((0.98, -0.5), (1.02, -0.92)),
        ((-0.12, 0.2), (0.0, -0.1)),
        ((0.12, 0.2), (0.0, -0.1)),
        ((-1.0, -0.7), (-1.16, -0.92)),
    ):
        stands = torch.minimum(stands, limb(u, v, start, end, 0.02, 0.02))
    return stands


def _tub(
    u: Tensor,
    v: Tensor,
    shape: tuple[tuple[float, float], float, float, float],
    tones: tuple[Tensor, Tensor],
    bright: Tensor,
) -> tuple[Tensor, Tensor]:
    """Distance and skin of a drum that stands: its skin on top, hoops, a lacquered shell."""
    (cx, cy), half, tall, bow = shape
    shell, cast = tones
    a, b = u - cx, v - cy
    across = (a / half).clamp(-1.0, 1.0)
    sag = bow * torch.sqrt((1.0 - across * across).clamp(min=0.0))
    wall = torch.maximum(a.abs() - half, torch.maximum(b - tall, -(b + tall + sag)))
    top = oval(a, b, (0.0, tall), half, bow + 0.012)
    distance = torch.minimum(wall, top)
    round_ = torch.sqrt((1.0 - across * across).clamp(min=0.0))
    sheen = 0.3 + 0.6 * round_ + 0.7 * torch.exp(-(((across + 0.45) / 0.14) ** 2))
    skin = paint_flat(shell, sheen + 0.0 * b)
    skin = skin + paint_flat(bright, 0.12 * torch.exp(-(((across + 0.45) / 0.1) ** 2)) + 0.0 * b)
    hoop = torch.minimum((b - tall + 0.03 + sag).abs(), (b + tall - 0.03 + sag).abs()) - 0.026
    skin = cover(skin, tint(cast) * (0.3 + 0.5 * round_).unsqueeze(1), hoop, 0.02)
    head = tint(0.2 * cast + 0.6 * bright) * (0.75 + 0.25 * across).unsqueeze(1)
    return distance, cover(skin, head, top, 0.02)


def _bass_drum(
    u: Tensor, v: Tensor, tones: tuple[Tensor, Tensor, Tensor], side: Point
) -> tuple[Tensor, Tensor]:
    """Distance and skin of the bass drum, its head towards the viewer."""
    shell, cast, bright = tones
    a, b = u, v + 0.42
    radius = torch.sqrt(a * a + b * b)
    distance = radius - 0.49
    form, _ = relief(distance.expand(shell.shape[0], -1, -1), 0.1, side)
    skin = tint(shell) * (0.45 + 0.9 * form).unsqueeze(1)
    lugs = torch.cos(8.0 * torch.atan2(b, a))
    bolts = torch.maximum(0.75 - lugs, (radius - 0.455).abs() * 20.0 - 0.5) * 0.05
    skin = cover(skin, tint(cast) * 0.7, bolts, 0.02)
    head = tint(0.25 * cast + 0.5 * bright)
    shine = 0.55 + 0.35 * torch.cos(2.6 * (a * side[0] + b * side[1]) - 0.6)
    ring = smoothstep(0.03, 0.0, (radius - 0.24).abs())
    face = head * (shine * (1.0 - 0.55 * ring)).unsqueeze(1)
    skin = cover(skin, face, radius - 0.415, 0.02)
    port = torch.sqrt((a - 0.17 * math.sqrt(2.0)) ** 2 + (b + 0.2) ** 2) - 0.075
    return distance, cover(skin, 0.05 * tint(cast), port, 0.02)


SCENES_DRUMS: tuple[Scene, ...] = (
    Scene(
        "drums",
        (
            "a drum kit",
            "drums on a stage",
            "a drum set in stage light",
            "drums and cymbals",
            "percussion",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("blue", "violet", "red")),
            Attribute("shells", SHELL_WORDS),
            Attribute("beams", (("in soft light",), (), ("in many beams", "in a light show"))),
            Attribute("contrast", (("in one colour",), (), ("in two colours", "colourful"))),
            Attribute("smoke", (("in clear air",), (), ("in smoke", "in haze"))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_drums,
    ),
)
"""Every scene of this file."""
