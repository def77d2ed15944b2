"""Winter nights: cabins with lit windows in the snow."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.billows import billows
from engine.training.ember.scenes.fields import (
    canvas,
    draw,
    fbm,
    fill,
    glow,
    knob,
    mix,
    over,
    profile,
    ridged,
    sdf_box,
    smoothstep,
    splats,
    stars,
    uniform,
)
from engine.training.ember.scenes.land import pines
from engine.training.ember.scenes.outlines import sdf_polygon, union
from engine.training.ember.scenes.palettes import (
    finish,
    paint_flat,
    palette_table,
    pick,
    rgb,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import sky_gradient
from engine.training.ember.scenes.stamp import stamp

_NIGHTS = palette_table(
    (  # snow in light, snow in shadow, sky low, sky high, trees and walls
        ("#bcd4f4", "#3c5c98", "#4a6cac", "#0c1838", "#10182c"),
        ("#e4ccf0", "#6c5298", "#b078b4", "#241a50", "#1c1634"),
        ("#ffdcd0", "#9c7498", "#ffa478", "#5a5090", "#2a2038"),
        ("#c8f0e4", "#3c7c80", "#58b4a0", "#0c2c3c", "#0c2028"),
        ("#f0f4f8", "#8c9cac", "#ccd6de", "#8494a4", "#384450"),
    )
)
_NIGHT_WORDS = (
    ("blue", "at night"),
    ("violet", "purple"),
    ("pink", "at dusk"),
    ("teal", "green"),
    ("white", "grey"),
)


def paint_cabin(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint cabins in the snow, windows lit, pines and hills behind them, flakes in the air."""
    batch = values["colour"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    stops = pick(_NIGHTS, values["colour"])
    horizon = uniform(generator, batch, -0.28, -0.16)
    light = sky_gradient(stops[:, 2:4], y, horizon, width=width)
    bright = (stops[:, 2].mean(dim=1) * 2.0).view(-1, 1, 1, 1).clamp(max=1.0)
    light = light + stars(generator, batch, x, y, count=60) * 0.7 * (1.0 - bright)
    light = _hills(generator, light, x, y, horizon, stops)
    light = _ground(generator, light, x, y, horizon - 0.12, stops)
    size = knob(values["size"], 0.34, 0.56) * min(1.0, 0.35 + 0.65 * aspect)
    cx = knob(values["position"], -0.35, 0.35) * aspect
    lamps = knob(values["windows"], 0.3, 1.25)
    wanted = knob(values["count"], 1.0, 3.9)
    for index in (2, 1, 0):
        near = (1.0, 0.62, 0.5)[index]
        shown = (wanted > (0.0, 1.9, 2.4)[index]).float()
        side = (0.0, -1.0, 1.0)[index] * min(1.0, aspect) * 0.78
        place = (
            cx + side + uniform(generator, batch, -0.06, 0.06),
            horizon - 0.42 + (0.0, 0.2, 0.26)[index] + uniform(generator, batch, -0.03, 0.03),
            size * near * shown,
        )
        light = _smoke(generator, light, (x, y), place, stops)
        light = _cabin(light, (x, y), place, stops, lamps)
    light = _near_pines(generator, light, x, y, stops)
    fall = knob(values["snowfall"], 0.0, 1.0)
    light = light + _flakes(generator, batch, x, y, fall) * tint(0.4 + 0.6 * stops[:, 0])
    return finish(light, shine=0.55, vignette=0.28)


def _hills(
    generator: torch.Generator, light: Tensor, x: Tensor, y: Tensor, horizon: Tensor, stops: Tensor
) -> Tensor:
    """White mountains far off, then a dark line of pines."""
    batch = stops.shape[0]
    ridge = profile(generator, batch, x, cells=0.9, octaves=6, sharp=True)
    crest = horizon + 0.3 + 0.28 * ridge
    rock = ridged(generator, batch, y.shape[1], x.shape[2], cells=3.5, octaves=4, stretch=0.7)
    tone = mix(tint(stops[:, 1]), tint(stops[:, 0]), (0.9 * rock).clamp(0.0, 1.0).unsqueeze(1))
    deep = smoothstep(0.5, 0.0, crest - y).unsqueeze(1)
    tone = mix(tint(stops[:, 2]) * 0.8, tone * 0.75, 0.35 + 0.5 * deep)
    light = over(light, tone, fill(y - crest, 0.012))
    line = horizon + 0.02 + 0.05 * profile(generator, batch, x, cells=1.3, octaves=4)
    size = uniform(generator, batch, 0.3, 0.42)
    trees = pines(generator, x, y, line, size=size, batch=batch)
    tone = stops[:, 4] * 0.7 + stops[:, 1] * 0.3
    return over(light, tint(tone), trees)


def _ground(
    generator: torch.Generator, light: Tensor, x: Tensor, y: Tensor, line: Tensor, stops: Tensor
) -> Tensor:
    """Snow in soft swells, brighter where the light of the sky lies on it."""
    batch, height, width = stops.shape[0], y.shape[1], x.shape[2]
    for layer in range(3):
        swell = profile(generator, batch, x, cells=0.7 + 0.2 * layer, octaves=3, gain=0.35)
        crest = line + 0.1 - 0.26 * layer + 0.1 * swell
        depth = (crest - y).clamp(min=0.0)
        lit = 0.15 + 0.6 * torch.exp(-5.0 * depth) + 0.12 * layer
        if layer == 2:
            drift = fbm(generator, batch, height, width, cells=3.0, octaves=3, stretch=3.0)
            lit = lit + 0.15 * drift
        tone = mix(
            tint(stops[:, 1]) * 0.8, tint(stops[:, 0]) * 0.9, lit.clamp(0.0, 1.0).unsqueeze(1)
        )
        light = over(light, tone, fill(y - crest, 0.015))
    return light


def _smoke(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor],
    stops: Tensor,
) -> Tensor:
    """A thread of smoke from the chimney."""
    cx, foot, size = place
    puffs = []
    drift = uniform(generator, cx.shape[0], -0.3, 0.5)
    for index in range(6):
        share = (index + 1) / 6.0
        puffs.append(
            (
                cx + size * (0.42 + drift * share**1.4),
                foot + size * (1.25 + 1.0 * share),
                size * (0.07 + 0.15 * share),
            )
        )
    dark, bright = stops[:, 1] * 0.7 + stops[:, 2] * 0.3, stops[:, 0] * 0.6 + stops[:, 2] * 0.2
    return billows(generator, light, canvas_xy, puffs, dark=dark, bright=bright, opacity=0.4)


def _cabin(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor],
    stops: Tensor,
    lamps: Tensor,
) -> Tensor:
    """Lay a cabin over each picture: `place` is x, foot and half its width (0: none)."""
    cx, foot, size = place
    warm = rgb("#ffb048").to(light.device).unsqueeze(0)
    oak = rgb("#4a2c1a").to(light.device).unsqueeze(0)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = (x - cx[which]) / size[which], (y - foot[which]) / size[which]
        soft = 0.012 / size[which]
        power = lamps[which]
        pool = torch.exp(-((u / 0.55) ** 2) - ((v + 0.14) / 0.2) ** 2) * (v < 0.02)
        patch = patch + paint_flat(warm, 0.4 * power * pool)
        wood = tint(oak * 0.5 + stops[which, 4] * 0.5)
        wall = union(
            sdf_box(u, v - 0.28, 0.72, 0.32),
            sdf_polygon(u, v, ((-0.72, 0.58), (0.72, 0.58), (0.0, 1.14))),
        )
        plank = 0.75 + 0.25 * smoothstep(0.25, 0.45, (torch.remainder(v * 9.0, 1.0) - 0.5).abs())
        patch = over(patch, wood * plank.unsqueeze(1), fill(wall, soft))
        stack = sdf_box(u - 0.42, v - 1.02, 0.09, 0.26)
        patch = over(patch, wood * 0.8, fill(stack, soft))
        cap = sdf_box(u - 0.42, v - 1.3, 0.11, 0.035) - 0.02
        panes = union(
            sdf_box(u + 0.4, v - 0.3, 0.14, 0.15),
            sdf_box(u - 0.4, v - 0.3, 0.14, 0.15),
            sdf_box(u, v - 0.76, 0.1, 0.1),
        )
        door = sdf_box(u, v - 0.2, 0.13, 0.25)
        patch = over(patch, wood * 0.45, fill(door, soft))
        halo = power * torch.exp(-(panes / 0.1).clamp(min=0.0)) * (wall < 0.0)
        patch = patch + paint_flat(warm, 0.3 * halo)
        glass = fill(panes, soft)
        patch = over(patch, tint(warm) * (0.15 + 1.3 * power).unsqueeze(1), glass)
        cross = torch.minimum((u.abs() - 0.4).abs(), (v - 0.3).abs()) - 0.012
        patch = over(patch, wood * 0.5, fill(cross, soft) * glass * (v < 0.6))
        roof = union(
            sdf_polygon(
                u.abs(),
                v,
                ((-0.2, 1.24), (0.0, 1.24), (0.96, 0.5), (0.9, 0.42), (0.0, 1.1), (-0.2, 1.1)),
            ),
            cap,
        )
        tone = (0.35 + 0.65 * smoothstep(0.04, -0.07, roof) + 0.15 * u).clamp(0.0, 1.0)
        snow = mix(tint(stops[which, 1]), tint(stops[which, 0]), tone.unsqueeze(1))
        patch = over(patch, snow, fill(roof - 0.045, soft))
        drift = v + 0.02 - 0.05 * torch.cos(u * 5.0) + 0.25 * (u.abs() - 0.75).clamp(min=0.0)
        heap = torch.maximum(drift, torch.maximum(u.abs() - 0.98, -v - 0.3))
        near = paint_flat(warm, 0.28 * power * glow(u, 0.6))
        bank = mix(tint(stops[which, 1]), tint(stops[which, 0]), 0.55 + 0.0 * u.unsqueeze(1))
        fade = smoothstep(-0.25, -0.02, v) * smoothstep(0.98, 0.8, u.abs())
        return over(patch, bank * 0.8 + near, fill(heap, 0.05) * fade)

    return stamp(light, canvas_xy, (cx, foot + 0.5 * size), 1.15 * size, paint)


def _near_pines(
    generator: torch.Generator, light: Tensor, x: Tensor, y: Tensor, stops: Tensor
) -> Tensor:
    """Tall dark pines at the sides, snow on their boughs."""
    batch = stops.shape[0]
    aspect = x.shape[2] / y.shape[1]
    for side in (-1.0, 1.0):
        tall = uniform(generator, batch, 0.9, 1.6) * min(1.0, 0.35 + 0.65 * aspect)
        px = side * (aspect - 0.12 + uniform(generator, batch, -0.05, 0.2))
        foot = uniform(generator, batch, -1.0, -0.75)
        rise = ((y - foot) / tall).clamp(-0.2, 1.2)
        tier = torch.remainder(rise * 6.0, 1.0)
        half = 0.36 * tall * (1.0 - rise) ** 0.9 * (1.05 - 0.45 * tier)
        half = torch.where(rise < 1.0, half.nan_to_num(0.0), torch.full_like(half, -1.0))
        shape = (x - px).abs() - half
        dark = tint(stops[:, 4]) * 0.75
        snow = smoothstep(0.35, 0.0, tier) * smoothstep(0.0, 0.6, -shape / half.clamp(min=0.02))
        tone = mix(dark, tint(stops[:, 0]) * 0.6, (0.65 * snow).unsqueeze(1))
        light = over(light, tone, fill(shape, 0.015) * (rise > 0.0))
    return light


def _flakes(generator: torch.Generator, batch: int, x: Tensor, y: Tensor, fall: Tensor) -> Tensor:
    """Falling snow, near flakes large and soft: `(b, 1, h, w)`."""
    count = 150
    places = draw(generator, batch, count, 2) * 2.0 - 1.0
    places[..., 0] *= float(x.abs().max())
    rank = draw(generator, batch, count)
    shown = (draw(generator, batch, count) < fall.view(-1, 1)).float()
    lit = (shown * (0.75 - 0.3 * rank**4)).unsqueeze(-1)
    return splats(x, y, places, 0.007 + 0.014 * rank**5, lit)


SCENES_WINTER: tuple[Scene, ...] = (
    Scene(
        "winter cabin",
        (
            "a winter cabin with lit windows",
            "a cabin in the snow",
            "a village in the snow",
            "a snowy winter village",
            "a cosy hut in winter",
        ),
        (
            Attribute("colour", _NIGHT_WORDS),
            Attribute(
                "snowfall", (("in clear air",), (), ("in heavy snowfall", "in falling snow"))
            ),
            Attribute("count", (("a single", "alone"), (), ("several",))),
            Attribute("windows", (("dim",), (), ("with bright windows", "with glowing windows"))),
            Attribute("size", (("distant", "small"), (), ("large", "close"))),
            Attribute("position", (("on the left",), (), ("on the right",))),
        ),
        paint_cabin,
    ),
)
"""Every scene of this file."""
