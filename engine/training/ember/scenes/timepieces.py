"""Things that tell the hour: a large clock face, a ringing bell."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.creatures import motes
from engine.training.ember.scenes.fields import (
    canvas,
    fbm,
    fill,
    glow,
    knob,
    mix,
    over,
    polar,
    rotate,
    sample,
    sdf_box,
    sdf_circle,
    sdf_segment,
    smoothstep,
    stack_colours,
    texture,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.outlines import sdf_oval, union
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


def paint_clock(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a large clock face with hands, in a tower's wall or as a pocket watch."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    colour = main_colour(values["hue"])
    room = min(1.0, width / height)
    radius = knob(values["size"], 0.44, 0.78) * room
    cx = uniform(generator, batch, -0.12, 0.12) * (width / height)
    cy = uniform(generator, batch, -0.14, 0.02)
    watch = smoothstep(0.45, 0.55, values["kind"].view(-1, 1, 1))
    shine = knob(values["glow"], 0.35, 1.1)
    u, v = (x - cx) / radius, (y - cy) / radius
    reach, _ = polar(u, v)
    light = _behind_clock(generator, x, y, colour, (u, v, reach), watch, shine)
    metal = _metal(colour, u, v, reach)
    light = light + paint_flat(shade(colour, light=1.1), 0.3 * shine * glow(reach, 0.9))
    light = over(light, metal * 0.9, fill(reach - 1.13, 0.02 / radius))
    face = _face(generator, colour, (u, v, reach), values, shine)
    light = over(light, face, fill(reach - 0.99, 0.012 / radius))
    light = _hands(generator, light, (x, y), (cx, cy, radius), values["hour"], colour)
    return finish(light, shine=0.35, vignette=0.35)


def _metal(colour: Tensor, u: Tensor, v: Tensor, reach: Tensor) -> Tensor:
    """The polished rim about the face: bright to the upper left, dark across."""
    stops = stack_colours(
        (
            shade(colour, light=0.16, vivid=0.7),
            shade(colour, light=0.55, vivid=0.8),
            shade(colour, light=1.0, vivid=0.7),
            shade(colour, light=1.4, vivid=0.35),
        )
    )
    toward = (0.75 * v - 0.6 * u) / reach.clamp(min=0.05)
    bend = torch.sin((reach - 0.97) * (math.pi / 0.16))
    return ramp(stops, 0.34 + 0.4 * toward * torch.sign(1.06 - reach) + 0.25 * bend)


def _behind_clock(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    colour: Tensor,
    place: tuple[Tensor, Tensor, Tensor],
    watch: Tensor,
    shine: Tensor,
) -> Tensor:
    """A tower's stone wall with a dark ring, or the dark with a watch's crown and chain."""
    batch, height, width = colour.shape[0], y.shape[1], x.shape[2]
    u, v, reach = place
    dark = shade(colour, light=0.22, vivid=0.7, turn=-0.5)
    haze = fbm(generator, batch, height, width, cells=2.2, octaves=5, stretch=1.5)
    row = torch.floor(y * 4.5)
    joint = torch.minimum(
        (torch.remainder(y * 4.5, 1.0) - 0.5).abs(),
        (torch.remainder(x * 2.4 + 0.5 * row, 1.0) - 0.5).abs() * 1.9,
    )
    stone = 0.62 + 0.28 * haze - 0.4 * smoothstep(0.06, 0.0, joint)
    lit = (0.3 + 0.9 * glow(reach - 0.4, 1.4) * shine) * (0.85 + 0.3 * y)
    wall = paint_flat(shade(colour, light=0.55, vivid=0.5, turn=-0.3), stone * lit)
    wall = over(wall, tint(dark) * 0.5, fill((reach - 1.24).abs() - 0.05, 0.03))
    cloth = paint_flat(dark, 0.5 + 0.8 * glow(reach, 1.0) * (1.0 + 0.8 * haze).clamp(min=0.1))
    crown = sdf_box(u, v - 1.2, 0.1, 0.1) - 0.03
    bow = sdf_circle(u, v - 1.5, 0.19).abs() - 0.04
    link = torch.remainder((v - 1.6) * 4.0 + 0.5, 1.0) - 0.5
    chain = sdf_oval(u + 0.4 * (v - 1.6) ** 2, link / 4.0, 0.07, 0.13).abs() - 0.025
    brass = _metal(colour, u * 6.0, (v - 1.3) * 2.0, torch.full_like(reach, 1.0))
    ring = union(crown, bow, torch.maximum(chain, 1.66 - v))
    cloth = over(cloth, brass, fill(ring, 0.02))
    return mix(wall, cloth, watch.unsqueeze(1))


def _face(
    generator: torch.Generator,
    colour: Tensor,
    place: tuple[Tensor, Tensor, Tensor],
    values: Values,
    shine: Tensor,
) -> Tensor:
    """The dial: bright with dark strokes for the hours, its wheels showing where asked for."""
    u, v, reach = place
    pale = shade(colour, light=1.45, vivid=0.3)
    deep = shade(colour, light=0.9, vivid=0.8)
    ink = shade(colour, light=0.12, vivid=0.6)
    _, angle = polar(v, u)
    lamp = shine * (0.6 + 0.5 * glow(reach, 0.8) + 0.12 * v)
    dial = paint_flat(pale, lamp) * 0.85 + paint_flat(deep, 0.12 * smoothstep(0.4, 1.0, reach))
    dial = over(
        dial,
        _wheels(generator, colour, u, v),
        0.9 * smoothstep(0.45, 0.75, values["gears"].view(-1, 1, 1)) * fill(reach - 0.6, 0.03),
    )
    hour = torch.remainder(angle * (12.0 / (2.0 * math.pi)) + 0.5, 1.0) - 0.5
    quarter = torch.remainder(angle * (4.0 / (2.0 * math.pi)) + 0.5, 1.0) - 0.5
    wide = 0.028 + 0.022 * smoothstep(0.08, 0.06, quarter.abs())
    stroke = torch.maximum(
        (hour * reach * (2.0 * math.pi / 12.0)).abs() - wide, (reach - 0.79).abs() - 0.115
    )
    minute = torch.remainder(angle * (60.0 / (2.0 * math.pi)) + 0.5, 1.0) - 0.5
    tick = torch.maximum(
        (minute * reach * (2.0 * math.pi / 60.0)).abs() - 0.01, (reach - 0.945).abs() - 0.022
    )
    rings = torch.minimum((reach - 0.64).abs(), (reach - 0.915).abs()) - 0.008
    return over(dial, tint(ink), fill(union(stroke, tick, rings), 0.016))


def _wheels(generator: torch.Generator, colour: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Toothed wheels of the movement, `(b, 3, h, w)`."""
    batch = colour.shape[0]
    brass = stack_colours(
        (
            shade(colour, light=0.1, vivid=0.6),
            shade(colour, light=0.5, vivid=0.8),
            shade(colour, light=1.15, vivid=0.6),
        )
    )
    tone = torch.full_like(u * v, 0.06)
    for px, py, size, teeth in (
        (0.22, -0.2, 0.34, 14),
        (-0.24, 0.16, 0.26, 11),
        (0.1, 0.34, 0.17, 8),
    ):
        reach, angle = polar(u - px, v - py)
        turned = angle * teeth + uniform(generator, batch, 0.0, 6.2)
        edge = reach - size * (1.0 + 0.09 * torch.sin(turned).clamp(-0.6, 0.6))
        spoke = (torch.remainder(turned * (5.0 / teeth), 2.0 * math.pi) - math.pi).abs()
        hole = torch.maximum((reach - 0.52 * size).abs() - 0.24 * size, 0.7 - spoke)
        alpha = fill(edge, 0.02) * (1.0 - fill(hole, 0.03))
        bevel = 0.55 + 0.35 * (v - py - u + px) / size * 0.6 + 0.25 * smoothstep(-0.05, 0.0, edge)
        tone = mix(tone, bevel, alpha)
    return ramp(brass, tone)


def _hands(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor],
    hour: Tensor,
    colour: Tensor,
) -> Tensor:
    """Two hands: both up at midnight, anywhere else otherwise."""
    cx, cy, radius = place
    batch = hour.shape[0]
    late = smoothstep(0.3, 0.42, hour.view(-1, 1, 1))
    long_turn = -late * uniform(generator, batch, 0.5, 5.8)
    # never one upon the other, and seldom in one line
    short_turn = long_turn - late * uniform(generator, batch, 0.9, 2.9)
    ink = shade(colour, light=0.06, vivid=0.6)
    edge = shade(colour, light=0.55, vivid=0.8)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = (x - cx[which]) / radius[which], (y - cy[which]) / radius[which]
        soft = 0.012 / radius[which]
        shapes = []
        for turn, reach, thick in ((short_turn, 0.52, 0.075), (long_turn, 0.84, 0.052)):
            along, across = rotate(u, v, turn[which] + 0.5 * math.pi)
            share = ((along + 0.2) / (reach + 0.2)).clamp(0.0, 1.0)
            half = thick * (0.45 + 1.1 * share) * smoothstep(1.0, 0.72, share) + 0.006
            shapes.append(
                torch.maximum(
                    across.abs() - half, (along - 0.5 * reach + 0.1).abs() - 0.5 * reach - 0.1
                )
            )
        shape = union(*shapes, sdf_circle(u, v, 0.085))
        shadow = fill(shape - 0.035, 0.12)
        patch = patch * (1.0 - 0.45 * shadow).unsqueeze(1)
        rim = smoothstep(-0.03, 0.0, shape)
        return over(
            patch, tint(ink[which]) + paint_flat(edge[which], 0.35 * rim), fill(shape, soft)
        )

    return stamp(light, canvas_xy, (cx, cy), radius, paint)


def paint_bells(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint bronze bells in a belfry, light falling in behind them; they hang still or swing."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    shine = knob(values["glow"], 0.45, 1.15)
    wanted = knob(values["count"], 1.0, 3.9)
    size = knob(values["size"], 0.5, 0.8) * min(1.0, 0.45 + 0.55 * aspect)
    middle = uniform(generator, batch, -0.12, 0.12) * aspect
    light = _belfry(generator, x, y, colour, middle, shine)
    swing = knob(values["swing"], 0.0, 0.75) * torch.sign(uniform(generator, batch, -1.0, 1.0))
    for index in (2, 1, 0):
        side = (0.0, -0.78, 0.78)[index]
        near = 1.0 if index == 0 else 0.58
        shown = (wanted > (1.0, 1.9, 2.4)[index]).float() if index else torch.ones_like(wanted)
        place = (
            middle + side * min(1.0, aspect) + uniform(generator, batch, -0.04, 0.04),
            uniform(generator, batch, 0.72, 0.82) - 0.02 * index,
            size * near * shown,
            swing * uniform(generator, batch, 0.85, 1.1) * (1.0 if index == 0 else -1.0),
        )
        light = _bell(generator, light, (x, y), place, colour, shine)
    beam = sdf_box(x, y - 0.86, 4.0, 0.085)
    grain = fbm(generator, batch, height, width, cells=5.0, octaves=3, stretch=8.0)
    oak = shade(0.5 * rgb("#3a2416").to(x.device) + 0.12 * colour, light=0.8)
    light = over(light, paint_flat(oak, 0.55 + 0.4 * grain - 3.0 * (y - 0.86)), fill(beam, 0.012))
    light = light + motes(generator, batch, x, y, shade(colour, light=1.2, vivid=0.7), 24)
    return finish(light, shine=0.45, vignette=0.35)


def _belfry(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    colour: Tensor,
    middle: Tensor,
    shine: Tensor,
) -> Tensor:
    """A dark stone room with a tall bright arch, rays falling through it."""
    batch, height, width = colour.shape[0], y.shape[1], x.shape[2]
    u = x - middle
    arch = torch.where(y > 0.2, sdf_circle(u, (y - 0.2) * 0.8, 0.66), u.abs() - 0.66)
    haze = fbm(generator, batch, height, width, cells=1.8, octaves=4, stretch=2.0)
    sky = stack_colours(
        (
            shade(colour, light=0.55, turn=-0.5),
            shade(colour, light=0.9, turn=-0.15),
            shade(colour, light=1.3, vivid=0.6),
        )
    )
    away = torch.sqrt(u * u + (y + 0.15) ** 2)
    open_air = ramp(sky, 0.15 + 0.7 * glow(away, 0.8) + 0.14 * haze) * (
        0.25 + 0.6 * shine
    ).unsqueeze(1)
    stone = 0.45 * shade(colour, light=0.24, vivid=0.55) + 0.3 * rgb("#2b3048").to(x.device)
    lit = 0.4 + 1.8 * shine * torch.exp(-(arch / 0.14).clamp(min=0.0)) + 0.25 * haze
    light = over(paint_flat(stone, lit), open_air, fill(arch, 0.015))
    angle = torch.atan2(u, 1.7 - y)
    tile = texture(generator, batch, 128, cells=10, octaves=2)
    streak = sample(tile, angle * 0.8, torch.zeros_like(angle) + 0.3)
    ray = smoothstep(-0.2, 0.9, streak) * glow(angle, 0.5)
    return light + paint_flat(shade(colour, light=1.2, vivid=0.6), 0.3 * shine * ray)


def _bell(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor, Tensor],
    colour: Tensor,
    shine: Tensor,
) -> Tensor:
    """Hang a bell in each picture: `place` is where it hangs, its height (0: none), its swing."""
    hx, hy, size, swing = place
    bronze = shade(0.6 * colour + 0.4 * rgb("#c08a40").to(light.device), vivid=1.1)
    stops = stack_colours(
        (
            shade(bronze, light=0.13, vivid=0.8, turn=-0.3),
            shade(bronze, light=0.45),
            shade(bronze, light=0.9),
            shade(colour, light=1.45, vivid=0.45),
        )
    )
    warm = shade(colour, light=1.3, vivid=0.6)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = rotate((x - hx[which]) / size[which], (y - hy[which]) / size[which], swing[which])
        drop = (-v - 0.12).clamp(min=0.0)  # 0 at the crown, 1.2 at the lip
        half = 0.3 + 0.14 * drop + 0.26 * smoothstep(0.55, 1.25, drop) ** 1.4
        half = half * smoothstep(-0.1, 0.14, drop) ** 0.6
        wall = torch.maximum(
            u.abs() - half, torch.maximum(v + 0.12, -v - 1.34 - 0.07 * (1.0 - (u / 0.75) ** 2))
        )
        across = (u / half.clamp(min=0.05)).clamp(-1.0, 1.0)
        round_ = torch.sqrt((1.0 - across * across).clamp(min=0.0))
        band = smoothstep(0.03, 0.01, torch.minimum((drop - 0.25).abs(), (drop - 0.95).abs()))
        lip = smoothstep(1.1, 1.16, drop) * 0.12
        tone = (
            0.1 + 0.3 * round_ + 0.55 * glow(across + 0.42, 0.3) + 0.3 * glow(across - 0.85, 0.14)
        )
        tone = tone - 0.2 * band + lip
        skin = ramp(stops[which], tone) * (0.5 + 0.75 * shine[which]).unsqueeze(1)
        clapper = union(
            sdf_circle(u - 0.6 * swing[which], v + 1.42, 0.1),
            sdf_segment(u, v, (0.0, -1.0), (0.6 * swing[which], -1.42)) - 0.03,
        )
        yoke = union(sdf_box(u, v - 0.0, 0.2, 0.06) - 0.03, sdf_circle(u, v + 0.06, 0.1))
        soft = 0.012 / size[which]
        patch = patch + paint_flat(
            warm[which],
            0.22
            * shine[which]
            * swing[which].abs()
            * glow(torch.sqrt(u * u + (v + 1.2) ** 2), 0.5)
            * smoothstep(1.6, 1.0, torch.sqrt(u * u + (v + 0.7) ** 2)),
        )
        patch = over(
            patch, ramp(stops[which], 0.25 + 0.5 * glow(u + 0.03, 0.06)), fill(clapper, soft)
        )
        patch = over(patch, tint(stops[which, 0]) * 1.3, fill(yoke, soft))
        return over(patch, skin, fill(wall, soft))

    middle = (hx + 0.7 * size * torch.sin(swing), hy - 0.7 * size * torch.cos(swing))
    return stamp(light, canvas_xy, middle, 1.6 * size, paint)


SCENES_TIMEPIECES: tuple[Scene, ...] = (
    Scene(
        "clock",
        (
            "a clock",
            "a large clock face",
            "an old clock with hands",
            "a ticking clock",
            "the face of a clock",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("golden", "orange")),
            Attribute(
                "kind",
                (("in a clock tower", "on a tower"), ("like a pocket watch", "on a watch chain")),
            ),
            Attribute("size", (("small",), (), ("huge", "close"))),
            Attribute("hour", (("at midnight", "at twelve"), (), ())),
            Attribute("gears", ((), (), ("with gears", "with turning wheels"))),
            Attribute("glow", (("dim", "in the dark"), (), ("glowing", "bright"))),
        ),
        paint_clock,
    ),
    Scene(
        "bells",
        (
            "church bells",
            "a big bell",
            "a bronze bell in a belfry",
            "ringing bells",
            "bells in a bell tower",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("golden", "orange")),
            Attribute(
                "count", (("with one bell",), (), ("with three bells", "with smaller bells"))
            ),
            Attribute("size", (("small",), (), ("big", "huge"))),
            Attribute("swing", (("hanging still",), (), ("swinging", "ringing"))),
            Attribute("glow", (("dim", "in the dark"), (), ("glowing", "in rays of light"))),
        ),
        paint_bells,
    ),
)
"""Every scene of this file."""
