"""Birds close by: a rooster at sunrise, an owl on a branch before the moon."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import evening_land, moon_night
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    knob,
    mix,
    over,
    profile,
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
    LIGHT_WORDS,
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

PLUMES = palette_table(
    (  # breast, hackle (neck and saddle), wing, tail
        ("#a8401c", "#f0992c", "#7a2c1c", "#12463f"),
        ("#f2ece0", "#fff6e2", "#d8d2c8", "#e9e4da"),
        ("#1c1a22", "#3a3440", "#23303c", "#0f3a40"),
        ("#d9a13a", "#f6d070", "#b5702a", "#3a2a1c"),
    )
)
PLUME_WORDS = (
    ("red-brown", "colourful"),
    ("white", "snow-white"),
    ("black", "dark"),
    ("golden", "blond"),
)
OWLS = palette_table(
    (  # body, face, breast
        ("#6b4a2e", "#b08a5c", "#a37a4c"),
        ("#e6e4e2", "#fbfaf6", "#f4f1ea"),
        ("#565a66", "#8d919c", "#7b7f8a"),
    )
)
OWL_WORDS = (("brown", "tawny"), ("snowy", "white"), ("grey", "dark"))


def paint_rooster(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a rooster on a rail at sunrise, crowing or not, sickle feathers lit from behind."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    facing = facing_sign(values["facing"])
    sun_x = facing * uniform(generator, batch, 0.35, 0.8) * aspect
    horizon = uniform(generator, batch, -0.55, -0.4)
    sun_y = horizon + knob(values["sun"], 0.0, 0.95)
    light = evening_land(
        generator,
        x,
        y,
        colour,
        ground=rgb("#6c7f38").to(x.device) * (0.2 + 0.6 * colour) + 0.12 * colour,
        horizon=horizon,
        sun=(sun_x, sun_y),
        mist=uniform(generator, batch, 0.1, 0.7),
    )
    light = _perched(light, (x, y), aspect, (facing, colour), values, generator)
    return finish(light, shine=0.35, vignette=0.25)


def rooster_at(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    aspect: float,
    plumage: Tensor,
    colour: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Lay a rooster on its rail over pictures `(b, 3, h, w)`, lit in `colour` `(b, 3)`."""
    values = {name: torch.rand(plumage.shape, generator=generator) for name in ("size", "crowing")}
    facing = facing_sign(torch.rand(plumage.shape, generator=generator))
    figure = values | {"plumage": plumage}
    return _perched(light, canvas_xy, aspect, (facing, colour), figure, generator)


def _perched(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    aspect: float,
    look: tuple[Tensor, Tensor],
    values: Values,
    generator: torch.Generator,
) -> Tensor:
    facing, colour = look
    batch = light.shape[0]
    size = knob(values["size"], 0.56, 0.78) * min(1.0, 0.35 + 0.65 * aspect)
    cx = -facing * uniform(generator, batch, 0.0, 0.2) * aspect
    rail = uniform(generator, batch, -0.78, -0.7)
    cy = rail + 0.98 * size
    glare = shade(colour, light=1.4, vivid=0.6)
    light = _rail(light, canvas_xy, rail, colour, glare)
    tones = pick(PLUMES, values["plumage"])
    crow = smoothstep(0.42, 0.7, values["crowing"].view(-1, 1, 1))
    model = _rooster(crow, tones, glare)
    return lay(light, canvas_xy, (cx, cy, size, facing, torch.zeros_like(cx)), model)


def _rail(
    light: Tensor, canvas_xy: tuple[Tensor, Tensor], rail: Tensor, colour: Tensor, glare: Tensor
) -> Tensor:
    """Lay a wooden fence, its top rail at the height `rail`, lit from above."""
    x, y = canvas_xy
    wood = shade(0.35 * colour + 0.5 * rgb("#5a3a22").to(x.device), light=0.5)
    post = ((torch.remainder(x + 0.45, 1.1) - 0.55).abs() - 0.07) + 0.0 * y
    posts = torch.maximum(post, y - rail - 0.02)
    boards = torch.minimum((y - rail + 0.06).abs() - 0.06, (y - rail + 0.3).abs() - 0.05)
    shape = torch.minimum(boards.expand_as(posts), posts)
    top = smoothstep(-0.05, 0.0, y - rail).expand_as(posts) * (y <= rail + 0.02)
    grain = 0.8 + 0.2 * torch.sin(26.0 * y + 2.0 * torch.sin(3.0 * x))
    wooden = tint(wood) * grain.unsqueeze(1) + paint_flat(glare, 0.3 * top)
    return over(light, wooden, fill(shape, 0.012))


def _rooster(crow: Tensor, tones: Tensor, glare: Tensor) -> tuple[Tensor, Tensor]:
    """A rooster that faces right; `crow` 0 looks ahead, 1 crows with its beak to the sky."""
    u, v = model_grid(crow.device)
    side = (0.55, 0.75)
    trunk = join(
        [
            chain(u, v, ((0.2, -0.12), (-0.12, -0.12), (-0.42, 0.12)), (0.33, 0.29, 0.15)),
            oval(u, v, (0.26, -0.06), 0.27, 0.33, -0.2),
        ],
        0.1,
    )
    top = (0.44 - 0.06 * crow, 0.66 + 0.03 * crow)
    neck = chain(u, v, ((0.2, 0.05), (0.36, 0.4), top), (0.3, 0.19, 0.12), fillet=0.1)
    head, red, beak, eye = _rooster_head(u, v, top, crow)
    tail = [
        leaf(u, v, (-0.34, 0.12), 1.72 + 0.2 * k, 1.0 - 0.05 * k, 0.11, 0.62 - 0.06 * k)
        for k in range(6)
    ]
    sickles = tail[0]
    rank = torch.zeros_like(sickles)
    for index, feather in enumerate(tail[1:], 1):
        rank = torch.where(feather < sickles, torch.full_like(rank, float(index)), rank)
        sickles = torch.minimum(sickles, feather)
    legs, thigh = _rooster_legs(u, v)
    body = join([trunk, neck, head, thigh], 0.06)
    shapes = (body, red, beak, sickles, legs)
    outline = shapes[0]
    for shape in shapes[1:]:
        outline = torch.minimum(outline, shape)
    form, _ = relief(body, 0.3, side)
    feathered = 0.06 * torch.cos(24.0 * (v + 0.6 * u)) * torch.cos(30.0 * (u - 0.3 * v))
    skin = coat(tones[:, 0], (form + feathered).clamp(0.0, 1.0))
    wing = leaf(u, v, (0.22, -0.02), 3.25, 0.68, 0.17, 0.12)
    wing_form, _ = relief(wing, 0.12, side)
    quills = 0.1 * torch.cos(40.0 * (v - 0.15 * u))
    skin = cover(skin, coat(tones[:, 2], wing_form + quills), wing, 0.03)
    hackle = join([neck, head], 0.05)
    hackle_form, _ = relief(hackle, 0.22, side)
    strands = 0.14 * torch.cos(34.0 * (u - 0.35 * v) + 3.0 * v)
    cape = torch.maximum(hackle, -(v - 0.02 - 0.07 * torch.cos(36.0 * u)))
    skin = cover(skin, coat(tones[:, 1], hackle_form + strands), cape, 0.05)
    bend = 0.35 + 0.08 * rank + 0.35 * relief(sickles, 0.09, side)[0]
    skin = mix(coat(tones[:, 3], bend), skin, fill(body, 0.03).unsqueeze(1))
    horn = tint(rgb("#e0a02c").to(u.device))
    skin = cover(skin, horn, beak)
    skin = cover(skin, 0.75 * horn, torch.maximum(legs, -body))
    comb = coat(rgb("#d3141c").to(u.device).expand_as(glare), relief(red, 0.07, side)[0])
    skin = cover(skin, comb, red)
    skin = cover(skin, tint(rgb("#0e0a08").to(u.device)), eye, 0.02)
    _, rim = relief(outline, 0.2, side)
    return outline, skin + paint_flat(glare, 0.65 * rim)


def _rooster_head(
    u: Tensor, v: Tensor, top: tuple[Tensor, Tensor], crow: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Distances of the skull, of comb, face and wattle, of the beak, and of the eye."""
    turn = 0.75 * crow
    cosine, sine = torch.cos(turn), torch.sin(turn)
    a = (u - top[0]) * cosine + (v - top[1]) * sine
    b = (v - top[1]) * cosine - (u - top[0]) * sine
    skull = oval(a, b, (0.02, 0.06), 0.145, 0.135)
    peaks = [
        leaf(a, b, (-0.1 + 0.075 * k, 0.14), 1.95 - 0.22 * k, 0.2 - 0.02 * abs(k - 1.5), 0.045)
        for k in range(4)
    ]
    comb = join([*peaks, limb(a, b, (-0.11, 0.15), (0.13, 0.14), 0.055, 0.045)], 0.03)
    wattle = leaf(a, b, (0.08, 0.0), -1.5, 0.26, 0.065)
    face = oval(a, b, (0.08, 0.045), 0.07, 0.07)
    upper = leaf(a, b, (0.12, 0.07), -0.05 + 0.14 * crow, 0.2, 0.045, -0.2)
    lower = leaf(a, b, (0.12, 0.04), -0.2 - 0.4 * crow, 0.15, 0.035, 0.1)
    eye = oval(a, b, (0.06, 0.085), 0.026, 0.026)
    red = torch.minimum(torch.minimum(comb, wattle), face)
    return skull, red, torch.minimum(upper, lower), eye


def _rooster_legs(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of the bare legs and of the feathered thighs."""
    legs, thighs = [], []
    for shift in (0.0, 0.2):
        thighs.append(limb(u, v, (shift - 0.05, -0.32), (shift, -0.56), 0.16, 0.07))
        legs.append(limb(u, v, (shift, -0.56), (shift + 0.02, -0.92), 0.032, 0.028))
        for toe_x, toe_y in ((0.17, -0.97), (0.11, -1.0), (-0.1, -0.96)):
            foot = (shift + 0.02, -0.92)
            legs.append(limb(u, v, foot, (shift + toe_x, toe_y), 0.028, 0.018))
    return join(legs, 0.02), join(thighs, 0.04)


def paint_owl(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint an owl on a branch before a great moon, its eyes glowing, clouds drifting by."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    side = knob(values["position"], -0.5, 0.5) * aspect
    moon_x = side + uniform(generator, batch, -0.22, 0.22) * aspect
    moon_y = uniform(generator, batch, 0.1, 0.35)
    light, pale = moon_night(
        generator,
        x,
        y,
        colour,
        moon=(moon_x, moon_y, knob(values["moon"], 0.34, 0.68)),
        clouds=knob(values["clouds"], -0.55, 0.25),
    )
    size = knob(values["size"], 0.5, 0.74) * min(1.0, 0.3 + 0.7 * aspect)
    slope = uniform(generator, batch, -0.12, 0.12)
    branch_y = uniform(generator, batch, -0.7, -0.6)
    foot = branch_y + slope * side
    owl_y = foot + 0.76 * size
    moonward = torch.sign(moon_x - side)
    tones = pick(OWLS, values["plumage"])
    tones = tones * (0.65 + 0.35 * colour / colour.amax(dim=1, keepdim=True)).unsqueeze(1)
    eyes = knob(values["eyes"], 0.35, 2.0)
    tilt = uniform(generator, batch, -0.22, 0.22)
    model = _owl(tones, (pale, moonward), eyes, tilt)
    wood = shade(colour, light=0.16, vivid=0.7)
    light = _branch(generator, light, (x, y), (branch_y, slope), wood, pale)
    level = torch.ones_like(side)
    light = lay(light, (x, y), (side, owl_y, size, level, 0.0 * side), model)
    return finish(light, shine=0.45, vignette=0.3)


def _branch(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    line: tuple[Tensor, Tensor],
    wood: Tensor,
    pale: Tensor,
) -> Tensor:
    """Lay a bough across the picture with a few twigs and leaves; `line` is height and slope."""
    x, y = canvas_xy
    batch = wood.shape[0]
    aspect = x.shape[2] / y.shape[1]
    grow = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    wave = 0.04 * profile(generator, batch, x, cells=1.2, octaves=3)
    thick = 0.075 + 0.035 * grow * x / aspect
    level = y - line[0] - line[1] * x - wave + 0.05
    shape = level.abs() - thick
    lit = smoothstep(-0.2, 1.0, level / thick) * smoothstep(1.25, 1.0, level / thick)
    for index in range(4):
        share = (-0.85 + 0.5 * index) * aspect + uniform(generator, batch, -0.12, 0.12)
        root_y = line[0] + line[1] * share - 0.05
        rise = uniform(generator, batch, 0.25, 0.6) * (1.0 if index in (0, 3) else -0.6)
        run = -0.3 * grow * uniform(generator, batch, 0.7, 1.5)
        tip = (share + run, root_y + rise)
        shape = torch.minimum(shape, limb(x, y, (share, root_y), tip, 0.035, 0.01))
        for leaf_at, turn in ((0.6, 0.9), (1.0, 0.1), (0.85, -0.8)):
            root = (share + run * leaf_at, root_y + rise * leaf_at)
            angle = torch.atan2(rise, run) + turn
            shape = torch.minimum(shape, leaf(x, y, root, angle, 0.17, 0.032))
    bark = paint_flat(wood, 0.7 + 0.3 * lit) + paint_flat(pale, 0.16 * lit**3)
    return over(light, bark, fill(shape, 0.01))


def _owl(
    tones: Tensor, lamp: tuple[Tensor, Tensor], eyes: Tensor, tilt: Tensor
) -> tuple[Tensor, Tensor]:
    """An owl seen from the front; `eyes` is how they shine, `tilt` the head's, in radians."""
    u, v = model_grid(eyes.device)
    span = u.abs()
    side = (0.8 * lamp[1], 0.55)
    body = oval(u, v, (0.0, -0.12), 0.44, 0.64)
    cosine, sine = torch.cos(tilt), torch.sin(tilt)
    a, b = u * cosine + (v - 0.45) * sine, (v - 0.45) * cosine - u * sine
    over_ = a.abs()
    head = oval(a, b, (0.0, 0.05), 0.44, 0.36)
    tuft = leaf(over_, b, (0.2, 0.2), 1.0, 0.36, 0.12, 0.12)
    tail = leaf(u, v, (0.0, -0.5), -1.5708, 0.62, 0.14)
    wing = oval(span, v, (0.38, -0.2), 0.17, 0.52, 0.16)
    toes = [
        limb(span, v, (0.08 + 0.07 * k, -0.72), (0.07 + 0.08 * k, -0.82), 0.04, 0.03)
        for k in range(3)
    ]
    claws = join(toes, 0.02)
    top = join([head, tuft], 0.05)
    outline = join([body, top, torch.minimum(wing, tail)], 0.05)
    outline = torch.minimum(outline, claws)
    form, rim = relief(outline, 0.34, side)
    skin = coat(tones[:, 0], form)
    scales = torch.cos(20.0 * u) * torch.cos(15.0 * v + 1.6 * torch.cos(10.0 * u))
    breast = oval(u, v, (0.0, -0.16), 0.29, 0.5)
    chest = coat(tones[:, 2], form * (0.85 + 0.25 * scales))
    skin = cover(skin, chest, breast, 0.1)
    wing_form, _ = relief(wing, 0.14, side)
    bars = 0.08 * torch.cos(22.0 * (v + 0.7 * span))
    skin = cover(skin, coat(tones[:, 0], 0.85 * wing_form + bars), wing, 0.03)
    skin = cover(skin, coat(tones[:, 0], relief(top, 0.25, side)[0]), top, 0.04)
    disc = oval(over_, b, (0.19, 0.05), 0.2, 0.22, 0.15)
    skin = cover(skin, coat(tones[:, 1], relief(disc, 0.16, side)[0] + 0.1), disc, 0.04)
    ring = torch.sqrt((over_ - 0.18) ** 2 + (b - 0.06) ** 2)
    dark = tint(rgb("#0b0908").to(u.device))
    skin = cover(skin, dark, ring - 0.15)
    iris = tint(rgb("#ffae1a").to(u.device)) * eyes.unsqueeze(1) * 0.75
    skin = cover(skin, iris * (0.6 + 4.0 * ring).unsqueeze(1), ring - 0.128)
    skin = cover(skin, dark, ring - 0.062)
    spark = torch.sqrt((a.abs() - 0.15) ** 2 + (b - 0.1) ** 2)
    skin = cover(skin, tint(lamp[0]) * 1.3, spark - 0.02, 0.03)
    beak = leaf(a, b, (0.0, 0.03), -1.5708, 0.2, 0.05)
    skin = cover(skin, tint(rgb("#8a7a52").to(u.device)) * form.unsqueeze(1), beak)
    skin = cover(skin, 0.6 * tint(rgb("#a88a4a").to(u.device)), claws)
    return outline, skin + paint_flat(lamp[0], 0.6 * rim)


SCENES_FOWL: tuple[Scene, ...] = (
    Scene(
        "rooster",
        ("a rooster", "a cock", "a rooster at sunrise", "a rooster on a fence", "a cockerel"),
        (
            Attribute("plumage", PLUME_WORDS, natural=("red-brown",)),
            Attribute("hue", LIGHT_WORDS, natural=("in orange light", "in golden light")),
            Attribute("crowing", ((), ("crowing", "calling"))),
            Attribute(
                "sun", (("at daybreak", "at first light"), (), ("under a high sun", "by day"))
            ),
            Attribute(
                "facing", (("facing left", "looking left"), ("facing right", "looking right"))
            ),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_rooster,
    ),
    Scene(
        "owl",
        (
            "an owl",
            "an owl in front of the moon",
            "an owl on a branch",
            "a night owl in the moonlight",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("blue", "cyan")),
            Attribute("plumage", OWL_WORDS, natural=("brown", "grey")),
            Attribute("moon", (("with a small moon",), (), ("with a huge moon",))),
            Attribute("eyes", (("with dark eyes",), (), ("with glowing eyes", "bright-eyed"))),
            Attribute("clouds", (("on a clear night",), (), ("on a cloudy night",))),
            Attribute("position", (("on the left",), (), ("on the right",))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_owl,
    ),
)
"""Every scene of this file."""
