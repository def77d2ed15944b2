"""Buildings on a hill above the fog: a castle, a church."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    canvas,
    fbm,
    fill,
    glow,
    knob,
    over,
    profile,
    sdf_box,
    sdf_circle,
    smoothstep,
    uniform,
)
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

_SKIES = palette_table(
    (  # light in the sky, fog, sky low, sky high, stone
        ("#f4f2e4", "#8fb0d8", "#4a6ea4", "#101c40", "#0c1428"),
        ("#fff2dc", "#ffc27a", "#f08a48", "#5a4a80", "#2a1c30"),
        ("#fbfcf8", "#dde3e6", "#b4c0c6", "#74848e", "#39444c"),
        ("#ffd8ec", "#d890c8", "#9054a8", "#281a54", "#180f30"),
        ("#e8fff0", "#8cc8b4", "#4a948c", "#123844", "#0a2026"),
    )
)
_WORDS = (
    ("blue", "moonlit"),
    ("golden", "orange"),
    ("grey", "pale"),
    ("violet", "purple"),
    ("green", "teal"),
)

_Drawing = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Signed distances to the walls and to the windows of a building, its foot at the origin."""


def paint_castle(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a castle with its towers on a hill in the fog, before a pale sun or moon."""
    return _on_a_hill(castle_shape, values, generator, height, width)


def paint_church(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a church with its steeple on a hill in the fog, before a pale sun or moon."""
    return _on_a_hill(church_shape, values, generator, height, width)


def _on_a_hill(
    building: _Drawing, values: Values, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """Paint the whole picture round a building."""
    batch = values["colour"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    stops = pick(_SKIES, values["colour"])
    bx = knob(values["position"], -0.4, 0.4) * aspect
    size = knob(values["size"], 0.38, 0.6) * min(1.0, 0.35 + 0.65 * aspect)
    top = uniform(generator, batch, -0.3, -0.14)
    sun_x = bx + uniform(generator, batch, -0.5, 0.5) * min(1.0, aspect)
    sun_y = top + uniform(generator, batch, 0.45, 0.85)
    light = sky_gradient(stops[:, 1:4], y, -0.7, curve=0.9, width=width)
    away = torch.sqrt((x - sun_x) ** 2 + (y - sun_y) ** 2)
    light = light + paint_flat(stops[:, 0], 0.45 * glow(away, 0.42))
    disc = fill(away - uniform(generator, batch, 0.13, 0.24), 0.015)
    light = over(light, tint(stops[:, 0]) * 1.05, 0.92 * disc)
    puff = fbm(generator, batch, height, width, cells=2.0, octaves=5, stretch=3.2)
    light = over(
        light, tint(stops[:, 2]), 0.55 * smoothstep(0.0, 0.9, puff) * smoothstep(-0.4, 0.5, y)
    )
    for layer in range(2):
        ridge = profile(generator, batch, x, cells=0.8 + 0.4 * layer, octaves=5)
        crest = top - 0.04 - 0.14 * layer + 0.16 * ridge
        tone = stops[:, 1] * (0.55 - 0.2 * layer) + stops[:, 2] * 0.4 + stops[:, 4] * 0.1 * layer
        light = over(light, tint(tone), 0.85 * fill(y - crest, 0.02))
    lamps = knob(values["windows"], 0.0, 1.3)
    light = lit_building(building, light, (x, y), (bx, top, size), stops, lamps)
    light = stronghold_hill(generator, light, x, y, (bx, top, size), stops)
    fog = knob(values["fog"], 0.2, 1.1)
    for layer in range(3):
        wisp = fbm(
            generator, batch, height, width, cells=1.5 + 0.5 * layer, octaves=4, stretch=4.0
        )
        level = top - 0.12 - 0.22 * layer + 0.2 * wisp
        bank = smoothstep(0.12, -0.3, y - level) * smoothstep(-0.75, -0.1, y - level + 0.1 * layer)
        pale = stops[:, 1] * (0.95 - 0.13 * layer)
        light = over(light, tint(pale), (fog * bank * 0.62).clamp(max=0.95))
    near = -0.82 + 0.1 * profile(generator, batch, x, cells=1.6, octaves=6)
    light = over(light, tint(stops[:, 4]) * 0.5, fill(y - near, 0.015))
    return finish(light, shine=0.4, vignette=0.28)


def stronghold_hill(
    generator: torch.Generator,
    light: Tensor,
    x: Tensor,
    y: Tensor,
    place: tuple[Tensor, Tensor, Tensor],
    stops: Tensor,
) -> Tensor:
    """The hill that carries the building, with a path of light up to it."""
    bx, top, size = place
    batch = stops.shape[0]
    u = x - bx
    ragged = profile(generator, batch, x, cells=2.5, octaves=5)
    flat = 0.95 * size
    fall = (u.abs() - flat).clamp(min=0.0)
    crest = (
        top
        + 0.025
        - 1.0 * fall**1.15 / (0.55 + fall)
        + 0.035 * ragged * smoothstep(0.4, 1.0, u.abs() / flat)
    )
    depth = (crest - y).clamp(min=0.0)
    tone = paint_flat(stops[:, 4], 0.75 + 0.8 * torch.exp(-9.0 * depth)) + paint_flat(
        stops[:, 1], 0.22 * smoothstep(0.0, 0.9, depth)
    )
    return over(light, tone, fill(y - crest, 0.012))


def lit_building(
    building: _Drawing,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor],
    stops: Tensor,
    lamps: Tensor,
) -> Tensor:
    """Lay the silhouette over each picture, windows lit; `place` is x, foot and half its width."""
    bx, top, size = place
    warm = rgb("#ffb850").to(light.device).unsqueeze(0)

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = (x - bx[which]) / size[which], (y - top[which]) / size[which]
        soft = 0.012 / size[which]
        walls, panes = building(u, v)
        rim = smoothstep(-0.07, 0.0, walls)
        stone = paint_flat(stops[which, 4], 0.8 + 0.25 * v.clamp(0.0, 2.0)) + paint_flat(
            stops[which, 1], 0.1 * rim + 0.14 * smoothstep(0.5, 0.0, v)
        )
        patch = over(patch, stone, fill(walls, soft))
        halo = lamps[which] * torch.exp(-(panes / 0.06).clamp(min=0.0)) * (walls < 0.0)
        patch = patch + paint_flat(warm, 0.22 * halo)
        lit = lamps[which] * fill(panes, 1.5 * soft)
        return patch * (1.0 - lit.clamp(max=1.0)).unsqueeze(1) + paint_flat(warm, 1.15 * lit)

    return stamp(light, canvas_xy, (bx, top + 0.7 * size), 1.5 * size, paint)


_TOWERS = (
    (-0.86, 0.13, 0.72),
    (-0.42, 0.15, 1.02),
    (0.08, 0.2, 1.36),
    (0.5, 0.13, 0.92),
    (0.9, 0.14, 0.66),
)
"""A castle's towers: x, half-width, height of the wall."""


def _arch(u: Tensor, v: Tensor, top: float, half: float) -> Tensor:
    """Distance to a door or window with a round head: `top` is the middle of the round."""
    return torch.where(v > top, torch.sqrt(u * u + (v - top) ** 2), u.abs()) - half


def castle_shape(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Five towers with pointed roofs, battlements between them, a gate."""
    teeth = 0.035 * torch.sign(torch.cos(u * 34.0))
    wall = torch.maximum(sdf_box(u, v - 0.1, 0.94, 0.36), v - 0.43 - teeth)
    keep = torch.maximum(sdf_box(u - 0.05, v - 0.3, 0.5, 0.48), v - 0.74 - teeth)
    shapes = [wall, keep]
    panes = []
    for at, half, tall in _TOWERS:
        shapes.append(sdf_box(u - at, v - 0.5 * tall + 0.15, half, 0.5 * tall + 0.15))
        shapes.append(sdf_box(u - at, v - tall + 0.03, half + 0.035, 0.045))
        peak = tall + 2.9 * half
        shapes.append(
            sdf_polygon(u - at, v, ((-half - 0.06, tall), (half + 0.06, tall), (0.0, peak)))
        )
        panes.append(sdf_box(u - at, v - tall + 0.26, 0.03, 0.06) - 0.012)
    panes.extend(sdf_box(u - at, v - 0.52, 0.028, 0.05) - 0.012 for at in (-0.2, 0.3))
    gate = _arch(u - 0.06, v, 0.12, 0.11)
    panes.append(torch.maximum(gate, -v - 0.05))
    return union(*shapes), union(*panes)


def church_shape(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """A nave with a steep roof, and a tower with steeple and cross."""
    nave = sdf_box(u - 0.24, v - 0.2, 0.62, 0.36)
    roof = sdf_polygon(u, v, ((-0.42, 0.54), (-0.24, 1.02), (0.74, 1.02), (0.92, 0.54)))
    apse = torch.maximum(sdf_circle(u - 0.84, v - 0.1, 0.3), -v - 0.2)
    tower = sdf_box(u + 0.5, v - 0.52, 0.24, 0.72)
    ledge = sdf_box(u + 0.5, v - 1.22, 0.28, 0.035)
    spire = sdf_polygon(u + 0.5, v, ((-0.27, 1.22), (0.27, 1.22), (0.0, 2.02)))
    cross = torch.minimum(
        sdf_box(u + 0.5, v - 2.08, 0.016, 0.13), sdf_box(u + 0.5, v - 2.1, 0.07, 0.016)
    )
    lights = (-0.08, 0.2, 0.48, 0.74)
    panes = [torch.maximum(_arch(u - at, v, 0.3, 0.065), 0.06 - v) for at in lights]
    belfry = _arch(u + 0.5, v, 0.98, 0.08)
    panes.append(torch.maximum(belfry, 0.8 - v))
    panes.append(sdf_circle(u + 0.5, v - 0.52, 0.085))
    door = _arch(u + 0.5, v, 0.1, 0.085)
    panes.append(torch.maximum(door, -v - 0.1))
    return union(nave, roof, apse, tower, ledge, spire, cross), union(*panes)


_ATTRIBUTES = (
    Attribute("colour", _WORDS),
    Attribute("fog", (("on a clear evening",), (), ("in thick fog", "in the mist"))),
    Attribute("windows", (("with dark windows",), (), ("with lit windows",))),
    Attribute("size", (("distant", "small"), (), ("large", "great"))),
    Attribute("position", (("on the left",), (), ("on the right",))),
)

SCENES_STRONGHOLDS: tuple[Scene, ...] = (
    Scene(
        "castle",
        (
            "a castle on a hill",
            "a castle in the fog",
            "an old fortress above the mist",
            "a fairy-tale castle",
            "a castle with towers",
        ),
        _ATTRIBUTES,
        paint_castle,
    ),
    Scene(
        "church",
        (
            "a church on a hill",
            "a church in the fog",
            "an old chapel above the mist",
            "a church with a steeple",
            "a village church",
        ),
        _ATTRIBUTES,
        paint_church,
    ),
)
"""Every scene of this file."""
