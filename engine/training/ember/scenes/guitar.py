"""A guitar, acoustic or electric, in the light of a stage."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import stage
from engine.training.ember.scenes.fields import (
    canvas,
    glow,
    knob,
    rotate,
    sdf_box,
    smooth_minimum,
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
    Point,
    cover,
    lay,
    limb,
    model_grid,
    oval,
    relief,
)

FINISHES = palette_table(
    (  # edge, body, middle
        ("#5a2710", "#c8742c", "#f2b65c"),
        ("#5e0a10", "#c3161f", "#ec4a3a"),
        ("#08080a", "#1c1c22", "#4a4a56"),
        ("#a8a49a", "#ece8dc", "#fffdf4"),
        ("#0a1c5a", "#1f55c8", "#58a0ee"),
        ("#08402f", "#158a5e", "#5cc894"),
    )
)
FINISH_WORDS = (
    ("wooden", "sunburst"),
    ("red", "cherry-red"),
    ("black", "ebony"),
    ("white", "ivory"),
    ("blue", "sky-blue"),
    ("green", "emerald"),
)


def paint_guitar(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a guitar that leans across the picture, strings gleaming, beams of a stage behind."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.3, 1.6).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    light = stage(
        generator,
        x,
        y,
        torch.stack((colour, shade(colour, turn=turn)), dim=1),
        beams=knob(values["beams"], 0.4, 5.4),
        smoke=knob(values["smoke"], 0.0, 1.0),
        floor=uniform(generator, batch, -0.95, -0.8),
    )
    lean = knob(values["lean"], -0.75, 0.75)
    size = knob(values["size"], 0.68, 0.9) * min(1.0, 0.25 + 0.75 * aspect)
    cx = uniform(generator, batch, -0.12, 0.12) * aspect
    cy = uniform(generator, batch, -0.06, 0.06)
    u, v = rotate(x - cx, y - cy, lean)
    halo = glow(torch.sqrt((u * 1.6) ** 2 + (v + 0.2) ** 2), 0.7)
    light = light + paint_flat(shade(colour, light=1.1, vivid=0.9), 0.5 * halo)
    bright = shade(colour, light=1.4, vivid=0.55)
    side = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    model = _guitar(values, pick(FINISHES, values["finish"]), bright, (0.75 * side, 0.6))
    light = lay(light, (x, y), (cx, cy, size, torch.ones_like(cx), lean), model)
    return finish(light, shine=0.4, vignette=0.3)


def _guitar(values: Values, tones: Tensor, bright: Tensor, side: Point) -> tuple[Tensor, Tensor]:
    """A guitar that stands upright, its strings towards the viewer."""
    u, v = model_grid(tones.device)
    batch = tones.shape[0]
    electric = values["kind"].view(-1, 1, 1) > 0.5
    wooden, holes = _acoustic_body(u, v)
    solid, plates = _electric_body(u, v)
    body = torch.where(electric, solid, wooden)
    middle = smoothstep(-0.02, -0.3, body)
    gloss = smoothstep(0.75, 1.0, torch.cos(3.2 * (u * side[0] + v - 0.2)))
    board = ramp(stack_colours((tones[:, 0], tones[:, 1], tones[:, 2])), 0.15 + 0.85 * middle)
    form, rim = relief(body, 0.1, side)
    skin = board * (0.5 + 0.75 * form).unsqueeze(1) + paint_flat(bright, 0.14 * gloss)
    trim = body.abs() - 0.016
    skin = cover(skin, tint(rgb("#efe2c4").to(u.device)) * 0.7, trim + 0.0 * u, 0.02)
    skin = _fittings(skin, (u, v), electric, (holes, plates), bright)
    neck, head, pegs = _neck(u, v)
    rosewood = tint(rgb("#3b2114").to(u.device)) * relief(neck, 0.08, side)[0].unsqueeze(1) * 1.6
    skin = cover(skin, rosewood, neck, 0.02)
    frets = (torch.remainder(v * 7.0, 1.0) - 0.5).abs() - 0.42
    steel = tint(0.45 + 0.4 * bright)
    fretted = torch.maximum(-frets / 7.0, neck + 0.012)
    skin = cover(skin, 0.45 * steel, fretted, 0.012)
    top = torch.where(electric.unsqueeze(1), tint(tones[:, 1]), tint(tones[:, 0]))
    skin = cover(skin, top * (0.5 + form.new_full((), 0.4)), head, 0.02)
    skin = cover(skin, steel, pegs, 0.02)
    string = torch.full_like(u + v, 9.0)
    for index in range(3):
        foot = 0.032 * (index - 1)
        string = torch.minimum(string, limb(u, v, (1.5 * foot, -0.74), (foot, 0.9), 0.004, 0.004))
    outline = torch.minimum(torch.minimum(body, neck), torch.minimum(head, pegs))
    skin = cover(skin, steel * 1.2, string, 0.012)
    _, rim = relief(outline.expand(batch, -1, -1), 0.08, side)
    return outline, skin + paint_flat(bright, 0.7 * rim)


def _acoustic_body(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of a waisted body, and of its sound hole."""
    lower = oval(u, v, (0.0, -0.64), 0.45, 0.39)
    upper = oval(u, v, (0.0, -0.12), 0.33, 0.27)
    hole = torch.sqrt(u**2 + (v + 0.3) ** 2) - 0.13
    return smooth_minimum(lower, upper, 0.13), hole


def _electric_body(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of a solid body with two horns, and of its pick guard."""
    lower = oval(u, v, (0.02, -0.68), 0.4, 0.33, 0.15)
    waist = oval(u, v, (0.0, -0.36), 0.31, 0.22)
    left = limb(u, v, (-0.17, -0.36), (-0.27, -0.02), 0.15, 0.065)
    right = limb(u, v, (0.17, -0.36), (0.26, -0.1), 0.14, 0.06)
    body = smooth_minimum(smooth_minimum(lower, waist, 0.12), torch.minimum(left, right), 0.07)
    guard = torch.maximum(oval(u, v, (0.12, -0.46), 0.3, 0.3), body + 0.07)
    return body, guard


def _fittings(
    skin: Tensor,
    uv: tuple[Tensor, Tensor],
    electric: Tensor,
    plates: tuple[Tensor, Tensor],
    bright: Tensor,
) -> Tensor:
    """Lay hole and bridge on an acoustic guitar; guard, pickups and knobs on an electric one."""
    u, v = uv
    hole, guard = plates
    away = torch.full_like(hole, 9.0)
    dark = tint(rgb("#0d0907").to(u.device))
    steel = tint(0.35 + 0.35 * bright)
    pearl = tint(rgb("#e8e2d2").to(u.device))
    bridge = sdf_box(u, v + 0.74, 0.16, 0.032)
    pickups = torch.minimum(sdf_box(u, v + 0.36, 0.12, 0.035), sdf_box(u, v + 0.56, 0.12, 0.035))
    knobs = torch.minimum(
        torch.sqrt((u - 0.27) ** 2 + (v + 0.62) ** 2), torch.sqrt((u - 0.22) ** 2 + (v + 0.8) ** 2)
    )
    skin = cover(skin, pearl * 0.8, torch.where(electric, away, hole - 0.035), 0.02)
    skin = cover(skin, dark, torch.where(electric, away, hole), 0.02)
    skin = cover(skin, pearl * 0.75, torch.where(electric, guard, away), 0.02)
    skin = cover(skin, dark, torch.where(electric, pickups, away), 0.02)
    skin = cover(skin, steel, torch.where(electric, knobs - 0.042, away), 0.02)
    metal = torch.where(electric.unsqueeze(1), steel, dark + 0.05)
    return cover(skin, metal, bridge, 0.02)


def _neck(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distances of the neck, of the head that it ends in, and of the tuning pegs."""
    neck = limb(u, v, (0.0, -0.16), (0.0, 0.86), 0.066, 0.052)
    head = sdf_box(u, v - 1.02, 0.072 + 0.05 * (v - 0.9), 0.13) - 0.02
    pegs = torch.full_like(neck, 9.0)
    for rung in range(3):
        knob_at = oval(u.abs(), v, (0.15, 0.93 + 0.085 * rung), 0.042, 0.028)
        pegs = torch.minimum(pegs, knob_at)
    return neck, head, pegs


SCENES_GUITAR: tuple[Scene, ...] = (
    Scene(
        "guitar",
        ("a guitar", "a guitar on stage", "a six-string guitar", "a rock guitar"),
        (
            Attribute("finish", FINISH_WORDS, natural=("wooden", "red")),
            Attribute("kind", (("acoustic", "classical"), ("electric",))),
            Attribute("hue", LIGHT_WORDS, natural=("in blue light", "in golden light")),
            Attribute("lean", (("leaning right",), (), ("leaning left",))),
            Attribute("beams", (("in soft light",), (), ("in stage lights", "in spotlights"))),
            Attribute("smoke", (("in clear air",), (), ("in smoke", "in haze"))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_guitar,
    ),
)
"""Every scene of this file."""
