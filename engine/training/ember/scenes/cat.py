"""A cat on a roof before the moon."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import moon_night
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    mix,
    over,
    sdf_box,
    smoothstep,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    palette_table,
    pick,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sculpt import (
    chain,
    coat,
    cover,
    facing_sign,
    join,
    lay,
    leaf,
    limb,
    model_grid,
    oval,
    relief,
)

FURS = palette_table(
    (  # body, stripes, breast
        ("#1a181d", "#121116", "#2b2930"),
        ("#cf7d30", "#944a14", "#f4d3a4"),
        ("#f1ede6", "#e2dcd2", "#fffdf8"),
        ("#7d8188", "#4a4e56", "#b9bcc2"),
    )
)
FUR_WORDS = (
    ("black", "dark"),
    ("ginger", "tabby"),
    ("white-furred", "snow-white"),
    ("grey", "silver"),
)


def paint_cat(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a cat that sits on the ridge of a roof at night, its eyes glowing, a moon behind."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    cx = knob(values["position"], -0.45, 0.45) * aspect
    away = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    moon_x = cx + away * uniform(generator, batch, 0.05, 0.35) * aspect
    light, pale = moon_night(
        generator,
        x,
        y,
        colour,
        moon=(moon_x, uniform(generator, batch, 0.1, 0.4), knob(values["moon"], 0.32, 0.66)),
        clouds=knob(values["clouds"], -0.55, 0.25),
    )
    ridge = uniform(generator, batch, -0.72, -0.62)
    light = _roof(generator, light, (x, y), ridge, colour, pale)
    size = knob(values["size"], 0.56, 0.8) * min(1.0, 0.3 + 0.7 * aspect)
    tones = pick(FURS, values["fur"])
    tones = tones * (0.6 + 0.4 * colour / colour.amax(dim=1, keepdim=True)).unsqueeze(1)
    facing = facing_sign(uniform(generator, batch).view(-1))
    model = _cat(
        (uniform(generator, batch, -0.2, 0.2), uniform(generator, batch, -0.12, 0.2)),
        tones,
        (pale, away * facing),
        knob(values["eyes"], 0.12, 2.1),
    )
    place = (cx, ridge + 0.97 * size, size, facing, torch.zeros_like(cx))
    light = lay(light, (x, y), place, model)
    return finish(light, shine=0.45, vignette=0.3)


def _roof(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    ridge: Tensor,
    colour: Tensor,
    pale: Tensor,
) -> Tensor:
    """Lay far gables, a chimney and a tiled roof with its ridge at the height `ridge`."""
    x, y = canvas_xy
    batch = light.shape[0]
    aspect = x.shape[2] / y.shape[1]
    far = torch.full_like(x + y, 9.0)
    side = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    for index in range(3):
        house = side * (index - 0.8) * 0.75 * aspect + uniform(generator, batch, -0.15, 0.15)
        top = ridge + uniform(generator, batch, 0.15, 0.42)
        gable = y - top + 0.75 * (x - house).abs()
        far = torch.minimum(far, 0.8 * torch.maximum(gable, (x - house).abs() - 0.5))
        far = torch.minimum(far, sdf_box(x - house - 0.22, y - top + 0.08, 0.055, 0.14))
    light = over(light, tint(shade(colour, light=0.3, turn=0.2)), fill(far, 0.014))
    below = (ridge - y).clamp(min=0.0)
    row = below / 0.085
    shift = 0.5 * torch.remainder(torch.floor(row), 2.0)
    tile = torch.remainder(x / 0.19 + shift, 1.0) - 0.5
    rise = torch.remainder(row, 1.0)
    relief_ = 0.35 + 0.4 * torch.cos(math.pi * tile) * (1.0 - 0.65 * rise)
    slates = paint_flat(shade(colour, light=0.46, vivid=0.85), relief_ * torch.exp(-1.6 * below))
    crest = smoothstep(-0.045, 0.0, y - ridge)
    slates = slates + paint_flat(pale, 0.3 * crest.expand_as(relief_))
    return over(light, slates, fill(y - ridge, 0.012).expand_as(relief_))


def _cat(
    mood: tuple[Tensor, Tensor], tones: Tensor, lamp: tuple[Tensor, Tensor], eyes: Tensor
) -> tuple[Tensor, Tensor]:
    """A sitting cat seen from the front; `mood` is the tilt of its head and the curl of its tail.

    `lamp` is the light's colour and side (-1, 1), `eyes` how they shine.
    """
    u, v = model_grid(eyes.device)
    tilt, curl = mood
    span = u.abs()
    side = (0.8 * lamp[1], 0.55)
    trunk = join([oval(u, v, (0.0, -0.58), 0.38, 0.4), oval(u, v, (0.0, -0.16), 0.29, 0.42)], 0.15)
    thigh = oval(span, v, (0.27, -0.72), 0.17, 0.24, 0.3)
    legs = limb(span, v, (0.1, -0.3), (0.085, -0.9), 0.095, 0.07)
    paws = torch.minimum(
        oval(span, v, (0.09, -0.93), 0.1, 0.06), oval(span, v, (0.3, -0.93), 0.14, 0.06)
    )
    joints = (
        (0.25, -0.88),
        (0.5, -0.9),
        (0.71, -0.81),
        (0.83, -0.62 + 0.4 * curl),
        (0.84, -0.4 + 0.8 * curl),
        (0.74, -0.24 + curl),
    )
    tail = chain(u, v, joints, (0.08, 0.08, 0.08, 0.08, 0.078, 0.06), fillet=0.08)
    cosine, sine = torch.cos(tilt), torch.sin(tilt)
    a, b = u * cosine + (v - 0.25) * sine, (v - 0.25) * cosine - u * sine
    head = join(
        [oval(a, b, (0.0, 0.13), 0.36, 0.28), oval(a.abs(), b, (0.15, 0.04), 0.19, 0.15)], 0.08
    )
    ears = leaf(a.abs(), b, (0.2, 0.24), 1.2, 0.36, 0.14, 0.08)
    top = join([head, ears], 0.04)
    body = join([trunk, thigh, legs, paws], 0.05)
    outline = join([body, top], 0.08)
    outline = torch.minimum(outline, tail)
    form, rim = relief(outline, 0.3, side)
    for part, depth in ((thigh, 0.16), (legs, 0.1), (top, 0.24), (tail, 0.08), (paws, 0.08)):
        form = mix(form, 0.35 * form + 0.65 * relief(part, depth, side)[0], fill(part, 0.05))
    skin = coat(tones[:, 0], form)
    bands = smoothstep(0.35, 0.8, torch.cos(26.0 * v + 5.0 * span)) * smoothstep(0.08, 0.2, span)
    bands = bands * smoothstep(0.42, 0.3, (b - 0.02).abs() + 0.35 * (b < 0.0))
    stripes = torch.maximum(bands, smoothstep(0.35, 0.8, torch.cos(26.0 * (v + u))) * fill(tail))
    skin = mix(skin, coat(tones[:, 1], form), 0.75 * stripes.unsqueeze(1))
    bib = oval(u, v, (0.0, -0.18), 0.13, 0.32)
    skin = cover(skin, coat(tones[:, 2], form + 0.08), bib, 0.12)
    skin = _cat_face(skin, (a, b), (tones, form), (ears, eyes))
    return outline, skin + paint_flat(lamp[0], 0.6 * rim)


def _cat_face(
    skin: Tensor,
    ab: tuple[Tensor, Tensor],
    fur: tuple[Tensor, Tensor],
    features: tuple[Tensor, Tensor],
) -> Tensor:
    """Lay inner ears, glowing eyes with slits, muzzle, nose and whiskers on a cat's head."""
    a, b = ab
    tones, form = fur
    ears, eyes = features
    span = a.abs()
    pink = tint(rgb("#d98a86").to(a.device))
    dark = tint(rgb("#0b090a").to(a.device))
    inner = torch.maximum(ears + 0.05, 0.28 - b)
    skin = cover(skin, pink * (0.6 * form).unsqueeze(1), inner, 0.04)
    muzzle = oval(span, b, (0.055, 0.02), 0.085, 0.065)
    skin = cover(skin, coat(tones[:, 2], form + 0.1), muzzle, 0.05)
    lids = oval(span, b, (0.15, 0.15), 0.1, 0.072, 0.3)
    skin = cover(skin, dark, lids - 0.014)
    green = rgb("#b8e02a").to(a.device).expand(eyes.shape[0], 3)
    shine = glow(torch.sqrt((span - 0.15) ** 2 + (b - 0.15) ** 2), 0.17)
    skin = skin + paint_flat(green, 0.3 * (eyes - 0.5).clamp(min=0.0) * shine)
    iris = tint(green) * (0.85 * eyes).unsqueeze(1)
    skin = cover(skin, iris * (1.0 - 2.5 * lids.clamp(max=0.0).abs()).unsqueeze(1), lids)
    skin = cover(skin, dark, oval(span, b, (0.147, 0.15), 0.024, 0.066))
    nose = leaf(a, b, (0.0, 0.075), -0.5 * math.pi, 0.07, 0.03)
    skin = cover(skin, 0.8 * pink, nose)
    whisker = torch.full_like(a + b, 9.0)
    for rise in (-0.05, 0.02, 0.09):
        line = limb(span, b, (0.09, 0.02), (0.46, 1.1 * rise), 0.007, 0.003)
        whisker = torch.minimum(whisker, line)
    return cover(skin, tint(0.35 + 0.4 * tones[:, 2]), whisker, 0.016)


SCENES_CAT: tuple[Scene, ...] = (
    Scene(
        "cat",
        (
            "a cat",
            "a cat on a roof",
            "a cat at night",
            "a cat in the moonlight",
            "a kitten",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("blue", "violet")),
            Attribute("fur", FUR_WORDS, natural=("black", "grey", "ginger")),
            Attribute("moon", (("with a small moon",), (), ("with a huge moon",))),
            Attribute("eyes", (("with dark eyes",), (), ("with glowing eyes", "bright-eyed"))),
            Attribute("clouds", (("on a clear night",), (), ("on a cloudy night",))),
            Attribute("position", (("on the left",), (), ("on the right",))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_cat,
    ),
)
"""Every scene of this file."""
