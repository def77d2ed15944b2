"""Butterflies with patterned wings over a garden out of focus."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.backdrops import out_of_focus
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    mix,
    polar,
    smoothstep,
    stack_colours,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    palette_table,
    pick,
    ramp,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sculpt import (
    Place,
    chain,
    cover,
    lay,
    leaf,
    limb,
    model_grid,
    oval,
)

GARDENS = palette_table(
    (
        ("#16300f", "#3d6e2a", "#86a848", "#e6e8a8"),
        ("#1d1026", "#6a2f66", "#c86a98", "#f8cfd0"),
        ("#050a1c", "#12254e", "#2d5288", "#7f9cc8"),
        ("#3a1a0c", "#9a5420", "#e09a44", "#fbe0a0"),
    )
)
GARDEN_WORDS = (
    ("in a green garden", "in the grass", "among leaves"),
    ("among pink flowers", "among blossoms"),
    ("at night", "in moonlight"),
    ("in the evening sun", "in golden evening light"),
)


def paint_butterfly(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint one to four butterflies from above, wings open or half closed, veined, spotted."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    garden = pick(GARDENS, values["place"])
    light = out_of_focus(generator, x, y, garden, lamps=garden[:, 3], strength=0.5)
    stem_x = uniform(generator, batch, -0.3, 0.3) * aspect
    light = _stems(generator, light, (x, y), stem_x, garden)
    model = _butterfly(generator, values, colour)
    wanted = knob(values["count"], 1.0, 4.2)
    size = knob(values["size"], 0.54, 0.84) * min(1.0, 0.2 + 0.8 * aspect)
    spread = (0.0, -0.62, 0.66, -0.3)
    rise = (0.02, 0.55, 0.5, -0.62)
    crowd = smoothstep(1.0, 2.2, wanted)
    shine = paint_flat(shade(colour, light=1.1), 0.16 * glow(torch.sqrt(x * x + y * y), 0.8))
    light = light + shine
    for index in (3, 2, 1, 0):
        far = 1.0 if index == 0 else 0.52 - 0.06 * index
        bx = spread[index] * aspect + uniform(generator, batch, -0.12, 0.12) * aspect
        by = rise[index] + uniform(generator, batch, -0.12, 0.12)
        if index == 0:
            by = by - 0.12 * crowd
        lean = uniform(generator, batch, -0.5, 0.5) * (1.0 if index == 0 else 1.7)
        big = size * far * (1.0 - 0.12 * crowd)
        place: Place = (bx, by, big, torch.ones_like(bx), lean)
        light = lay(light, (x, y), place, model, shown=(wanted > index).float())
    return finish(light, shine=0.35, vignette=0.3)


def _stems(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    stem_x: Tensor,
    garden: Tensor,
) -> Tensor:
    """Let a few blurred stems and leaves stand up from below."""
    x, y = canvas_xy
    batch = garden.shape[0]
    aspect = x.shape[2] / y.shape[1]
    shape = torch.full_like(x + y, 9.0)
    for index in range(4):
        foot = stem_x + (index - 1.5) * 0.55 * aspect + uniform(generator, batch, -0.15, 0.15)
        angle = math.pi / 2 + uniform(generator, batch, -0.5, 0.5)
        length = uniform(generator, batch, 0.6, 1.15)
        blade = leaf(x, y, (foot, -1.1), angle, length, 0.05, 0.25 * (index - 1.5))
        shape = torch.minimum(shape, blade)
    dark = 0.6 * garden[:, 0] + 0.25 * garden[:, 1]
    return mix(light, tint(dark), (0.75 * fill(shape, 0.07)).unsqueeze(1))


def _butterfly(
    generator: torch.Generator, values: Values, colour: Tensor
) -> tuple[Tensor, Tensor]:
    """A butterfly seen from above, head up: four wings, a body, two feelers."""
    batch = colour.shape[0]
    u, v = model_grid(colour.device)
    open_ = knob(values["open"], 0.55, 1.05)
    span = u.abs() / open_
    fore = _wing(span, v - 0.05, 0.55, 1.08, 0.85, 0.26)
    hind = _wing(span, v - 0.02, -0.8, 0.92, 1.0, -0.1)
    wave = 0.03 * torch.cos(9.0 * torch.atan2(v, span.clamp(min=0.02)))
    hind = (hind[0] + wave, hind[1], hind[2])
    front = fore[0] < hind[0]
    edge = torch.minimum(fore[0], hind[0])
    share = torch.where(front, fore[1], hind[1])
    angle = torch.where(front, fore[2], hind[2])
    turn = uniform(generator, batch, -0.7, 0.7).view(-1)
    stops = stack_colours(
        (
            shade(colour, light=0.5, turn=turn),
            colour,
            shade(colour, light=1.3, vivid=0.9, turn=-0.5 * turn),
            shade(colour, light=1.05, turn=0.6 * turn),
        )
    )
    skin = ramp(stops, (share + 0.0 * open_).clamp(0.0, 1.0))
    dark = 0.12 * shade(colour, light=0.5, turn=turn)
    veins = glow((torch.remainder(angle * 7.0 + 0.5, 1.0) - 0.5) * share, 0.035)
    skin = skin * (1.0 - 0.8 * veins * smoothstep(0.12, 0.3, share)).unsqueeze(1)
    border = uniform(generator, batch, 0.09, 0.17)
    skin = mix(skin, tint(dark), smoothstep(-border, -0.6 * border, edge).unsqueeze(1))
    skin = _marks(skin, values, colour, (edge, share, angle, border))
    close = smoothstep(0.0, 0.35, span)
    skin = skin * (0.55 + 0.5 * close * (0.75 + 0.25 * open_)).unsqueeze(1)
    body = torch.minimum(oval(u, v, (0.0, 0.02), 0.055, 0.36), oval(u, v, (0.0, 0.4), 0.062, 0.07))
    feelers = torch.minimum(
        chain(u.abs(), v, ((0.03, 0.44), (0.12, 0.68), (0.26, 0.84)), (0.018, 0.014, 0.014)),
        limb(u.abs(), v, (0.26, 0.84), (0.29, 0.86), 0.032, 0.032),
    )
    trunk = torch.minimum(body, feelers)
    fur = 0.35 * tint(rgb("#4a382c").to(u.device)) + 0.25 * tint(colour)
    lit = 0.4 + 0.8 * smoothstep(0.06, -0.04, (u + 0.02).abs()) + 0.0 * v
    skin = cover(skin, fur * lit.unsqueeze(1), trunk)
    return torch.minimum(edge * open_, trunk), skin


def _wing(
    span: Tensor, v: Tensor, aim: float, length: float, breadth: float, skew: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One wing that grows from the body along `aim` radians, `skew` longer at its upper edge.

    Returns its signed distance, how far from the root to the rim a place lies (0 to 1), and the
    angle about the root, -1 to 1 from one edge to the other.
    """
    radius, theta = polar(span, v)
    across = (theta - aim) / breadth
    shape = torch.cos((across * 0.5 * math.pi).clamp(-0.5 * math.pi, 0.5 * math.pi))
    rim = (
        length
        * (0.06 + 0.94 * shape.clamp(min=0.0) ** 0.36)
        * (1.0 + skew * across.clamp(-1.0, 1.0))
    )
    return (radius - rim) * 0.75, radius / rim.clamp(min=0.05), across


def _marks(
    skin: Tensor,
    values: Values,
    colour: Tensor,
    wing: tuple[Tensor, Tensor, Tensor, Tensor],
) -> Tensor:
    """Lay pale dots along the border and an eye on each wing, as far as they are wanted."""
    edge, share, angle, border = wing
    wanted = smoothstep(0.25, 0.6, values["pattern"].view(-1, 1, 1))
    pale = tint(shade(colour, light=1.4, vivid=0.35))
    beads = (torch.remainder(angle * 3.5, 1.0) - 0.5) * 0.4 * share
    dots = torch.sqrt(beads**2 + (edge + 0.45 * border) ** 2) - 0.3 * border
    skin = mix(skin, pale, (wanted * fill(dots, 0.03)).unsqueeze(1))
    across, along = (angle - 0.12) * 0.55, share - 0.62
    eye = torch.sqrt(across**2 + along**2)
    dark = 0.1 * tint(colour)
    other = tint(shade(colour, light=1.1, turn=2.4))
    skin = mix(skin, pale, (wanted * fill(eye - 0.17, 0.03)).unsqueeze(1))
    skin = mix(skin, dark, (wanted * fill(eye - 0.14, 0.03)).unsqueeze(1))
    return mix(skin, other, (wanted * fill(eye - 0.08, 0.03)).unsqueeze(1))


SCENES_BUTTERFLY: tuple[Scene, ...] = (
    Scene(
        "butterfly",
        (
            "a butterfly",
            "a butterfly with spread wings",
            "a delicate butterfly",
            "a fluttering butterfly",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("blue", "orange")),
            Attribute("place", GARDEN_WORDS, natural=("in a green garden",)),
            Attribute("pattern", (("plain",), (), ("patterned", "spotted"))),
            Attribute("open", (("with half-closed wings",), (), ("with wide open wings",))),
            Attribute("count", (("a single", "alone"), (), ("several", "a few"))),
            Attribute("size", (("small",), (), ("large", "close"))),
        ),
        paint_butterfly,
    ),
)
"""Every scene of this file."""
