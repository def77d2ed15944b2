"""Life under water: jellyfish, whale, shoal of fish."""

from __future__ import annotations

import math

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
    rotate,
    sample,
    smooth_minimum,
    smoothstep,
    splats,
    stack_colours,
    texture,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    ramp,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.stamp import stamp


def paint_jellyfish(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint jellyfish in the deep: translucent bells, glowing rims, long waving tentacles."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.5, 1.4).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    sea = 0.65 * rgb("#06324f").to(x.device) + 0.12 * shade(colour, light=0.5)
    beam = fbm(generator, batch, height, width, cells=1.2, octaves=3, stretch=0.5)
    deep = smoothstep(-1.2, 1.3, y + 0.25 * beam)
    light = paint_flat(sea, 0.12 + 0.95 * deep**2)
    light = light + motes(generator, batch, x, y, shade(colour, light=1.1, vivid=0.6), 40)
    wanted = knob(values["count"], 1.0, 4.4)
    size = knob(values["size"], 0.28, 0.48)
    shine = knob(values["glow"], 0.5, 1.2)
    for index in (3, 2, 1, 0):
        far = 1.0 if index == 0 else (0.72, 0.5, 0.36)[index - 1]
        side = (0.0, 0.62, -0.66, 0.3)[index]
        jx = side * aspect + uniform(generator, batch, -0.22, 0.22)
        jy = uniform(generator, batch, 0.05, 0.5) + (
            0.0 if index == 0 else uniform(generator, batch, -0.5, 0.15)
        )
        lean = uniform(generator, batch, -0.5, 0.5) * (0.4 + knob(values["tilt"], 0.0, 1.4))
        power = (wanted > index).float() * shine * (0.35 + 0.65 * far)
        moods = (uniform(generator, batch), uniform(generator, batch), uniform(generator, batch))
        light = jelly_shape(
            light,
            (x, y),
            (jx, jy, size * far, lean),
            torch.cat(moods, dim=1),
            power,
            (colour, turn),
        )
    return finish(light, shine=0.5, vignette=0.3)


def motes(
    generator: torch.Generator, batch: int, x: Tensor, y: Tensor, colour: Tensor, count: int
) -> Tensor:
    """Motes of light adrift in water, `(b, 3, h, w)`."""
    places = draw(generator, batch, count, 2) * 2.0 - 1.0
    places[..., 0] *= float(x.abs().max())
    rank = draw(generator, batch, count)
    light = (0.12 + 0.35 * rank**3).unsqueeze(-1) * colour.unsqueeze(1)
    return splats(x, y, places, 0.006 + 0.012 * rank**2, light)


def jelly_shape(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor, Tensor],
    mood: Tensor,
    power: Tensor,
    tone: tuple[Tensor, Tensor],
) -> Tensor:
    """Add a jellyfish to each picture: `place` is x, y, size and lean, `power` 0 for none.

    `mood` `(b, 3, 1)` in [0, 1] says where in its beat it is and how its arms hang.
    """
    jx, jy, size, lean = place
    colour, turn = tone
    pale = shade(colour, light=1.35, vivid=0.5)
    second = shade(colour, light=1.15, turn=turn)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = rotate((x - jx[which]) / size[which], (y - jy[which]) / size[which], lean[which])
        bell, rim, inner, outer = _bell(u, v, mood[which])
        veil, arms = _tentacles(u, v, mood[which])
        window = smoothstep(2.3, 1.7, torch.sqrt(u * u + (v + 1.0) ** 2)) * power[which]
        halo = 0.16 * glow(torch.sqrt(u * u + (v + 0.2) ** 2), 1.3)
        patch = patch * (1.0 - 0.45 * bell * power[which].clamp(max=1.0)).unsqueeze(1)
        patch = patch + paint_flat(colour[which], window * (outer + halo + 0.45 * veil))
        patch = patch + paint_flat(second[which], window * (inner + 0.4 * arms))
        return patch + paint_flat(pale[which], window * rim)

    middle = (jx + size * torch.sin(lean), jy - size * torch.cos(lean))
    return stamp(light, canvas_xy, middle, 2.3 * size * (power > 0.0), paint)


def _bell(u: Tensor, v: Tensor, mood: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A bell of radius 1: its opacity, the light of its rim, of its heart and of its skin."""
    open_ = 1.0 + 0.1 * torch.sin(6.2 * mood[:, :1])
    bu = u / open_
    tall = torch.where(v > 0.0, v / 0.92, v / 0.3)
    radius = torch.sqrt(bu * bu + tall * tall)
    scallop = 0.05 * torch.cos(bu.clamp(-1.0, 1.0).asin() * 9.0) * smoothstep(0.1, -0.2, v)
    bell = smoothstep(1.03, 0.97, radius - scallop)
    dome = (1.0 - radius * radius).clamp(min=0.0).sqrt()
    rim = (1.0 - dome) ** 2.5 * bell
    rib = (
        torch.cos(9.0 * (bu / (0.25 + dome + 0.12 * tall.abs())).clamp(-1.5, 1.5)).clamp(min=0.0)
        ** 3
    )
    lip = (
        glow((radius - 1.0).abs(), 0.07)
        * smoothstep(0.25, -0.1, v)
        * smoothstep(1.2, 1.0, bu.abs())
    )
    heart = glow(torch.sqrt((bu * 1.2) ** 2 + ((v - 0.12) * 1.5) ** 2), 0.38)
    skin = 1.15 * bell * (0.16 + 0.5 * rim + 0.22 * rib * smoothstep(1.0, 0.4, radius))
    return bell, 0.75 * lip + 0.4 * rim + 0.12 * rib * bell, 0.75 * heart * bell, skin


def _tentacles(u: Tensor, v: Tensor, mood: Tensor) -> tuple[Tensor, Tensor]:
    """Light of the thin tentacles and of the ruffled arms that hang from a bell of radius 1."""
    veil, arms = torch.zeros_like(u), torch.zeros_like(u)
    wave, drift = 6.2 * mood[:, 1:2], 0.36 * mood[:, 2:] - 0.18
    drop = (-v - 0.05).clamp(min=0.0)
    hang = smoothstep(0.0, 0.12, drop)
    for strand in range(9):
        start = (strand - 4) / 4.4 * 0.92
        sway = 0.16 * torch.sin(2.1 * drop - wave + 0.5 * strand) * (0.25 + 0.5 * drop)
        middle = start * (1.0 - 0.12 * drop) + sway + drift * drop * drop * 0.4
        reach = 2.1 + 0.9 * math.sin(2.7 * strand + 1.0)
        fade = hang * smoothstep(reach, 0.3 * reach, drop)
        veil = veil + glow(u - middle, 0.035) * fade
    for arm in range(4):
        start = (arm - 1.5) * 0.2
        ruffle = 0.05 * torch.sin(13.0 * drop + 2.0 * arm + wave)
        middle = (
            start
            + 0.14 * torch.sin(1.6 * drop - wave + 1.3 * arm) * (0.3 + drop)
            + ruffle
            + drift * drop
        )
        fade = smoothstep(-0.25, 0.1, -v) * smoothstep(1.9, 0.2, drop)
        arms = arms + glow(u - middle, 0.09 + 0.02 * torch.cos(13.0 * drop + arm)) * fade
    return veil, arms


def paint_whale(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a whale under water: a great shape below the surface, shafts of light, motes."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    light, deep, pale = _lit_water(values, generator, x, y)
    size = knob(values["size"], 0.45, 0.85)
    facing = torch.where(values["facing"].view(-1, 1, 1) < 0.5, -1.0, 1.0)
    wx = uniform(generator, batch, -0.2, 0.2)
    wy = uniform(generator, batch, -0.3, 0.25)
    lean = uniform(generator, batch, -0.3, 0.45)
    for index in (1, 0):
        far = 1.0 if index == 0 else 0.5
        ox, oy = wx, wy
        if index:  # the calf swims below, at its mother's side
            ox = wx - facing * size * uniform(generator, batch, -0.15, 0.5)
            oy = (wy - 0.62 * size).clamp(min=-0.72)
        u, v = rotate((x - ox) * facing / (size * far), (y - oy) / (size * far), lean)
        body, relief = whale_shape(u, v, uniform(generator, batch, -0.25, 0.35))
        shown = 1.0 if index == 0 else (knob(values["company"], 0.0, 1.0) > 0.6).float()
        skin = ramp(
            stack_colours(
                (
                    shade(deep, light=0.28),
                    shade(deep, light=0.7),
                    shade(deep, light=1.5),
                    shade(pale, light=0.85, vivid=0.8),
                )
            ),
            0.1 + 0.9 * relief,
        )
        veil = 0.96 if index == 0 else 0.85
        light = over(light, skin * 0.9, body * veil * shown)
    light = light + _shafts(values, generator, x, y, pale) * 0.55
    light = light + motes(generator, batch, x, y, shade(pale, light=1.0), 30)
    return finish(light, shine=0.35, vignette=0.35)


def _lit_water(
    values: Values, generator: torch.Generator, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return water that darkens downwards under a bright surface, and its dark and pale colour."""
    batch = values["hue"].shape[0]
    height, width = y.shape[1], x.shape[2]
    colour = main_colour(values["hue"])
    deep = shade(colour, light=0.32, vivid=0.9, turn=0.15)
    pale = shade(colour, light=1.3, vivid=0.55, turn=-0.25)
    dim = knob(values["depth"], 0.35, -0.35)
    haze = fbm(generator, batch, height, width, cells=1.4, octaves=3, stretch=2.0)
    stops = stack_colours(
        (
            shade(deep, light=0.3),
            deep,
            shade(colour, light=0.72),
            shade(colour, light=1.08, turn=-0.15),
            pale,
        )
    )
    light = ramp(stops, 0.43 + 0.42 * y + dim + 0.06 * haze)
    ripple = fbm(generator, batch, height, width, cells=5.0, octaves=2, stretch=3.0)
    surface = smoothstep(0.62, 1.0, y + 0.07 * ripple)
    caustic = (1.0 - ripple.abs() * 2.0).clamp(min=0.0) ** 2
    light = light + paint_flat(pale, surface * (0.2 + 0.9 * caustic) * (0.6 + dim).clamp(min=0.1))
    light = light + _shafts(values, generator, x, y, pale)
    return light, deep, pale


def _shafts(
    values: Values, generator: torch.Generator, x: Tensor, y: Tensor, pale: Tensor
) -> Tensor:
    """Rays of sun that fan out from a point above the surface, `(b, 3, h, w)`."""
    batch = values["hue"].shape[0]
    sx = uniform(generator, batch, -0.6, 0.6)
    angle = torch.atan2(x - sx, 1.9 - y)
    tile = texture(generator, batch, cells=8, octaves=3, gain=0.6)
    streak = sample(tile, angle * 0.55 + 0.1, torch.zeros_like(angle) + uniform(generator, batch))
    ray = smoothstep(-0.45, 0.95, streak) * glow(angle, 0.62)
    fade = smoothstep(-1.25, 1.0, y) ** 1.5
    return paint_flat(pale, knob(values["rays"], 0.0, 0.85) * ray * fade)


def whale_shape(u: Tensor, v: Tensor, bend: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity and relief (0 shaded belly, 1 lit back) of a humpback 2 long that faces right."""
    v = v - bend * (u - 0.35).clamp(max=0.0) ** 2 * 0.5
    along = ((u + 1.0) / 2.0).clamp(1e-4, 1.0 - 1e-4)
    top = 0.014 + 0.75 * along**1.5 * (1.0 - along) ** 0.6
    belly = 0.014 + 1.12 * along**2.2 * (1.0 - along) ** 0.55
    trunk = torch.maximum(torch.maximum(v - top, -v - belly), u.abs() - 1.0)
    fin = _blade(u - 0.3, v + 0.17, -2.1, 0.62, 0.085, 0.35)
    far_fin = _blade(u - 0.42, v + 0.12, -1.2, 0.36, 0.06, -0.3)
    dorsal = _blade(u + 0.22, v - 0.13, 2.5, 0.17, 0.05, 0.3)
    near_lobe = _blade(u + 0.93, v, 3.75, 0.4, 0.085, -0.5)
    far_lobe = _blade(u + 0.93, v, 2.45, 0.34, 0.07, 0.5)
    shape = smooth_minimum(trunk, torch.minimum(fin, dorsal), 0.03)
    shape = smooth_minimum(shape, torch.minimum(near_lobe, far_lobe), 0.05)
    middle = (v + 0.5 * (belly - top)) / (0.5 * (belly + top))
    relief = 0.12 + 0.62 * smoothstep(-0.2, 1.0, middle)
    pleats = 0.5 + 0.5 * torch.cos(46.0 * (v + 0.1 * u))
    chest = smoothstep(-0.2, -0.45, middle) * smoothstep(0.05, 0.35, u)
    relief = relief + chest * (0.22 + 0.2 * pleats)
    jaw = smoothstep(0.022, 0.006, (middle + 0.22 - 0.5 * (u - 0.95)).abs() * 0.2) * smoothstep(
        0.5, 0.62, u
    )
    eye = fill(torch.sqrt((u - 0.6) ** 2 + (v + 0.075) ** 2) - 0.014, 0.02)
    relief = mix(
        relief, 0.3 + 0.5 * smoothstep(-0.55, -0.15, v), 0.85 * smoothstep(0.01, -0.02, fin)
    )
    opacity = torch.maximum(fill(shape, 0.022), 0.8 * fill(far_fin, 0.022))
    return opacity, (relief - 0.3 * jaw - 0.4 * eye).clamp(0.0, 1.0)


def _blade(u: Tensor, v: Tensor, angle: float, length: float, half: float, curve: float) -> Tensor:
    """Signed distance, roughly, to a curved fin that grows from the origin along `angle`."""
    along, across = rotate(u, v, angle)
    share = (along / length).clamp(0.0, 1.0)
    across = across - curve * length * share * share
    girth = half * (1.0 - share) ** 0.7 * (0.55 + 0.45 * torch.sin(math.pi * share.clamp(max=0.7)))
    return torch.maximum(across.abs() - girth, torch.maximum(-along - 0.05, along - length))


def paint_fish(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a shoal of bright fish that swim together through sunlit water."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    water = {**values, "hue": values["water"]}
    light, deep, pale = _lit_water(water, generator, x, y)
    colour = main_colour(values["hue"])
    facing = torch.where(values["facing"].view(-1, 1, 1) < 0.5, -1.0, 1.0)
    size = knob(values["size"], 0.13, 0.3)
    wanted = knob(values["count"], 5.0, 20.0)
    course = uniform(generator, batch, -0.35, 0.35)
    total = 20
    tone = stack_colours(
        (
            shade(colour, light=0.4, turn=-0.3),
            colour,
            shade(colour, light=1.35, vivid=0.6, turn=0.3),
        )
    )
    band = shade(colour, light=0.3, turn=2.2)
    for index in range(total):
        rank = (index + 1) / total
        scale = size * (0.4 + 0.75 * rank)
        fx = uniform(generator, batch, -0.95, 0.95) * aspect
        fy = uniform(generator, batch, -0.75, 0.65)
        turn = course + uniform(generator, batch, -0.2, 0.2)
        phase = uniform(generator, batch, 0.0, 6.2)
        shown = (wanted > total - index - 1).float()

        def swim(
            which: slice,
            patch: Tensor,
            px: Tensor,
            py: Tensor,
            place: tuple[Tensor, ...] = (fx, fy, scale, turn, phase),
            near: float = rank,
        ) -> Tensor:
            ox, oy, big, lean, beat = (figure[which] for figure in place)
            u, v = rotate((px - ox) * facing[which] / big, (py - oy) / big, lean)
            body, relief, stripe = _fish_shape(u, v, beat)
            skin = over(ramp(tone[which], 0.12 + 0.85 * relief), tint(band[which]), 0.75 * stripe)
            skin = tint(deep[which]) + (skin - tint(deep[which])) * (0.4 + 0.6 * near)
            return over(patch, skin, body)

        light = stamp(light, (x, y), (fx, fy), 1.25 * scale * shown, swim)
    light = light + _shafts(values, generator, x, y, pale) * 0.5
    return finish(light, shine=0.3, vignette=0.3)


def _fish_shape(u: Tensor, v: Tensor, phase: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Opacity, relief and stripes of a fish of length 2 that faces right."""
    v = v + 0.06 * torch.sin(2.2 * u + phase)
    body = torch.sqrt(((u - 0.15) / 0.85) ** 2 + (v / (0.33 - 0.05 * u)) ** 2) - 1.0
    tail = torch.maximum(
        (u + 0.83).abs() - 0.24, v.abs() - 0.1 - 0.85 * (-(u + 0.62)).clamp(min=0.0)
    )
    notch = 0.2 - torch.sqrt((u + 1.2) ** 2 + (v * 0.8) ** 2)
    fin = torch.sqrt(((u - 0.02) / 0.42) ** 2 + ((v - 0.28) / 0.2) ** 2) - 1.0
    low = torch.sqrt(((u + 0.1) / 0.28) ** 2 + ((v + 0.28) / 0.17) ** 2) - 1.0
    shape = smooth_minimum(body * 0.35, torch.maximum(tail, notch), 0.06)
    shape = torch.minimum(shape, torch.minimum(fin * 0.2, low * 0.17))
    relief = smoothstep(-0.5, 0.5, v) * 0.75 + 0.25 * smoothstep(0.0, -0.7, body)
    eye = fill(torch.sqrt((u - 0.68) ** 2 + (v - 0.08) ** 2) - 0.08, 0.06)
    band = smoothstep(0.5, 0.8, torch.cos(5.6 * (u - 0.42))) * smoothstep(0.05, -0.05, body)
    return fill(shape, 0.05), relief, torch.maximum(eye, 0.75 * band)


SCENES_CREATURES: tuple[Scene, ...] = (
    Scene(
        "jellyfish",
        (
            "a jellyfish",
            "jellyfish in the deep sea",
            "glowing medusas",
            "a luminous jellyfish drifting",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("cyan", "blue")),
            Attribute("count", (("alone", "a single"), (), ("a swarm of", "several"))),
            Attribute("size", (("small", "distant"), (), ("large", "close"))),
            Attribute("tilt", (("upright",), (), ("leaning", "tilted"))),
            Attribute("glow", (("dim",), (), ("glowing", "luminous"))),
        ),
        paint_jellyfish,
    ),
    Scene(
        "whale",
        (
            "a whale",
            "a whale under water",
            "a blue whale in sunlit water",
            "a great whale swimming",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("cyan", "blue")),
            Attribute("size", (("distant", "small"), (), ("huge", "close"))),
            Attribute(
                "depth",
                (("near the surface", "in bright water"), (), ("in the deep", "in dark water")),
            ),
            Attribute("rays", ((), (), ("with rays of light", "in shafts of sun"))),
            Attribute("facing", (("swimming left",), ("swimming right",))),
            Attribute("company", (("alone",), (), ("with its calf",))),
        ),
        paint_whale,
    ),
    Scene(
        "fish",
        (
            "a shoal of fish",
            "a school of fish",
            "tropical fish",
            "bright fish swimming under water",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("orange", "golden")),
            Attribute(
                "water",
                tuple(tuple(f"in {word} water" for word in words) for words in HUE_WORDS),
                natural=("in teal water", "in cyan water", "in blue water"),
            ),
            Attribute("count", (("a few",), (), ("many", "hundreds of"))),
            Attribute("size", (("small",), (), ("big", "close"))),
            Attribute("depth", (("in bright water",), (), ("in dark water", "in the deep"))),
            Attribute("rays", ((), (), ("with rays of light",))),
            Attribute("facing", (("swimming left",), ("swimming right",))),
        ),
        paint_fish,
    ),
)
"""Every scene of this file."""
