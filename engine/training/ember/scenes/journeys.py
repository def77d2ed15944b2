"""Things that travel: a steam train, a sailing ship, a rocket."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.billows import billows
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    mix,
    over,
    profile,
    sample,
    sdf_box,
    sdf_circle,
    sdf_segment,
    smoothstep,
    texture,
    uniform,
)
from engine.training.ember.scenes.outlines import sdf_polygon, union
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
from engine.training.ember.scenes.sky import clouds, sky_gradient
from engine.training.ember.scenes.stamp import stamp
from engine.training.ember.scenes.water import glitter, surface

_TRAIN_SKIES = palette_table(
    (  # headlight, smoke in light, sky at the horizon, mid sky, zenith
        ("#ffe6a8", "#a8b8d8", "#44608c", "#1c2c54", "#080e22"),
        ("#fff0c0", "#ffd0a0", "#f0904a", "#94506a", "#2a2450"),
        ("#fff4d8", "#f0f0ee", "#c4ccd2", "#8a98a6", "#566474"),
        ("#ffe8c8", "#e8b8d8", "#b8689c", "#5a3880", "#1c1440"),
    )
)
_TRAIN_WORDS = (
    ("blue", "at night"),
    ("orange", "at sunset"),
    ("grey", "in the fog"),
    ("violet", "at dusk"),
)


def paint_train(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a steam train that comes towards us on its rails, headlight lit, under its smoke."""
    batch = values["colour"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    stops = pick(_TRAIN_SKIES, values["colour"])
    horizon = uniform(generator, batch, -0.3, -0.2)
    size = knob(values["size"], 0.34, 0.6) * min(1.0, 0.4 + 0.6 * aspect)
    tx = knob(values["position"], -0.35, 0.35) * aspect
    foot = -0.3 - 0.85 * size
    light = sky_gradient(stops[:, 2:], y, horizon, width=width)
    haze = glow(torch.sqrt((x - tx) ** 2 + (y - horizon) ** 2), 0.9)
    light = light + paint_flat(stops[:, 2], 0.35 * haze)
    for layer in range(2):
        ridge = profile(generator, batch, x, cells=1.0 + layer, octaves=5)
        top = horizon + 0.14 - 0.12 * layer + (0.12 - 0.04 * layer) * ridge
        tone = stops[:, 3] * (0.75 - 0.3 * layer) + stops[:, 2] * (0.25 - 0.15 * layer)
        light = over(light, tint(tone), fill(y - top, 0.015))
    light = _railway(generator, light, x, y, (horizon, tx, foot, size), stops)
    wind = torch.where(uniform(generator, batch) < 0.5, -1.0, 1.0)
    smoke = knob(values["smoke"], 0.35, 1.25)
    puffs = []
    for index in range(15):
        share = 1.0 - index / 15.0  # the oldest puff is painted first
        px = tx + wind * size * (0.1 + 1.5 * share**1.3) + uniform(generator, batch, -0.1, 0.1)
        py = foot + size * (2.5 + 1.25 * share**0.7) + uniform(generator, batch, -0.06, 0.06)
        puffs.append((px, py, size * smoke * (0.3 + 0.85 * share)))
    light = billows(
        generator,
        light,
        (x, y),
        puffs,
        dark=stops[:, 3] * 0.7 + stops[:, 4] * 0.3,
        bright=stops[:, 1] * 0.95,
        sun=(-0.35 * wind, torch.full_like(wind, -0.55)),
        opacity=0.85,
    )
    lamp = knob(values["lamp"], 0.35, 1.3)
    light = _locomotive(light, (x, y), (tx, foot, size), stops, lamp)
    steam = []
    for side in (-1.0, 1.0, -0.8, 0.85):
        px = tx + side * size * uniform(generator, batch, 0.85, 1.25)
        steam.append((px, foot + 0.12 * size + 0.0 * px, size * smoke * 0.42 + 0.0 * px))
    light = billows(
        generator, light, (x, y), steam, dark=stops[:, 3], bright=stops[:, 1], opacity=0.6
    )
    away = torch.sqrt((x - tx) ** 2 + (y - foot - 1.28 * size) ** 2)
    shine = 0.5 * glow(away, 0.3 * size) + 0.09 * glow(away, 1.6 * size)
    light = light + paint_flat(stops[:, 0], lamp * shine)
    return finish(light, shine=0.5, vignette=0.3)


def _railway(
    generator: torch.Generator,
    light: Tensor,
    x: Tensor,
    y: Tensor,
    place: tuple[Tensor, Tensor, Tensor, Tensor],
    stops: Tensor,
) -> Tensor:
    """Ground with two rails and their sleepers, from the horizon under the engine to us."""
    batch = stops.shape[0]
    horizon, tx, foot, size = place
    below = (horizon - y).clamp(min=1e-3)
    depth = 1.0 / (below + 0.03)
    far = (horizon - foot).clamp(min=0.1)
    gauge = 0.56 * size / far  # half the track's width per unit below the horizon
    middle = tx * (1.0 - 0.35 * (below / far - 1.0).clamp(min=0.0))
    u = (x - middle) / (gauge * below)
    tile = texture(generator, batch, 256, cells=12, octaves=3)
    gravel = sample(tile, (x - middle) * depth * 0.12, depth * 0.2)
    grass = 0.3 + 0.22 * gravel + 0.35 * torch.exp(-4.0 * below)
    ground = paint_flat(stops[:, 3] * 0.6 + stops[:, 2] * 0.3, grass)
    bed = smoothstep(2.3, 1.9, u.abs() + 0.2 * gravel)
    ground = over(
        ground, paint_flat(stops[:, 2] * 0.6 + stops[:, 3] * 0.4, 0.42 + 0.3 * gravel), bed
    )
    sleeper = torch.remainder(depth * 2.6, 1.0) - 0.5
    plank = smoothstep(0.26, 0.2, sleeper.abs()) * smoothstep(1.65, 1.55, u.abs())
    ground = over(
        ground, tint(stops[:, 4] * 0.8 + 0.004), 0.8 * plank * smoothstep(0.06, 0.2, below)
    )
    pool = glow((x - middle) / (0.4 + below), 0.5) * smoothstep(0.1, 0.7, below)
    ground = ground + paint_flat(stops[:, 0], 0.16 * pool)
    rail = smoothstep(0.1, 0.05, (u.abs() - 1.0).abs())
    ground = over(ground, tint(stops[:, 1] * 0.7 + stops[:, 0] * 0.3), 0.95 * rail)
    cut = fill(y - horizon, 0.01).expand(-1, -1, x.shape[-1])
    return over(light, ground, cut)


def _locomotive(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor],
    stops: Tensor,
    lamp: Tensor,
) -> Tensor:
    """An engine seen from the front; `place` is x, where it stands, and half its width."""
    tx, foot, size = place
    black = shade(stops[:, 4], light=0.55, vivid=0.6) + 0.004
    grey = stops[:, 3] * 0.5 + stops[:, 4] * 0.5
    sky = stops[:, 2]
    red = rgb("#a8201c").to(light.device).unsqueeze(0)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u = (x - tx[which]) / size[which]
        v = (y - foot[which]) / size[which]
        soft = 0.012 / size[which]
        cab = torch.minimum(
            sdf_box(u, v - 1.2, 0.84, 0.78), torch.maximum(sdf_circle(u, v - 1.1, 1.22), 1.9 - v)
        )
        patch = over(patch, tint(black[which]) * 1.2, fill(cab, soft))
        panes = sdf_box(u.abs() - 0.72, v - 1.72, 0.075, 0.16)
        patch = over(patch, tint(stops[which, 0]) * 0.5, fill(panes, soft))
        wheels = sdf_box(u.abs() - 0.56, v - 0.2, 0.12, 0.26)
        chimney = sdf_polygon(
            u.abs(), v, ((-0.2, 1.7), (0.14, 1.8), (0.15, 2.26), (0.24, 2.5), (-0.2, 2.5))
        )
        dome = sdf_circle(u, v - 1.95, 0.2)
        patch = over(patch, tint(black[which]), fill(union(wheels, dome), soft))
        edge = glow(u + 0.1, 0.05)
        patch = over(
            patch,
            paint_flat(black[which], 1.0 + 0.0 * u) + paint_flat(sky[which], 0.3 * edge),
            fill(chimney, soft),
        )
        reach = torch.sqrt(u * u + (v - 1.28) ** 2)
        boiler = reach - 0.68
        top = smoothstep(-0.4, 0.9, (v - 1.28) - 0.4 * u)
        shell = paint_flat(grey[which], 0.25 + 0.5 * top) + paint_flat(
            sky[which], 0.55 * top * smoothstep(0.5, 0.66, reach)
        )
        patch = over(patch, shell, fill(boiler, soft))
        ring = (reach - 0.54).abs() - 0.022
        patch = over(patch, tint(black[which]), fill(ring, soft))
        bumper = sdf_box(u, v - 0.52, 0.92, 0.11)
        patch = over(
            patch, paint_flat(red, 0.35 + 0.5 * lamp[which] * glow(u, 0.6)), fill(bumper, soft)
        )
        buffer_ = sdf_circle(u.abs() - 0.66, v - 0.52, 0.16)
        patch = over(patch, tint(black[which]) * 1.5, fill(buffer_, soft))
        patch = over(patch, tint(grey[which]) * 0.8, fill(buffer_ + 0.05, soft))
        plough = sdf_polygon(u.abs(), v, ((-0.2, 0.4), (0.5, 0.4), (0.74, 0.02), (-0.2, 0.02)))
        bars = 0.5 + 0.5 * torch.cos(u * 26.0 / (1.25 - 0.6 * v))
        patch = over(patch, paint_flat(grey[which], 0.15 + 0.55 * bars), fill(plough, soft))
        frame = reach - 0.25
        patch = over(patch, tint(black[which]), fill(frame, soft))
        glass = tint(stops[which, 0]) * (0.6 + 1.6 * lamp[which]).unsqueeze(1)
        return over(patch, glass, fill(reach - 0.19, 0.05))

    return stamp(light, canvas_xy, (tx, foot + 1.25 * size), 1.4 * size, paint)


_SHIP_SKIES = palette_table(
    (  # sun, sky at the horizon, low sky, mid sky, zenith
        ("#ffe0a0", "#ffc05a", "#f0883c", "#9c5a68", "#30346a"),
        ("#fff8e8", "#e8f2f4", "#b4dcec", "#6cb2e0", "#2a6cb8"),
        ("#e4ecff", "#6a8cc0", "#2c4c86", "#142850", "#060c22"),
        ("#fff0d0", "#c8c8bc", "#8c9494", "#565e66", "#2a3038"),
        ("#ffd0a8", "#ff7048", "#c83440", "#64204c", "#201238"),
    )
)
_SHIP_WORDS = (
    ("golden", "orange"),
    ("blue", "in daylight"),
    ("dark blue", "in moonlight"),
    ("grey", "stormy"),
    ("red", "crimson"),
)


def paint_ship(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a three-masted ship under full sail, sun or moon low behind it, on the open sea."""
    batch = values["colour"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    stops = pick(_SHIP_SKIES, values["colour"])
    horizon = uniform(generator, batch, -0.46, -0.34)
    size = knob(values["size"], 0.42, 0.76) * min(1.0, 0.3 + 0.7 * aspect)
    sx = knob(values["position"], -0.42, 0.42) * aspect
    sun_x = sx + uniform(generator, batch, -0.4, 0.4) * min(1.0, aspect)
    sun_y = horizon + uniform(generator, batch, 0.25, 0.65)
    away = torch.sqrt((x - sun_x) ** 2 + (y - sun_y) ** 2)
    light = sky_gradient(stops[:, 1:], y, horizon, width=width)
    light = light * (0.75 + 0.4 * glow(away, 0.9)).unsqueeze(1)
    alpha, lit = clouds(
        generator,
        x,
        y,
        horizon,
        cover=knob(values["clouds"], 0.1, 0.8),
        light=(sun_x, sun_y),
    )
    near = glow(away, 0.9)
    cloud = mix(
        tint(stops[:, 3]) * 0.75,
        tint(stops[:, 1]) * (0.6 + 0.7 * near).unsqueeze(1),
        lit.unsqueeze(1),
    )
    light = over(light, cloud, 0.85 * alpha)
    disc = fill(away - uniform(generator, batch, 0.12, 0.2), 0.012) * (1.0 - 0.6 * alpha)
    light = over(light, tint(stops[:, 0]) * 1.25, disc)
    light = light + paint_flat(stops[:, 0], 0.4 * glow(away, 0.36))
    facing = torch.where(values["facing"].view(-1, 1, 1) < 0.5, -1.0, 1.0)
    rough = knob(values["sea"], 0.05, 1.0)
    lean = facing * (0.02 + 0.1 * rough) * uniform(generator, batch, 0.3, 1.0)
    place = (sx, horizon - 0.03, size, facing, lean)
    light = ship_shape(light, (x, y), place, stops, sun_x)
    dark = shade(stops[:, 3] * 0.6 + stops[:, 4] * 0.5, light=0.7)
    light, slope = surface(generator, light, x, y, horizon, roughness=rough, body=dark)
    road = glitter(x, y, horizon, sun_x, slope, spread=0.6 + rough)
    light = light + paint_flat(stops[:, 0], 0.6 * road)
    under = (y < horizon).float() * smoothstep(-0.11, -0.03, y - horizon)
    hull = fill((x - sx).abs() - 0.84 * size, 0.06) * under
    light = over(
        light, tint(shade(stops[:, 4], light=0.5)), 0.8 * hull * smoothstep(-0.3, 0.2, slope + 0.4)
    )
    return finish(light, shine=0.35, vignette=0.22)


def ship_shape(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
    stops: Tensor,
    sun_x: Tensor,
) -> Tensor:
    """Lay the ship over each picture: `place` is x, the water, half its length, facing, lean."""
    sx, water, size, facing, lean = place
    dark = shade(stops[:, 4], light=0.6, vivid=0.8)
    cloth = stops[:, 1] * 0.36 + stops[:, 2] * 0.26
    shadow = stops[:, 3] * 0.55 + stops[:, 4] * 0.35

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u = (x - sx[which]) * facing[which] / size[which]
        v = (y - water[which]) / size[which]
        u, v = u + lean[which] * facing[which] * v, v
        soft = 0.012 / size[which]
        hull = sdf_polygon(
            u,
            v,
            ((-0.88, 0.34), (-0.8, -0.06), (0.66, -0.06), (0.92, 0.27), (0.4, 0.19), (-0.5, 0.2)),
        )
        rig = union(
            sdf_segment(u, v, (0.84, 0.22), (1.28, 0.46)) - 0.016,
            *(
                sdf_segment(u, v, (mast, 0.1), (mast, top)) - 0.018
                for mast, top in ((-0.58, 1.2), (-0.04, 1.56), (0.48, 1.36))
            ),
            sdf_segment(u, v, (1.26, 0.45), (0.48, 1.3)) - 0.006,
            sdf_segment(u, v, (-0.86, 0.34), (-0.58, 1.18)) - 0.006,
        )
        patch = over(patch, tint(dark[which]), fill(rig, soft))
        toward = torch.sign(sun_x[which] - sx[which]) * facing[which]
        for mast, top, wide in ((-0.58, 1.2, 0.2), (-0.04, 1.56, 0.27), (0.48, 1.36, 0.23)):
            low, tall = 0.3, (top - 0.38) / 3.0
            for row in range(3):
                middle = low + tall * (row + 0.5)
                half = wide * (1.0 - 0.17 * row)
                w = (v - middle) / (0.5 * tall)
                belly = 0.06 * (1.0 - w * w)  # the wind blows the sail forward
                reach = half * (1.0 - 0.1 * w)
                shift = (u - mast - belly).clamp(-0.5, 0.5)
                sail = torch.maximum(
                    shift.abs() - reach,
                    ((w + 0.22 * (shift / half) ** 2).abs() - 0.9) * 0.5 * tall,
                )
                across = shift / half
                tone = 0.5 + 0.35 * across * toward + 0.22 * (across + 0.3 * w) - 0.2 * (w < -0.7)
                canvas_ = mix(
                    tint(shadow[which]).expand(-1, -1, *sail.shape[-2:]),
                    tint(cloth[which] * 1.25).expand(-1, -1, *sail.shape[-2:]),
                    tone.clamp(0.0, 1.0).unsqueeze(1),
                )
                patch = over(patch, canvas_, fill(sail, soft))
        jib = sdf_polygon(u, v, ((0.74, 0.34), (1.2, 0.46), (0.6, 1.14)))
        patch = over(patch, tint(cloth[which] * 0.8 + shadow[which] * 0.2), fill(jib, soft))
        side = paint_flat(dark[which], 0.75 + 0.5 * smoothstep(-0.1, 0.3, v))
        patch = over(patch, side, fill(hull, soft))
        band = (v - 0.1 - 0.03 * u * u).abs() - 0.014
        lamps = torch.maximum(band, (torch.remainder(u * 7.0, 1.0) - 0.5).abs() - 0.22)
        ports = torch.maximum(lamps, hull + 0.06)
        patch = over(patch, tint(stops[which, 0]) * 0.8, 0.8 * fill(ports, soft))
        for mast, top in ((-0.58, 1.2), (-0.04, 1.56), (0.48, 1.36)):
            flag = sdf_polygon(u - mast, v - top, ((0.0, 0.03), (0.2, 0.0), (0.0, -0.06)))
            patch = over(patch, tint(dark[which]), fill(flag, soft))
        return patch

    return stamp(light, canvas_xy, (sx, water + 0.7 * size), 1.35 * size, paint)


SCENES_JOURNEYS: tuple[Scene, ...] = (
    Scene(
        "steam train",
        (
            "a steam train",
            "a steam locomotive on its rails",
            "an old train coming towards us",
            "a train",
            "a railway engine under its smoke",
        ),
        (
            Attribute("colour", _TRAIN_WORDS),
            Attribute("size", (("distant", "small"), (), ("close", "huge"))),
            Attribute("position", (("on the left",), (), ("on the right",))),
            Attribute(
                "smoke", (("with little smoke",), (), ("in clouds of steam", "with thick smoke"))
            ),
            Attribute("lamp", ((), (), ("with a bright headlight", "with its headlight on"))),
        ),
        paint_train,
    ),
    Scene(
        "sailing ship",
        (
            "a sailing ship",
            "a tall ship at sea",
            "an old ship under full sail",
            "a three-masted ship on the ocean",
            "a pirate ship",
        ),
        (
            Attribute("colour", _SHIP_WORDS),
            Attribute("size", (("distant", "small"), (), ("large", "close"))),
            Attribute("position", (("on the left",), (), ("on the right",))),
            Attribute("facing", (("sailing left",), ("sailing right",))),
            Attribute(
                "sea", (("on a calm sea", "becalmed"), (), ("on a rough sea", "in high waves"))
            ),
            Attribute("clouds", (("under a clear sky",), (), ("under heavy clouds", "cloudy"))),
        ),
        paint_ship,
    ),
)
"""Every scene of this file."""
