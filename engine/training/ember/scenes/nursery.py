"""A sleeping baby in its cradle, under a mobile, in the light of a night lamp."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    fbm,
    fill,
    glow,
    knob,
    mix,
    over,
    smoothstep,
    splats,
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
    join,
    lay,
    leaf,
    limb,
    model_grid,
    oval,
    relief,
)

_SKINS = palette_table((("#f6cdb0",), ("#e3a67c",), ("#a8693f",), ("#6e4128",)))
_HAIRS = palette_table((("#d9a95c",), ("#7a4a26",), ("#2a1a12",), ("#15100e",)))
BLANKETS = palette_table((("#7fb2e6",), ("#f2a3bb",), ("#f6e3a2",), ("#9ed6b4",)))
BLANKET_WORDS = (
    ("under a blue blanket",),
    ("under a pink blanket",),
    ("under a yellow blanket", "under a white blanket"),
    ("under a green blanket",),
)


def paint_baby(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a baby asleep in a wooden cradle: a round lamp, stars on the wall, a mobile above."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    side = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    lamp_x = side * uniform(generator, batch, 0.55, 0.8) * aspect
    lamp_y = uniform(generator, batch, 0.05, 0.5)
    power = knob(values["lamp"], 0.4, 1.15)
    floor = uniform(generator, batch, -0.86, -0.76)
    light, warm = _room(values, generator, (x, y), colour, (lamp_x, lamp_y, power), floor)
    size = knob(values["size"], 0.62, 0.86) * min(1.0, 0.15 + 0.85 * aspect)
    cx = -side * uniform(generator, batch, 0.0, 0.15) * aspect
    cy = floor - 0.04 + 0.9 * size
    light = _mobile(values, generator, light, (x, y), (cx, cy + 0.42 * size), (colour, warm))
    facing = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    model = _cradle(generator, values, warm, power, facing * torch.sign(lamp_x - cx))
    level = torch.zeros_like(cx)
    light = lay(light, (x, y), (cx, cy, size, facing, level), model)
    return finish(light, shine=0.4, vignette=0.35)


def _room(
    values: Values,
    generator: torch.Generator,
    canvas_xy: tuple[Tensor, Tensor],
    colour: Tensor,
    lamp: tuple[Tensor, Tensor, Tensor],
    floor: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return a dark room lit by a round lamp (x, y, power), and the colour of its light."""
    x, y = canvas_xy
    batch = colour.shape[0]
    height, width = y.shape[1], x.shape[2]
    warm = shade(colour, light=1.3, vivid=0.65, turn=-0.15)
    away = torch.sqrt((x - lamp[0]) ** 2 + (y - lamp[1]) ** 2)
    cloudy = fbm(generator, batch, height, width, cells=1.5, octaves=3)
    pool = lamp[2] * glow(away, 0.95) * (1.0 + 0.15 * cloudy)
    light = paint_flat(shade(colour, light=0.36, turn=0.25), 0.4 + 0.5 * pool)
    light = light + paint_flat(shade(colour, light=0.85), 0.6 * pool)
    count = 26
    places = draw(generator, batch, count, 2) * 2.0 - 1.0
    places[..., 0] *= width / height
    radius = 0.012 + 0.022 * draw(generator, batch, count)
    wanted = knob(values["stars"], -2.0, count)
    rank = torch.arange(count, device=x.device).view(1, -1, 1)
    spots = (wanted > rank).float() * (0.35 + 0.5 * draw(generator, batch, count, 1))
    light = light + splats(x, y, places, radius, spots * warm.unsqueeze(1))
    below = (floor + 0.12 - y).clamp(min=0.0)
    boards = paint_flat(shade(colour, light=0.42, vivid=0.8, turn=-0.3), 0.25 + 0.5 * pool)
    light = over(light, boards * torch.exp(-1.5 * below).unsqueeze(1), fill(-below + 1e-3, 2e-3))
    stand = (x - lamp[0]).abs() - 0.018
    stand = torch.maximum(stand, y - lamp[1]).expand_as(away)
    stand = torch.minimum(stand, oval(x, y, (lamp[0], floor + 0.03), 0.14, 0.035))
    light = over(light, tint(shade(colour, light=0.2)), fill(stand, 0.012))
    ball = fill(away - 0.15, 0.02)
    light = over(light, tint(warm) * (0.55 + 1.0 * lamp[2]).unsqueeze(1), ball)
    return light + paint_flat(warm, 0.4 * lamp[2] * glow(away, 0.28)), warm


def _mobile(
    values: Values,
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor],
    colours: tuple[Tensor, Tensor],
) -> Tensor:
    """Hang stars and moons on threads over the cradle; `place` is its x and lowest y."""
    x, y = canvas_xy
    batch = light.shape[0]
    colour, warm = colours
    cx, low = place
    wanted = knob(values["mobile"], 0.4, 5.5)
    top = (low + 0.62).clamp(max=0.92)
    gap = 0.24
    reach = gap * 0.5 * wanted.clamp(1.0, 5.0)
    bar = limb(x, y, (cx - reach, top), (cx + reach, top), 0.014, 0.014)
    cord = limb(x, y, (cx, top), (cx, top + 1.0), 0.007, 0.007)
    light = over(
        light,
        tint(0.5 * warm),
        fill(torch.minimum(bar, cord), 0.012) * (wanted > 1.0).float(),
    )
    shapes = (_star(colour), _crescent(colour))
    for index in range(5):
        shown = (wanted > index + 0.6).float()
        spot = (0, -1, 1, -2, 2)[index]
        hx = cx + gap * spot + uniform(generator, batch, -0.03, 0.03)
        hy = top - uniform(generator, batch, 0.2, 0.36) + 0.05 * abs(spot)
        thread = limb(x, y, (hx, top), (hx, hy), 0.006, 0.006)
        light = over(light, tint(0.5 * warm), 0.8 * shown * fill(thread, 0.01))
        turn = uniform(generator, batch, -0.6, 0.6).view(-1)
        tone = shade(warm, light=1.05, vivid=1.3, turn=turn)
        distance, form = shapes[index % 2]
        spin = uniform(generator, batch, -0.4, 0.4)
        where = (hx, hy, torch.full_like(hx, 0.11), torch.ones_like(hx), spin)
        light = lay(light, canvas_xy, where, (distance, paint_flat(tone, form)), shown=shown)
    return light


def _star(colour: Tensor) -> tuple[Tensor, Tensor]:
    """Distance and form of a plump star with five points."""
    u, v = model_grid(colour.device)
    points = []
    for index in range(5):
        angle = torch.tensor(1.5708 + 1.25664 * index, device=colour.device)
        tip = (0.85 * torch.cos(angle), 0.85 * torch.sin(angle))
        points.append(limb(u, v, (0.0, 0.0), tip, 0.4, 0.08))
    distance = join(points, 0.1)
    return distance, 0.35 + relief(distance, 0.35, (0.3, 0.8))[0]


def _crescent(colour: Tensor) -> tuple[Tensor, Tensor]:
    """Distance and form of a crescent moon."""
    u, v = model_grid(colour.device)
    whole = oval(u, v, (0.0, 0.0), 0.85, 0.85)
    bite = oval(u, v, (0.42, 0.15), 0.68, 0.68)
    distance = torch.maximum(whole, -bite)
    return distance, 0.35 + relief(distance, 0.25, (0.3, 0.8))[0]


def _cradle(
    generator: torch.Generator, values: Values, warm: Tensor, power: Tensor, lamp: Tensor
) -> tuple[Tensor, Tensor]:
    """A cradle on rockers, a baby in it on its pillow; lamplight from the side of `lamp`."""
    batch = warm.shape[0]
    u, v = model_grid(warm.device)
    side = (0.7 * lamp, 0.65)
    bowl = torch.maximum(oval(u, v, (0.0, -0.06), 0.98, 0.62), v + 0.12)
    rail = limb(u, v, (-1.0, -0.08), (1.0, -0.08), 0.065, 0.065)
    board = chain(u, v, ((-0.95, -0.2), (-1.03, 0.25), (-1.0, 0.42)), (0.06, 0.06, 0.075))
    arc = (torch.sqrt(u**2 + (v - 0.75) ** 2) - 1.62).abs() - 0.05
    rocker = torch.maximum(arc, u.abs() - 0.78)
    rocker = torch.maximum(rocker, v)
    legs = limb(u.abs(), v, (0.4, -0.5), (0.5, -0.75), 0.06, 0.05)
    wood = torch.minimum(
        torch.minimum(bowl, rail), torch.minimum(board, torch.minimum(rocker, legs))
    )
    pillow = oval(u, v, (-0.52, 0.02), 0.42, 0.17, -0.1)
    quilt = chain(
        u, v, ((-0.12, -0.02), (0.3, 0.06), (0.72, -0.06)), (0.24, 0.25, 0.14), fillet=0.15
    )
    head, baby_skin = _baby_head(generator, u, v, side)
    hand = oval(u, v, (-0.1, 0.2), 0.085, 0.07, 0.4)
    outline = torch.minimum(torch.minimum(wood, head), torch.minimum(pillow, quilt))
    outline = torch.minimum(outline, hand)
    linen = tint(rgb("#efe6d8").to(u.device)) * relief(pillow, 0.16, side)[0].unsqueeze(1)
    cloth = pick(BLANKETS, values["blanket"])[:, 0]
    dots = torch.cos(17.0 * (u + 0.3 * v)) * torch.cos(17.0 * (v - 0.3 * u))
    woven = coat(cloth, relief(quilt, 0.24, side)[0] + 0.12 * smoothstep(0.4, 0.7, dots))
    skin = cover(linen.expand(batch, -1, -1, -1), woven, quilt)
    skin = cover(skin, baby_skin, torch.minimum(head, hand))
    timber = rgb("#9a6234").to(u.device).expand(batch, 3)
    slats = 0.12 * smoothstep(0.75, 0.95, torch.cos(15.0 * u)) * smoothstep(-0.14, -0.2, v)
    planks = coat(timber, relief(wood, 0.1, side)[0] - slats)
    skin = cover(skin, planks, wood)
    lit = 0.32 + 0.6 * power
    tinted = 0.35 + 0.65 * warm / warm.amax(dim=1, keepdim=True)
    skin = skin * tint(tinted) * lit.unsqueeze(1)
    _, rim = relief(outline, 0.12, side)
    return outline, skin + paint_flat(warm, 0.4 * power * rim)


def _baby_head(
    generator: torch.Generator, u: Tensor, v: Tensor, side: tuple[Tensor, float]
) -> tuple[Tensor, Tensor]:
    """Distance and skin of a round sleeping face, turned a little to the viewer's left."""
    batch = side[0].shape[0]
    kin = uniform(generator, batch).view(-1)
    tone, dark = pick(_SKINS, kin)[:, 0], pick(_HAIRS, kin)[:, 0]
    tilt = 0.28
    cosine, sine = 0.961, 0.276
    a = (u + 0.5) * cosine + (v - 0.3) * sine
    b = (v - 0.3) * cosine - (u + 0.5) * sine
    skull = oval(a, b, (0.0, 0.0), 0.34, 0.32)
    ear = oval(a, b, (-0.34, -0.03), 0.06, 0.085)
    curl = leaf(a, b, (-0.02, 0.28), 1.2 + tilt, 0.2, 0.05, 0.6)
    head = join([skull, ear], 0.03)
    whole = torch.minimum(head, curl)
    form, _ = relief(head, 0.3, side)
    skin = coat(tone, 0.12 + 0.9 * form)
    rosy = tint(shade(tone, light=0.95, vivid=1.6, turn=-0.35))
    for cheek in (-0.17, 0.19):
        blush = 0.55 * glow(torch.sqrt((a - cheek) ** 2 + (b + 0.1) ** 2), 0.1)
        skin = mix(skin, rosy, blush.unsqueeze(1))
    ink = tint(0.2 * tone)
    for eye in (-0.12, 0.14):
        ring = (torch.sqrt((a - eye) ** 2 + (b - 0.03) ** 2) - 0.062).abs() - 0.012
        skin = cover(skin, ink, torch.maximum(ring, b - 0.012), 0.018)
    mouth = (torch.sqrt((a - 0.015) ** 2 + (b + 0.115) ** 2) - 0.05).abs() - 0.01
    skin = cover(skin, tint(0.5 * shade(tone, vivid=1.8)), torch.maximum(mouth, b + 0.13), 0.018)
    nose = oval(a, b, (0.015, -0.04), 0.035, 0.026)
    skin = cover(skin, tint(shade(tone, light=1.1, vivid=1.2)), nose, 0.03)
    crown = torch.maximum(oval(a, b, (0.0, 0.02), 0.36, 0.35), 0.2 - b - 0.12 * a.abs())
    hair = torch.minimum(crown, curl)
    skin = cover(skin, coat(dark, 0.2 + form), hair, 0.04)
    return whole, skin


SCENES_NURSERY: tuple[Scene, ...] = (
    Scene(
        "baby",
        (
            "a baby",
            "a sleeping baby",
            "a baby asleep in its cradle",
            "a lullaby",
            "an infant in a crib",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("blue", "golden", "orange")),
            Attribute("blanket", BLANKET_WORDS),
            Attribute(
                "mobile", ((), (), ("under a mobile of stars", "with stars and moons above"))
            ),
            Attribute("lamp", (("in dim light", "in the dark"), (), ("by a bright night lamp",))),
            Attribute("stars", ((), (), ("with stars on the wall", "in starlight"))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_baby,
    ),
)
"""Every scene of this file."""
