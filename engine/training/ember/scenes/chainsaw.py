"""A chainsaw that cuts into a log."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.billows import billows
from engine.training.ember.scenes.fields import (
    canvas,
    fbm,
    fill,
    glow,
    knob,
    over,
    polar,
    profile,
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
from engine.training.ember.scenes.outlines import sdf_polygon, union
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

_SAW_BODY = (
    (0.06, -0.24),
    (0.12, 0.06),
    (0.04, 0.22),
    (-0.26, 0.27),
    (-0.52, 0.2),
    (-0.62, 0.0),
    (-0.58, -0.24),
)
"""A chainsaw's housing; its bar starts at the origin and points right."""


def paint_chainsaw(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a chainsaw that cuts into a log, sparks and sawdust flying from the cut."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    size = knob(values["size"], 0.62, 0.92) * min(1.0, 0.4 + 0.6 * aspect)
    cut_x = uniform(generator, batch, 0.0, 0.2) * aspect
    cut_y = uniform(generator, batch, -0.2, -0.08)
    glare = knob(values["light"], 0.2, 1.0)
    warm = rgb("#ffb054").to(x.device).expand(batch, 3)
    light = _workplace(generator, x, y, colour, warm, (cut_x, cut_y, glare))
    light = _log(generator, light, x, y, (cut_x, cut_y, size), warm, glare)
    sparks = knob(values["sparks"], 0.1, 1.5)
    lean = uniform(generator, batch, -0.5, -0.28)
    light = _saw(light, (x, y), (cut_x, cut_y, size, lean), (colour, warm), glare)
    light = _sawdust(generator, light, (x, y), (cut_x, cut_y, size), warm, sparks)
    hot = rgb("#ffc46a").to(x.device)
    spray = _spray(generator, batch, x, y, (cut_x, cut_y), sparks)
    near = glow(torch.sqrt((x - cut_x) ** 2 + (y - cut_y) ** 2), 0.16)
    light = light + paint_flat(hot.unsqueeze(0), 1.6 * spray + 0.9 * sparks * near)
    left = values["facing"].view(-1, 1, 1, 1) < 0.5
    light = torch.where(left, light.flip(-1), light)
    return finish(light, shine=0.5, vignette=0.35)


def _workplace(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    colour: Tensor,
    warm: Tensor,
    place: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """A dim wood with light from behind, the picture's ground; `place` is the cut and glare."""
    batch, height, width = colour.shape[0], y.shape[1], x.shape[2]
    cut_x, cut_y, glare = place
    haze = fbm(generator, batch, height, width, cells=1.6, octaves=4, stretch=0.7)
    cold = shade(0.7 * rgb("#2f4a52").to(x.device) + 0.12 * colour, vivid=0.8)
    stops = stack_colours(
        (shade(cold, light=0.22), shade(cold, light=0.6), cold, shade(warm, light=0.95, vivid=0.8))
    )
    away = torch.sqrt(((x - cut_x) * 0.8) ** 2 + (y - cut_y - 0.45) ** 2)
    light = ramp(stops, (0.16 + (0.2 + 0.62 * glare) * glow(away, 0.95) + 0.06 * haze))
    for layer in range(2):
        cells = 1.6 - 0.5 * layer
        column = profile(generator, batch, x, cells=cells, octaves=2)
        trunk = smoothstep(0.16, 0.1, column.abs()) * (0.5 + 0.35 * layer)
        tone = shade(cold, light=0.55 - 0.3 * layer)
        light = over(light, tint(tone), trunk * smoothstep(1.4, 0.2, glow(away, 0.4) * 2.0))
    floor = smoothstep(-0.55, -0.95, y + 0.05 * haze)
    return over(light, tint(shade(cold, light=0.2)), 0.85 * floor)


def _log(
    generator: torch.Generator,
    light: Tensor,
    x: Tensor,
    y: Tensor,
    place: tuple[Tensor, Tensor, Tensor],
    warm: Tensor,
    glare: Tensor,
) -> Tensor:
    """Lay a thick log, seen from its sawn end with the rings; `place` is the cut and its size."""
    batch = warm.shape[0]
    cut_x, cut_y, size = place
    radius = 0.62 * size
    u = x - cut_x - 0.55 * radius
    v = y - cut_y + 0.62 * radius
    tile = texture(generator, batch, 128, cells=4, octaves=3)
    grain = sample(tile, u * 0.3, v * 0.3)
    reach = torch.sqrt(u * u + v * v) + 0.03 * grain
    back = sdf_segment(u, v, (0.0, 0.0), (1.6, 0.35)) - radius
    groove = sample(tile, (u - 4.0 * v) * 0.05, (v - 0.22 * u) * 0.9)
    bark = rgb("#3a2416").to(x.device).expand(batch, 3)
    lit = (0.35 + 0.5 * smoothstep(-0.5, 0.6, v / radius) + 0.4 * groove).clamp(min=0.08)
    light = over(light, paint_flat(bark, lit * (0.5 + 0.9 * glare)), fill(back, 0.012))
    ring = 0.5 + 0.5 * torch.sin(reach * (46.0 / size) + 1.5 * grain)
    wood = stack_colours(
        [rgb(code).to(x.device).expand(batch, 3) for code in ("#6a3c1c", "#c98a4a", "#f0c07c")]
    )
    tone = 0.52 + 0.34 * (ring - 0.5) + 0.25 * grain - 0.2 * glow(reach, 0.18 * size)
    end = ramp(wood, tone) * (0.42 + 0.5 * glare + 0.25 * v / radius).unsqueeze(1)
    end = over(end, tint(bark) * 0.8, smoothstep(radius * 0.9, radius * 0.95, reach))
    return over(light, end, fill(reach - radius, 0.012))


def _saw(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor, Tensor],
    tones: tuple[Tensor, Tensor],
    glare: Tensor,
) -> Tensor:
    """Lay the saw over each picture, its bar through the cut; `place` is cut, size and lean."""
    cut_x, cut_y, size, lean = place
    colour, warm = tones
    ox = cut_x - 0.42 * size * torch.cos(lean)
    oy = cut_y - 0.42 * size * torch.sin(lean)
    steel = rgb("#b8c0c8").to(light.device).unsqueeze(0)
    black = rgb("#15171a").to(light.device).unsqueeze(0)
    u, v = rotate((canvas_xy[0] - ox) / size, (canvas_xy[1] - oy) / size, lean)
    soft = 0.012 / size
    bright = 0.5 + 0.6 * glare
    bar = sdf_segment(u, v, (0.0, -0.04), (1.06, -0.04)) - 0.105
    tooth = 0.5 + 0.5 * torch.cos((u - 0.3 * v) * 60.0)
    chain = bar - 0.02 - 0.018 * tooth
    light = over(light, tint(black), fill(chain, soft) * (u > 0.0))
    sheen = 0.45 + 0.35 * smoothstep(-0.14, 0.06, v) + 0.5 * glow(u - 0.35 + v, 0.12)
    light = over(light, paint_flat(steel, sheen * bright), fill(bar + 0.035, soft) * (u > 0.0))
    loop = union(
        sdf_segment(u, v, (-0.55, 0.12), (-0.96, 0.03)),
        sdf_segment(u, v, (-0.96, 0.03), (-1.0, -0.2)),
        sdf_segment(u, v, (-1.0, -0.2), (-0.55, -0.24)),
    )
    bow = union(
        sdf_segment(u, v, (-0.44, 0.2), (-0.36, 0.46)),
        sdf_segment(u, v, (-0.36, 0.46), (-0.02, 0.46)),
        sdf_segment(u, v, (-0.02, 0.46), (0.0, 0.1)),
    )
    guard = sdf_segment(u, v, (0.1, 0.14), (0.16, 0.44)) - 0.04
    grip = union(loop - 0.055, bow - 0.042, guard)
    edge = smoothstep(-0.05, 0.0, grip) * smoothstep(-0.3, 0.5, v)
    light = over(light, tint(black) + paint_flat(warm, 0.2 * edge), fill(grip, soft))
    body = sdf_polygon(u, v, _SAW_BODY) - 0.05
    relief = 0.42 + 0.5 * smoothstep(-0.3, 0.3, v) + 0.35 * smoothstep(-0.06, 0.0, body)
    shell = paint_flat(colour, relief * bright) + paint_flat(
        warm, 0.25 * smoothstep(-0.07, 0.0, body) * smoothstep(0.0, 0.3, v)
    )
    light = over(light, shell, fill(body, soft))
    cover = sdf_circle(u + 0.3, v + 0.0, 0.15)
    slits = 0.5 + 0.5 * torch.sin(v * 60.0)
    light = over(light, tint(black) + paint_flat(colour, 0.25 * slits), fill(cover, soft))
    belly = sdf_box(u + 0.22, v + 0.26, 0.36, 0.045) - 0.02
    return over(light, tint(black) * 1.4, fill(belly, soft))


def _sawdust(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor],
    warm: Tensor,
    sparks: Tensor,
) -> Tensor:
    """A cloud of pale dust that flies back from the cut and falls."""
    batch = warm.shape[0]
    cut_x, cut_y, size = place
    puffs = []
    for index in range(9):
        share = (index + 1) / 9.0
        px = cut_x - 0.1 - 0.85 * share * size + uniform(generator, batch, -0.06, 0.06)
        py = cut_y - 0.1 - 0.6 * share**1.6 * size + uniform(generator, batch, -0.06, 0.06)
        puffs.append((px, py, (0.07 + 0.17 * share) * (0.6 + 0.4 * sparks)))
    return billows(
        generator,
        light,
        canvas_xy,
        puffs,
        dark=shade(warm, light=0.45, vivid=0.7),
        bright=shade(warm, light=1.05, vivid=0.5),
        opacity=0.55,
    )


def _spray(
    generator: torch.Generator,
    batch: int,
    x: Tensor,
    y: Tensor,
    cut: tuple[Tensor, Tensor],
    sparks: Tensor,
) -> Tensor:
    """Streaks of sparks that fan out from the cut, falling: `(b, h, w)`."""
    reach, angle = polar(x - cut[0], y - cut[1])
    _, angle = polar(x - cut[0], y - cut[1] + 0.35 * reach * reach)
    tile = texture(generator, batch, 128, cells=32, octaves=1)
    dash = sample(tile, angle * 0.7, reach * 0.1 + uniform(generator, batch))
    lines = smoothstep(0.3, 0.9, dash)
    away = torch.remainder(angle - 3.6 + math.pi, 2.0 * math.pi) - math.pi
    fan = torch.exp(-((away / 0.7) ** 2)) + 0.12
    return sparks * lines * fan * 1.3 * torch.exp(-reach / 0.42)


SCENES_CHAINSAW: tuple[Scene, ...] = (
    Scene(
        "chainsaw",
        (
            "a chainsaw",
            "a chainsaw cutting a log",
            "a chain saw cutting wood",
            "a chainsaw in the woods",
            "a motor saw",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("red", "orange")),
            Attribute("size", (("small",), (), ("big", "close"))),
            Attribute("facing", (("pointing left",), ("pointing right",))),
            Attribute(
                "sparks", (("standing still",), (), ("with flying sparks", "in a spray of sparks"))
            ),
            Attribute("light", (("in the dark", "at night"), (), ("in bright light", "at dusk"))),
        ),
        paint_chainsaw,
    ),
)
"""Every scene of this file."""
