"""Animals on four legs in the evening light: dog, horse."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import evening_land
from engine.training.ember.scenes.fields import canvas, fbm, fill, knob, mix, smoothstep, uniform
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
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
    LIGHT_WORDS,
    Point,
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

COATS = palette_table(
    (
        ("#8a4f28", "#5a3018"),
        ("#2a2523", "#141211"),
        ("#f1ece2", "#cfc4b6"),
        ("#dca14e", "#b5752c"),
        ("#8d9199", "#54575f"),
    )
)
"""Colour of the body, and of its ears, mane and tail."""
COAT_WORDS = (
    ("brown", "chestnut"),
    ("black", "dark"),
    ("white", "snow-white"),
    ("blond", "golden"),
    ("grey", "silver"),
)
GROUNDS = palette_table((("#5f8a3a",), ("#c9a468",), ("#dfe8f4",)))
GROUND_WORDS = (
    ("on a meadow", "in the grass"),
    ("on the beach", "in the sand"),
    ("in the snow", "on a snowy field"),
)


def _outdoors(
    values: Values, generator: torch.Generator, x: Tensor, y: Tensor, aside: Tensor
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Return an evening land, the colour of its light, and where the sun stands (x, y).

    `aside` `(b, 1, 1)` is the side, -1 or 1, on which the sun stands free of the subject.
    """
    batch = values["hue"].shape[0]
    colour = main_colour(values["hue"])
    aspect = x.shape[2] / y.shape[1]
    horizon = uniform(generator, batch, -0.5, -0.34)
    sun_x = aside * uniform(generator, batch, 0.3, 0.75) * aspect
    sun_y = horizon + uniform(generator, batch, 0.25, 0.75)
    ground = pick(GROUNDS, values["place"])[:, 0]
    light = evening_land(
        generator,
        x,
        y,
        colour,
        ground=ground * (0.2 + 0.6 * colour) + 0.12 * colour,
        horizon=horizon,
        sun=(sun_x, sun_y),
        mist=knob(values["mist"], 0.0, 0.8),
    )
    return light, colour, (sun_x, sun_y)


def _foreground(
    generator: torch.Generator, light: Tensor, y: Tensor, top: Tensor, colour: Tensor
) -> Tensor:
    """Let soft dark grass (or drifted snow) stand up at the foot of the picture."""
    batch, _, height, width = light.shape
    blades = fbm(generator, batch, height, width, cells=9.0, octaves=2, stretch=0.35)
    mask = smoothstep(0.1, -0.16, y - top - 0.1 * blades)
    return mix(light, tint(colour) * (0.8 + 0.4 * blades).unsqueeze(1), mask.unsqueeze(1))


def paint_dog(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a dog that sits in an evening land and looks ahead or up, its outline lit."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    facing = facing_sign(values["facing"])
    aside = torch.where(uniform(generator, batch) < 0.7, facing, -facing)
    light, colour, sun = _outdoors(values, generator, x, y, aside)
    size = knob(values["size"], 0.6, 0.84) * min(1.0, 0.45 + 0.6 * width / height)
    cx = -aside * uniform(generator, batch, 0.0, 0.25) * min(1.0, width / height)
    foot = uniform(generator, batch, -0.9, -0.78)
    cy = foot + size * 0.98
    ground = pick(GROUNDS, values["place"])[:, 0]
    shadow = 0.45 * fill(oval(x, y, (cx, foot + 0.02), 0.75 * size, 0.09 * size), 0.12)
    light = light * (1.0 - shadow).unsqueeze(1)
    glare = shade(colour, light=1.4, vivid=0.6)
    up = knob(values["gaze"], -0.05, 0.75)
    ears = smoothstep(0.42, 0.58, values["ears"].view(-1, 1, 1))
    tones = pick(COATS, values["coat"])
    model = _dog(up, ears, tones, (glare, facing * torch.sign(sun[0] - cx)))
    light = lay(light, (x, y), (cx, cy, size, facing, torch.zeros_like(cx)), model)
    grass = shade(0.5 * ground * (0.3 + colour), light=0.7)
    light = _foreground(generator, light, y, foot - 0.05, grass)
    return finish(light, shine=0.35, vignette=0.25)


def _dog(
    up: Tensor, ears: Tensor, tones: Tensor, lamp: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """A sitting dog that faces right: its head raised by `up` radians, `ears` 0 hanging, 1 up.

    `lamp` is the light's colour and side (-1, 1).
    """
    u, v = model_grid(up.device)
    side = (0.72 * lamp[1], 0.6)
    far = join(
        [
            chain(u, v, ((0.3, 0.0), (0.38, -0.5), (0.37, -0.88)), (0.14, 0.085, 0.07)),
            limb(u, v, (0.37, -0.92), (0.49, -0.93), 0.07, 0.06),
        ]
    )
    haunch = oval(u, v, (-0.24, -0.58), 0.33, 0.37, -0.3)
    trunk = chain(
        u, v, ((-0.28, -0.58), (-0.06, -0.08), (0.14, 0.16)), (0.31, 0.28, 0.26), fillet=0.1
    )
    chest = oval(u, v, (0.24, 0.0), 0.2, 0.32, -0.15)
    leg = chain(u, v, ((0.2, -0.05), (0.24, -0.52), (0.22, -0.9)), (0.17, 0.1, 0.08))
    paws = torch.minimum(
        limb(u, v, (0.22, -0.93), (0.36, -0.94), 0.08, 0.06),
        limb(u, v, (-0.36, -0.92), (0.02, -0.935), 0.09, 0.06),
    )
    tail = chain(
        u, v, ((-0.52, -0.82), (-0.82, -0.8), (-1.02, -0.56)), (0.09, 0.085, 0.035), fillet=0.06
    )
    neck = limb(u, v, (0.1, 0.16), (0.22, 0.58), 0.27, 0.22)
    head, marks = _dog_head(u, v, up, ears)
    near = join([trunk, haunch, chest, leg, paws, tail, neck], 0.07)
    whole = join([near, head[0]], 0.05)
    outline = torch.minimum(torch.minimum(whole, far), head[1])
    form, rim = relief(whole, 0.3, side)
    haunch_form, _ = relief(haunch, 0.22, side)
    form = mix(form, 0.5 * form + 0.5 * haunch_form, 0.8 * fill(haunch, 0.05))
    leg_form, _ = relief(leg, 0.1, side)
    form = mix(form, 0.4 * form + 0.6 * leg_form, fill(leg, 0.04) * smoothstep(-0.1, -0.45, v))
    skin = coat(tones[:, 0], form)
    pale = tint(shade(tones[:, 0], light=1.35, vivid=0.6))
    breast = oval(u, v, (0.32, -0.02), 0.13, 0.36, -0.15)
    skin = cover(skin, skin + 0.35 * (pale - skin), breast, 0.12)
    far_skin = 0.45 * coat(tones[:, 0], relief(far, 0.09, side)[0])
    skin = cover(far_skin, skin, whole)
    skin = cover(skin, coat(tones[:, 1], relief(head[1], 0.1, side)[0]), head[1], 0.02)
    dark = tint(rgb("#120d0b").to(u.device))
    skin = cover(skin, dark, marks, 0.02)
    _, rim = relief(outline, 0.2, side)
    return outline, skin + paint_flat(lamp[0], 0.75 * rim)


def _dog_head(
    u: Tensor, v: Tensor, up: Tensor, ears: Tensor
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Distances of the head with its ear apart, and of the nose and the eye."""
    pivot = (0.22, 0.6)
    cosine, sine = torch.cos(up), torch.sin(up)
    a = (u - pivot[0]) * cosine + (v - pivot[1]) * sine
    b = (v - pivot[1]) * cosine - (u - pivot[0]) * sine
    skull = oval(a, b, (0.05, 0.11), 0.26, 0.24)
    muzzle = limb(a, b, (0.16, 0.03), (0.46, -0.02), 0.15, 0.105)
    jaw = limb(a, b, (0.1, -0.07), (0.4, -0.12), 0.11, 0.06)
    head = join([skull, muzzle, jaw], 0.06)
    hanging = chain(a, b, ((-0.03, 0.24), (-0.15, 0.08), (-0.15, -0.2)), (0.07, 0.12, 0.1), 0.06)
    upright = leaf(a, b, (-0.06, 0.16), 1.9, 0.46, 0.13, -0.1)
    ear = mix(hanging, upright, ears)
    nose = oval(a, b, (0.545, 0.045), 0.062, 0.052)
    eye = oval(a, b, (0.185, 0.155), 0.034, 0.034)
    mouth = limb(a, b, (0.28, -0.1), (0.5, -0.07), 0.009, 0.009)
    return (torch.minimum(head, nose), ear), torch.minimum(torch.minimum(nose, eye), mouth)


def paint_horse(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a horse, standing or at a gallop, mane and tail flying, in a misty evening land."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    facing = facing_sign(values["facing"])
    aside = torch.where(uniform(generator, batch) < 0.5, facing, -facing)
    light, colour, sun = _outdoors(values, generator, x, y, aside)
    aspect = width / height
    pace = values["pace"].view(-1, 1, 1)
    pace = smoothstep(0.22, 0.45, pace) * 0.5 + smoothstep(0.58, 0.8, pace) * 0.5
    size = knob(values["size"], 0.56, 0.8) * min(1.0, 0.15 + 0.85 * aspect)
    cx = -aside * uniform(generator, batch, 0.0, 0.16) * aspect
    foot = uniform(generator, batch, -0.84, -0.72)
    cy = foot + size * 0.95
    lean = (uniform(generator, batch, -0.03, 0.12)) * pace
    shadow = 0.4 * fill(oval(x, y, (cx, foot), 0.85 * size, 0.07 * size), 0.12)
    light = light * (1.0 - shadow).unsqueeze(1)
    glare = shade(colour, light=1.4, vivid=0.6)
    tones = pick(COATS, values["coat"])
    model = _horse(generator, pace, tones, (glare, facing * torch.sign(sun[0] - cx)))
    light = lay(light, (x, y), (cx, cy, _HORSE_SCALE * size, facing, lean), model)
    ground = pick(GROUNDS, values["place"])[:, 0]
    grass = shade(0.5 * ground * (0.3 + colour), light=0.7)
    light = _foreground(generator, light, y, foot - 0.07, grass)
    return finish(light, shine=0.35, vignette=0.25)


def _between(rest: Point, run: Point, pace: Tensor) -> tuple[Tensor, Tensor]:
    return rest[0] + (run[0] - rest[0]) * pace, rest[1] + (run[1] - rest[1]) * pace


_HORSE_SCALE = 1.14  # a galloping horse is longer than the grid
_LEG_RADII = (0.15, 0.075, 0.05, 0.055)
_HIND_RADII = (0.21, 0.12, 0.06, 0.045, 0.055)
_FORE_NEAR = (
    ((0.4, 0.02), (0.42, -0.42), (0.42, -0.78), (0.46, -0.92)),
    ((0.42, 0.02), (0.8, -0.2), (1.02, -0.5), (1.12, -0.58)),
)
_FORE_FAR = (
    ((0.46, 0.02), (0.55, -0.4), (0.53, -0.78), (0.57, -0.92)),
    ((0.46, 0.02), (0.74, -0.3), (0.52, -0.52), (0.42, -0.5)),
)
_HIND_NEAR = (
    ((-0.46, 0.04), (-0.4, -0.22), (-0.58, -0.46), (-0.54, -0.8), (-0.5, -0.92)),
    ((-0.46, 0.04), (-0.58, -0.24), (-0.86, -0.38), (-1.06, -0.66), (-1.14, -0.72)),
)
_HIND_FAR = (
    ((-0.42, 0.04), (-0.28, -0.24), (-0.44, -0.46), (-0.4, -0.8), (-0.36, -0.92)),
    ((-0.42, 0.04), (-0.22, -0.28), (-0.46, -0.5), (-0.62, -0.78), (-0.7, -0.86)),
)
_SPINE = (
    ((0.4, 0.2), (0.64, 0.56), (0.72, 0.7)),
    ((0.42, 0.18), (0.78, 0.44), (0.9, 0.54)),
)
_HEAD = (((0.75, 0.72), (1.0, 0.45)), ((0.95, 0.56), (1.24, 0.34)))


def _pose(
    table: tuple[tuple[Point, ...], tuple[Point, ...]], pace: Tensor
) -> list[tuple[Tensor, Tensor]]:
    return [_between(rest, run, pace) for rest, run in zip(*table, strict=True)]


def _horse(
    generator: torch.Generator, pace: Tensor, tones: Tensor, lamp: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """A horse that faces right: `pace` 0 standing to 1 galloping; `lamp` as for the dog."""
    u, v = (axis * _HORSE_SCALE for axis in model_grid(pace.device))
    batch = pace.shape[0]
    side = (0.72 * lamp[1], 0.65)
    far = torch.minimum(
        chain(u, v, _pose(_FORE_FAR, pace), _LEG_RADII),
        chain(u, v, _pose(_HIND_FAR, pace), _HIND_RADII),
    )
    legs = torch.minimum(
        chain(u, v, _pose(_FORE_NEAR, pace), _LEG_RADII, 0.05),
        chain(u, v, _pose(_HIND_NEAR, pace), _HIND_RADII, 0.05),
    )
    barrel = chain(
        u, v, ((-0.42, 0.12), (0.0, 0.06), (0.36, 0.1)), (0.25, 0.225, 0.25), fillet=0.15
    )
    rump = oval(u, v, (-0.45, 0.13), 0.29, 0.26)
    spine = _pose(_SPINE, pace)
    neck = chain(u, v, spine, (0.22, 0.14, 0.11), fillet=0.1)
    poll, nose = _pose(_HEAD, pace)
    head = join([limb(u, v, poll, nose, 0.115, 0.06), oval(u, v, nose, 0.075, 0.07)], 0.06)
    ear = leaf(u, v, (poll[0] - 0.03, poll[1] + 0.06), 1.45 + 0.5 * pace, 0.22, 0.04)
    body = join([barrel, rump, neck, head, legs], 0.08)
    body = torch.minimum(body, ear)
    hair = _horse_hair(generator, u, v, pace, (spine[1], poll))
    outline = torch.minimum(torch.minimum(body, far), hair)
    form, _ = relief(body, 0.24, side)
    leg_form, _ = relief(legs, 0.1, side)
    form = mix(form, 0.45 * form + 0.55 * leg_form, 0.8 * fill(legs, 0.06))
    skin = coat(tones[:, 0], form)
    far_skin = 0.45 * coat(tones[:, 0], relief(far, 0.08, side)[0])
    skin = cover(far_skin, skin, body)
    sock = smoothstep(-0.62, -0.8, v).expand(batch, -1, u.shape[2])
    skin = mix(skin, skin * tint(0.25 + tones[:, 1]), 0.8 * sock.unsqueeze(1))
    strands = 0.5 + 0.3 * torch.sin(38.0 * hair.clamp(min=-0.2) + 9.0 * u)
    skin = cover(skin, coat(tones[:, 1], strands), hair, 0.02)
    eye_at = (poll[0] + 0.07, poll[1] - 0.03)
    dark = tint(rgb("#100c0a").to(u.device))
    skin = cover(skin, dark, oval(u, v, eye_at, 0.022, 0.022), 0.02)
    skin = cover(skin, dark, oval(u, v, (nose[0] + 0.03, nose[1] + 0.01), 0.018, 0.018), 0.02)
    _, rim = relief(outline, 0.2, side)
    return outline / _HORSE_SCALE, skin + paint_flat(lamp[0], 0.8 * rim)


def _horse_hair(
    generator: torch.Generator,
    u: Tensor,
    v: Tensor,
    pace: Tensor,
    crest: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Tensor:
    """Distance of the mane along the crest (neck and poll) and of the tail: still or flying."""
    wind = uniform(generator, pace.shape[0], 0.7, 1.15)
    nape, poll = crest
    locks = []
    for index in range(5):
        share = index / 4.0
        root = (
            poll[0] - 0.03 + (0.42 - poll[0]) * 0.95 * share,
            poll[1] + 0.08 + (0.36 - poll[1]) * 0.9 * share,
        )
        bow = 0.06 * (1.0 - (2.0 * share - 1.0) ** 2)
        root = (root[0] + 0.3 * bow * (nape[0] - 0.4), root[1] + bow)
        locks.append(
            leaf(
                u,
                v,
                root,
                3.9 - 0.75 * pace + 0.15 * share,
                0.28 + 0.2 * pace * wind,
                0.06,
                0.3 - 0.2 * pace,
            )
        )
    tail = [
        leaf(
            u,
            v,
            (-0.66, 0.3),
            4.05 - (1.2 - 0.16 * strand) * pace + 0.12 * strand,
            (0.95 - 0.08 * strand) * (1.0 - 0.22 * pace * wind),
            0.085,
            0.34 + 0.1 * strand * pace,
        )
        for strand in range(3)
    ]
    return torch.minimum(join(locks, 0.03), join(tail, 0.05))


SCENES_ANIMALS: tuple[Scene, ...] = (
    Scene(
        "dog",
        ("a dog", "a dog sitting in the evening sun", "a faithful dog", "a hound", "a puppy"),
        (
            Attribute("coat", COAT_WORDS, natural=("brown", "blond", "black")),
            Attribute("hue", LIGHT_WORDS, natural=("in orange light", "in golden light")),
            Attribute("place", GROUND_WORDS, natural=("on a meadow",)),
            Attribute(
                "facing", (("facing left", "looking left"), ("facing right", "looking right"))
            ),
            Attribute("ears", (("with hanging ears", "floppy-eared"), ("with pointed ears",))),
            Attribute("gaze", ((), (), ("looking up", "looking at the sky"))),
            Attribute("size", (("small",), (), ("large", "close"))),
            Attribute("mist", (("on a clear evening",), (), ("in the mist", "in fog"))),
        ),
        paint_dog,
    ),
    Scene(
        "horse",
        ("a horse", "a wild horse", "a horse in the evening sun", "a stallion", "a mustang"),
        (
            Attribute("coat", COAT_WORDS, natural=("brown", "black")),
            Attribute("hue", LIGHT_WORDS, natural=("in orange light", "in golden light")),
            Attribute("pace", (("standing", "at rest"), ("trotting",), ("galloping", "running"))),
            Attribute("place", GROUND_WORDS, natural=("on a meadow",)),
            Attribute(
                "facing", (("facing left", "looking left"), ("facing right", "looking right"))
            ),
            Attribute("size", (("small",), (), ("large", "close"))),
            Attribute("mist", (("on a clear evening",), (), ("in the mist", "in fog"))),
        ),
        paint_horse,
    ),
)
"""Every scene of this file."""
