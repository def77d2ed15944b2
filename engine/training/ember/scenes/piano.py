"""A grand piano on a shining stage."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import mirror_floor, spotlight, stage
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    sdf_box,
    smoothstep,
    stack_colours,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
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
    LIGHT_WORDS,
    cover,
    facing_sign,
    lay,
    limb,
    model_grid,
    oval,
    relief,
)

LACQUERS = palette_table((("#17171c",), ("#f0ece4",), ("#7a3a1c",), ("#a3121e",)))
LACQUER_WORDS = (
    ("black", "ebony"),
    ("white", "ivory"),
    ("wooden", "brown"),
    ("red", "crimson"),
)


def paint_piano(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a grand piano, its lid raised, mirrored in the floor of a stage in coloured light."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.2, 0.9).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    floor = uniform(generator, batch, -0.46, -0.36)
    light = stage(
        generator,
        x,
        y,
        torch.stack((colour, shade(colour, turn=turn)), dim=1),
        beams=uniform(generator, batch, -0.6, 1.9),
        smoke=knob(values["smoke"], 0.0, 1.0),
        floor=floor,
    )
    size = knob(values["size"], 0.66, 0.88) * min(1.0, 0.05 + 0.95 * aspect)
    facing = facing_sign(values["facing"])
    cx = uniform(generator, batch, -0.1, 0.1) * aspect
    foot = floor - 0.16
    cy = foot + 0.84 * size
    bright = shade(colour, light=1.4, vivid=0.55)
    power = knob(values["spotlight"], 0.0, 0.9)
    halo = glow(torch.sqrt(((x - cx) * 0.8) ** 2 + (y - cy - 0.1) ** 2), 0.75 * size)
    light = light + paint_flat(shade(colour, light=1.15, vivid=0.8), 0.75 * halo)
    top_x = cx + uniform(generator, batch, -0.5, 0.5) * aspect
    light = light + paint_flat(bright, power * spotlight(x, y, top_x, (cx, foot)))
    pool = fill(oval(x, y, (cx, foot + 0.02), 1.15 * size, 0.17 * size), 0.3)
    light = light + paint_flat(bright, (0.12 + 0.4 * power) * pool)
    tones = pick(LACQUERS, values["lacquer"])[:, 0]
    cast = 0.3 + 0.7 * colour / colour.amax(dim=1, keepdim=True)
    lid = knob(values["lid"], 0.35, 1.05)
    model = _grand(tones * cast, cast, bright, lid)
    light = lay(light, (x, y), (cx, cy, size, facing, torch.zeros_like(cx)), model)
    light = mirror_floor(light, y, foot, 0.5)
    return finish(light, shine=0.4, vignette=0.3)


def _grand(lacquer: Tensor, cast: Tensor, bright: Tensor, lid: Tensor) -> tuple[Tensor, Tensor]:
    """A grand piano from the side, keys at its left; `lid` is how far it stands open."""
    u, v = model_grid(lacquer.device)
    batch = lacquer.shape[0]
    u = u - 0.16
    case = sdf_box(u - 0.06, v, 0.76, 0.09) - 0.04
    block = sdf_box(u + 0.86, v + 0.04, 0.15, 0.055) - 0.02
    keys = sdf_box(u + 0.87, v - 0.045, 0.13, 0.02)
    desk = limb(u, v, (-0.56, 0.1), (-0.64, 0.36), 0.018, 0.018)
    cover_, wing = _lid(u, v, lid)
    legs = _legs(u, v)
    bench = sdf_box(u + 1.22, v + 0.42, 0.17, 0.035) - 0.02
    bench = torch.minimum(
        bench, limb((u + 1.22).abs(), v, (0.13, -0.42), (0.14, -0.83), 0.025, 0.02)
    )
    outline = case
    for part in (block, keys, desk, cover_, legs, bench):
        outline = torch.minimum(outline, part)
    side = (-0.5, 0.75)
    gold = rgb("#e0a63c").to(u.device) * cast
    polish = stack_colours(
        (0.35 * lacquer, lacquer, 0.75 * lacquer + 0.1 * bright, 0.4 * lacquer + 0.45 * bright)
    )
    band = 0.25 + 0.3 * smoothstep(-0.13, 0.13, v) + 0.28 * torch.cos(4.2 * u - 0.6)
    skin = ramp(polish, band.expand(batch, -1, -1))
    skin = cover(skin, 0.55 * skin, torch.minimum(legs, bench), 0.02)
    shine = torch.exp(-(((wing - 0.42) / 0.16) ** 2))
    inner = ramp(polish, 0.12 + 0.55 * shine) + paint_flat(
        gold, 0.5 * torch.exp(-5.0 * (v - 0.1).clamp(min=0.0))
    )
    skin = cover(skin, inner, torch.maximum(cover_, -case), 0.02)
    strings = torch.maximum((v - 0.15).abs() - 0.035, (u - 0.14).abs() - 0.62)
    skin = cover(
        skin, tint(gold) * (0.65 + 0.35 * torch.cos(60.0 * u)).unsqueeze(1), strings, 0.02
    )
    prop = limb(u, v, (0.42, 0.12), (0.2, 0.13 + 0.52 * lid), 0.014, 0.014)
    skin = cover(skin, tint(gold), prop, 0.02)
    ivory = tint(0.75 * cast)
    black = (torch.remainder(u * 22.0, 1.0) - 0.5).abs() - 0.2
    piano_keys = ivory * (0.15 + 0.85 * smoothstep(-0.1, 0.1, black)).unsqueeze(1)
    skin = cover(skin, piano_keys, keys, 0.015)
    metal = torch.minimum(
        limb(u, v, (-0.44, -0.76), (-0.26, -0.76), 0.03, 0.03),
        torch.sqrt(((u - 0.03).abs() - 0.7) ** 2 + (v + 0.82) ** 2) - 0.045,
    )
    skin = cover(skin, tint(gold), torch.maximum(metal, legs), 0.02)
    _, rim = relief(outline.expand(batch, -1, -1), 0.1, side)
    edge = smoothstep(-0.035, 0.0, outline) * smoothstep(0.1, 0.2, v)
    return outline, skin + paint_flat(bright, 0.6 * rim + 0.25 * edge)


def _lid(u: Tensor, v: Tensor, lid: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the raised lid, and how far up it a place lies (0 at the case to 1)."""
    across = ((0.82 - u) / 1.32).clamp(0.0, 1.0)
    rise = (0.22 * across + 0.7 * smoothstep(0.0, 1.0, across)) * lid
    top = v - 0.1 - rise
    left = -0.5 - 0.22 * (v - 0.1) - u
    distance = torch.maximum(torch.maximum(0.75 * top, left), 0.06 - v)
    return torch.maximum(distance, u - 0.82), (v - 0.1) / rise.clamp(min=0.05)


def _legs(u: Tensor, v: Tensor) -> Tensor:
    """Distance to three legs and the lyre of the pedals."""
    legs = limb(u, v, (-0.67, -0.1), (-0.67, -0.8), 0.075, 0.035)
    legs = torch.minimum(legs, limb(u, v, (0.73, -0.1), (0.73, -0.8), 0.075, 0.035))
    legs = torch.minimum(legs, limb(u, v, (0.28, -0.1), (0.28, -0.68), 0.06, 0.03))
    casters = torch.sqrt(((u - 0.03).abs() - 0.7) ** 2 + (v + 0.82) ** 2) - 0.045
    lyre = limb((u + 0.35).abs(), v, (0.03, -0.1), (0.045, -0.7), 0.018, 0.018)
    pedals = limb(u, v, (-0.44, -0.76), (-0.26, -0.76), 0.03, 0.03)
    return torch.minimum(torch.minimum(legs, casters), torch.minimum(lyre, pedals))


SCENES_PIANO: tuple[Scene, ...] = (
    Scene(
        "grand piano",
        (
            "a grand piano",
            "a piano",
            "a concert grand on a stage",
            "a piano in the spotlight",
        ),
        (
            Attribute("lacquer", LACQUER_WORDS, natural=("black",)),
            Attribute("hue", LIGHT_WORDS, natural=("in blue light", "in golden light")),
            Attribute("lid", (("with its lid almost closed",), (), ("with its lid wide open",))),
            Attribute(
                "spotlight",
                (("in soft light",), (), ("in a bright spotlight", "under a spotlight")),
            ),
            Attribute("smoke", (("in clear air",), (), ("in smoke", "in mist"))),
            Attribute("facing", (("with its keys on the right",), ("with its keys on the left",))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_piano,
    ),
)
"""Every scene of this file."""
