"""Scenes with a subject: hot-air balloons, crystal cave, and those of other files."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.birds import SCENES_BIRDS
from engine.training.ember.scenes.bubbles import SCENES_BUBBLES
from engine.training.ember.scenes.creatures import SCENES_CREATURES, motes
from engine.training.ember.scenes.fields import (
    canvas,
    fbm,
    fill,
    glow,
    knob,
    mix,
    over,
    profile,
    ridged,
    rotate,
    smoothstep,
    stack_colours,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.neon import SCENES_NEON
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


def paint_balloons(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint hot-air balloons at dawn over misty hills, striped envelopes lit by the low sun."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    sky_colour = main_colour(values["sky"])
    sun_x = uniform(generator, batch, -0.8, 0.8) * aspect
    horizon = uniform(generator, batch, -0.62, -0.4)
    stops = stack_colours(
        (
            shade(sky_colour, light=1.35, vivid=0.45, turn=-0.5),
            shade(sky_colour, light=1.2, vivid=0.75, turn=-0.2),
            shade(sky_colour, light=0.95),
            shade(sky_colour, light=0.6, turn=0.5),
            shade(sky_colour, light=0.4, turn=0.8),
        )
    )
    light = ramp(stops, ((y - horizon) * 0.62).expand(batch, height, width))
    away = torch.sqrt((x - sun_x) ** 2 + ((y - horizon - 0.1) * 1.3) ** 2)
    warm = shade(sky_colour, light=1.45, vivid=0.45, turn=-0.5)
    light = light + paint_flat(warm, 0.8 * glow(away, 0.4) + 1.4 * fill(away - 0.11, 0.03))
    cloud = fbm(generator, batch, height, width, cells=2.0, octaves=5, stretch=3.0)
    light = over(light, tint(warm), 0.5 * smoothstep(0.05, 0.8, cloud) * smoothstep(-0.2, 0.5, y))
    for layer in range(3):
        ridge = (
            horizon
            - 0.16 * layer
            + (0.09 + 0.03 * layer)
            * profile(generator, batch, x, cells=1.1 + 0.5 * layer, octaves=5)
        )
        mask = fill(y - ridge, 0.012)
        near = (layer + 1) / 3.0
        mist = smoothstep(0.0, 0.34, ridge - y)
        hill = shade(sky_colour, light=0.85 - 0.55 * near, vivid=0.8, turn=0.5)
        land = mix(
            tint(hill).expand_as(light),
            tint(shade(warm, light=0.85)).expand_as(light),
            (0.55 * mist * (1.1 - near)).unsqueeze(1),
        )
        light = over(light, land, mask)
    wanted = knob(values["count"], 1.0, 7.0)
    size = knob(values["size"], 0.2, 0.36)
    total = 7
    for index in range(total):
        rank = (index + 1) / total
        scale = size * (0.22 + 0.9 * rank * rank) * uniform(generator, batch, 0.85, 1.1)
        bx = (((index * 0.618 + 0.3) % 1.0) * 1.7 - 0.85) * aspect * 0.9 + uniform(
            generator, batch, -0.15, 0.15
        )
        by = uniform(generator, batch, -0.1, 0.62) - 0.15 * rank
        kind = uniform(generator, batch, -1.0, 1.0).view(-1) * knob(
            values["variety"], 0.1, 2.6
        ).view(-1)
        cloth = shade(colour, turn=kind if index < total - 1 else 0.0 * kind)
        sun = torch.sign(sun_x - bx)
        shown = (wanted > total - index - 1).float()
        haze = 0.5 * (1.0 - rank) ** 1.5
        light = balloon_shape(
            generator, light, ((x - bx) / scale, (y - by) / scale), (cloth, warm), shown, sun, haze
        )
    return finish(light, shine=0.3, vignette=0.15)


def balloon_shape(
    generator: torch.Generator,
    light: Tensor,
    place: tuple[Tensor, Tensor],
    colours: tuple[Tensor, Tensor],
    shown: Tensor,
    sun: Tensor,
    haze: float,
) -> Tensor:
    """Lay one balloon over the picture: envelope of radius 1 about the origin, basket below."""
    u, v = place
    cloth, warm = colours
    batch = shown.shape[0]
    girth = torch.where(
        v > 0.0,
        torch.sqrt((1.0 - v * v).clamp(min=0.0)),
        ((v + 1.55) / 1.55).clamp(0.0, 1.0) ** 0.72 * (1.0 - 0.1 * v * (v + 1.4)),
    )
    shape = torch.maximum(
        u.abs() - girth.clamp(min=1e-3), (v - 0.0).abs() - 1.35 + 0.35 * (v > 0.0)
    )
    envelope = fill(shape, 0.03) * (v > -1.36) * shown
    across = (u / girth.clamp(min=0.05)).clamp(-1.0, 1.0)
    round_ = torch.asin(across * 0.999)
    gores = torch.round(uniform(generator, batch, 2.6, 4.4))
    stripe = smoothstep(
        -0.12, 0.12, torch.sin(round_ * gores * 2.0 + uniform(generator, batch, 0.0, 6.2))
    )
    band = smoothstep(0.03, 0.0, (v + uniform(generator, batch, -0.1, 0.35)).abs() - 0.13)
    second = shade(cloth, light=1.3, vivid=0.6, turn=0.9)
    third = shade(cloth, light=0.55, turn=-0.5)
    skin = mix(tint(cloth), tint(second), stripe.unsqueeze(1))
    skin = over(skin, tint(third), band)
    bulge = torch.sqrt((1.0 - across * across).clamp(min=0.0))
    lamp = 0.35 + 0.5 * bulge + 0.5 * (across * sun) * 0.8 + 0.18 * v
    flame = glow(torch.sqrt(u * u + (v + 1.1) ** 2), 0.8)
    skin = skin * lamp.clamp(min=0.12).unsqueeze(1) + paint_flat(
        warm, 0.22 * flame + 0.12 * (across * sun).clamp(min=0.0) ** 2
    )
    skin = mix(skin, tint(warm).expand_as(skin), torch.full_like(shown, haze).unsqueeze(1))
    light = over(light, skin, envelope)
    basket = torch.maximum(u.abs() - 0.15, (v + 1.78).abs() - 0.12)
    ropes = torch.maximum(
        (u.abs() - 0.14 - 0.07 * (v + 1.7)).abs() - 0.012, (v + 1.5).abs() - 0.17
    )
    gondola = torch.maximum(fill(basket, 0.03), 0.8 * fill(ropes, 0.03)) * shown
    wood = 0.5 * shade(third, light=0.5) + 0.5 * rgb("#3a2213").to(u.device)
    wood = wood * (1.0 - haze) + warm * haze * 0.8
    return over(light, tint(wood), gondola * (1.0 - 0.3 * haze))


def paint_crystals(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a crystal cave: faceted crystals that glow from within, grown round a lit hollow."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.5, 1.3).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    cx, cy = uniform(generator, batch, -0.3, 0.3), uniform(generator, batch, -0.15, 0.3)
    rock = fbm(generator, batch, height, width, cells=3.0, octaves=5, gain=0.55)
    crag = ridged(generator, batch, height, width, cells=4.0, octaves=4)
    away = torch.sqrt(((x - cx) / (0.45 + 0.55 * aspect)) ** 2 + (y - cy) ** 2)
    shine = knob(values["glow"], 0.5, 1.2)
    stops = stack_colours(
        (
            shade(colour, light=0.13, vivid=0.8, turn=turn),
            shade(colour, light=0.34, turn=0.7 * turn),
            shade(colour, light=0.7, turn=0.3 * turn),
            shade(colour, light=1.15, vivid=0.8),
        )
    )
    hollow = glow(away + 0.12 * rock, 0.95)
    light = ramp(stops, (0.15 + 0.75 * hollow) * (0.6 + 0.5 * crag) + 0.1 * rock)
    light = light * (shine * (0.25 + 0.75 * hollow)).unsqueeze(1)
    size = knob(values["size"], 0.8, 1.25)
    clusters = 7
    wanted = knob(values["count"], 3.0, clusters + 0.5)
    first = uniform(generator, batch, 0.0, 6.2)
    for cluster in range(clusters):
        # roots stand round the hollow; the golden angle spreads them evenly
        angle = first + 2.399963 * cluster + uniform(generator, batch, -0.3, 0.3)
        root_x = cx + (1.05 * aspect + 0.1) * torch.cos(angle)
        root_y = (cy + 1.3 * torch.sin(angle)).clamp(-1.12, 1.12)
        heading = torch.atan2(cy - root_y, cx - root_x) + uniform(generator, batch, -0.25, 0.25)
        shown = (wanted > clusters - cluster - 1).float()
        near = (cluster + 1) / clusters
        for spread in (-0.75, 0.7, -0.4, 0.42, 0.0):
            aim = heading + spread + uniform(generator, batch, -0.12, 0.12)
            tall = size * (1.0 - 0.55 * abs(spread)) * uniform(generator, batch, 0.6, 1.0)
            thick = tall * uniform(generator, batch, 0.15, 0.23)
            shift = 0.16 * spread * size
            foot = (root_x - shift * torch.sin(heading), root_y + shift * torch.cos(heading))
            cut = torch.cat([uniform(generator, batch, -1.0, 1.0) for _ in range(3)], dim=1)
            lit = shine * (1.25 - 0.35 * near)
            light = _grow(
                light, (x, y), (foot, aim, tall * shown, thick), (colour, turn), lit, cut
            )
    light = light + paint_flat(shade(colour, light=1.3, vivid=0.6), 0.12 * shine * glow(away, 0.5))
    light = light + motes(generator, batch, x, y, shade(colour, light=1.3, vivid=0.6), 26)
    return finish(light, shine=0.45, vignette=0.35)


def _grow(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    form: tuple[tuple[Tensor, Tensor], Tensor, Tensor, Tensor],
    tone: tuple[Tensor, Tensor],
    lit: Tensor,
    cut: Tensor,
) -> Tensor:
    """Lay one crystal over each picture: `form`: foot, direction, length (0: none), half-width."""
    (foot_x, foot_y), aim, tall, thick = form
    colour, turn = tone
    stops = stack_colours(
        (
            shade(colour, light=0.2, turn=turn),
            shade(colour, light=0.6, turn=0.45 * turn),
            shade(colour, light=1.05),
            shade(colour, light=1.45, vivid=0.5, turn=-0.2 * turn),
        )
    )
    edge = shade(colour, light=1.5, vivid=0.35)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = rotate(x - foot_x[which], y - foot_y[which], aim[which])
        alpha, tone_here, line = _crystal(u / tall[which], v / thick[which], cut[which])
        power = lit[which]
        body = ramp(stops[which], tone_here) * (power * (0.35 + 0.9 * tone_here)).unsqueeze(1)
        body = body + paint_flat(edge[which], 0.4 * power * line)
        return over(patch, body, 0.93 * alpha)

    middle = (foot_x + 0.5 * tall * torch.cos(aim), foot_y + 0.5 * tall * torch.sin(aim))
    return stamp(light, canvas_xy, middle, 0.62 * tall, paint)


def _crystal(u: Tensor, v: Tensor, cut: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Opacity, tone in [0, 1] and bright edges of a crystal along u from 0 to 1, 2 wide in v.

    `cut` `(b, 3, 1)` in [-1, 1] varies where its edges lie.
    """
    edge, point, slant = 0.3 * cut[:, :1], 0.72 + 0.08 * cut[:, 1:2], 0.3 * cut[:, 2:]
    cap = ((1.0 - u) / (1.0 - point)).clamp(0.0, 1.0)
    reach = (0.7 + 0.3 * (u / point).clamp(0.0, 1.0)) * cap
    s = (v - slant * (1.0 - cap)) / reach.clamp(min=1e-3)
    alpha = fill((s.abs() - 1.0) * reach, 0.07) * (u < 1.0)
    split = edge * (0.4 + 0.6 * cap)
    face = torch.where(s < split - 0.3, 0.25, torch.where(s < split + 0.34, 0.9, 0.5))
    brim = u - point - 0.05 * torch.cos(math.pi * (s - split))
    face = face + (brim > 0.0) * torch.where(s < split, 0.28, -0.15)
    seam = torch.minimum((s - split + 0.3).abs(), (s - split - 0.34).abs()) * reach
    line = smoothstep(0.06, 0.0, seam) + smoothstep(0.09, 0.02, (s.abs() - 1.0).abs() * reach)
    line = line + smoothstep(0.02, 0.004, brim.abs())
    tone = 0.08 + 0.5 * face * (0.5 + 0.5 * u) + 0.32 * smoothstep(0.1, 1.0, u)
    return alpha, tone, line.clamp(max=1.0) * (0.3 + 0.7 * u.clamp(0.0, 1.0))


_OWN: tuple[Scene, ...] = (
    Scene(
        "balloons",
        (
            "hot-air balloons",
            "balloons at dawn",
            "a balloon over misty hills",
            "colourful hot air balloons",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("red", "orange")),
            Attribute(
                "sky",
                tuple(tuple(f"in a {word} sky" for word in words) for words in HUE_WORDS),
                natural=("in a orange sky", "in a golden sky"),
            ),
            Attribute("count", (("a single", "alone"), (), ("many", "a fleet of"))),
            Attribute("size", (("distant", "small"), (), ("big", "close"))),
            Attribute("variety", (("in one colour",), (), ("in many colours", "colourful"))),
        ),
        paint_balloons,
    ),
    Scene(
        "crystal cave",
        ("a crystal cave", "glowing crystals", "a cavern of crystals", "giant amethyst crystals"),
        (
            Attribute("hue", HUE_WORDS, natural=("cyan", "blue")),
            Attribute("count", (("a few",), (), ("many", "crowded"))),
            Attribute("size", (("small",), (), ("giant", "towering"))),
            Attribute("glow", (("dim", "dark"), (), ("glowing", "radiant"))),
        ),
        paint_crystals,
    ),
)

SCENES_OBJECTS: tuple[Scene, ...] = (
    *_OWN,
    *SCENES_CREATURES,
    *SCENES_BIRDS,
    *SCENES_BUBBLES,
    *SCENES_NEON,
)
"""Scenes with a subject, from this file and its neighbours."""
