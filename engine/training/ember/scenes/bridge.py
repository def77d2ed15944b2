"""A suspension bridge over water at night, its lamps on the waves."""

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
    over,
    profile,
    splats,
    stack_colours,
    stars,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.outlines import union
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import sky_gradient
from engine.training.ember.scenes.water import surface

_TALL = 0.72  # height of the towers over the deck


def paint_bridge(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a suspension bridge at night, strings of lamps, their light on the water."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    aspect = width / height
    colour = main_colour(values["hue"])
    shine = knob(values["lamps"], 0.45, 1.15)
    horizon = uniform(generator, batch, -0.36, -0.26)
    night = _night_colours(colour)
    light = sky_gradient(night, y, horizon, width=width)
    fog = knob(values["fog"], 0.0, 1.0)
    light = light + stars(generator, batch, x, y, count=60) * 0.7 * (1.0 - fog).unsqueeze(1)
    haze = fbm(generator, batch, height, width, cells=1.8, octaves=4, stretch=3.0)
    bank = (0.55 + 0.6 * haze) * torch.exp(-(((y - horizon) / 0.4) ** 2))
    light = light + paint_flat(
        shade(colour, light=0.9), (0.05 + 0.3 * fog * shine) * bank.clamp(min=0.0)
    )
    light = _far_shore(generator, light, x, y, (horizon, values["city"].view(-1, 1, 1)), colour)
    middle = knob(values["position"], -0.35, 0.35) * aspect
    size = knob(values["size"], 0.75, 1.15)
    half = 0.62 * size * min(1.0, 0.3 + 0.7 * aspect)  # half the main span
    light = _bridge(light, (x - middle, y, horizon), (half, size), colour, shine)
    light = light + _lamps(colour, (x, y), (middle, half, horizon + 0.2, size), shine)
    body = shade(night[:, 2], light=0.9)
    light, _ = surface(
        generator,
        light,
        x,
        y,
        horizon,
        roughness=knob(values["water"], 0.05, 1.0),
        body=body,
        shine=0.95,
    )
    veil = 0.25 * fog * torch.exp(-(((y - horizon) / 0.12) ** 2)) * (1.0 + 0.5 * haze)
    light = light + paint_flat(shade(colour, light=0.7), (veil * shine).clamp(min=0.0))
    return finish(light, shine=0.7, vignette=0.25, exposure=1.1)


def _night_colours(colour: Tensor) -> Tensor:
    """Colours of the sky from the horizon up: the lamps' glow, then cold night."""
    batch = colour.shape[0]
    blue = rgb("#2c3a70").to(colour.device)
    return stack_colours(
        (
            0.3 * shade(colour, light=0.8, turn=-0.3) + 0.6 * blue,
            0.1 * shade(colour, light=0.6, turn=-0.6) + 0.45 * blue,
            rgb("#0b1030").to(colour.device).expand(batch, 3),
            rgb("#04050f").to(colour.device).expand(batch, 3),
        )
    )


def _far_shore(
    generator: torch.Generator,
    light: Tensor,
    x: Tensor,
    y: Tensor,
    place: tuple[Tensor, Tensor],
    colour: Tensor,
) -> Tensor:
    """Hills, or the lights of a city, at the far bank."""
    batch = colour.shape[0]
    horizon, city = place
    ridge = profile(generator, batch, x, cells=1.2, octaves=5)
    crest = horizon + 0.05 + 0.06 * ridge
    block = torch.floor(x * 7.0)
    phase = uniform(generator, batch, 0.0, 6.2)
    steps = 0.5 + 0.5 * torch.sin(block * 2.4 + phase) * torch.cos(block * 1.3 - phase)
    roofs = horizon + 0.04 + (0.5 * steps + 0.08) * torch.exp(-((x / 1.3) ** 2))
    skyline = torch.maximum(crest, torch.where(city > 0.5, roofs, crest))
    dark = tint(rgb("#10173a").to(x.device).unsqueeze(0) + 0.04 * colour)
    light = over(light, dark, fill(y - skyline, 0.01))
    count = 110
    places = torch.stack(
        (
            (draw(generator, batch, count) * 2.0 - 1.0) * float(x.abs().max()),
            horizon.view(-1, 1) + 0.02 + 0.5 * draw(generator, batch, count) ** 1.5,
        ),
        dim=-1,
    )
    lit = (0.3 + 0.7 * draw(generator, batch, count)).unsqueeze(-1)
    lit = lit * (0.35 * colour + 0.65 * rgb("#ffd9a0").to(x.device)).unsqueeze(1)
    dots = splats(x, y, places, torch.full((batch, count), 0.009), lit)
    return light + dots * ((city > 0.5) * fill(y - skyline + 0.015, 0.01)).unsqueeze(1)


def _bridge(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor, Tensor],
    sizes: tuple[Tensor, Tensor],
    colour: Tensor,
    shine: Tensor,
) -> Tensor:
    """Towers, deck and cables with their lamps; `canvas_xy` is x from the middle, y, horizon."""
    u, y, horizon = canvas_xy
    half, size = sizes
    deck_y = horizon + 0.2
    top_y = deck_y + _TALL * size
    steel = shade(colour, light=0.3, vivid=0.6, turn=-0.3)
    side = u.abs()
    inner = (u / half) ** 2
    outer = ((side - half) / (1.15 * half)).clamp(0.0, 1.0)
    sag = (
        deck_y
        + 0.06
        + (top_y - deck_y - 0.08) * torch.where(side < half, inner, (1.0 - outer) ** 2)
    )
    hanger = torch.remainder(u / half * 7.0 + 0.5, 1.0) - 0.5
    lines = torch.maximum((hanger * half / 7.0).abs() - 0.003, torch.maximum(y - sag, deck_y - y))
    light = over(light, tint(steel) * 0.8, 0.75 * fill(lines, 0.01))
    cable = (y - sag).abs() / torch.sqrt(1.0 + (1.2 * u / half) ** 2) - 0.011
    deck = (y - deck_y).abs() - 0.026
    legs = torch.maximum(
        (side - half).abs() - 0.055 - 0.02 * (top_y - y),
        torch.maximum(y - top_y, horizon - 0.02 - y),
    )
    piers = torch.maximum((side - half).abs() - 0.12, (y - horizon).abs() - 0.05)
    beams = union(
        *(
            torch.maximum(
                (side - half).abs() - 0.085, (y - deck_y - share * _TALL * size).abs() - 0.022
            )
            for share in (0.35, 0.68, 0.97)
        )
    )
    slot = torch.maximum((side - half).abs() - 0.022, (deck_y + 0.05 - y))
    slot = torch.maximum(slot, y - top_y + 0.06)
    pillar = torch.maximum(union(legs, piers), -slot)
    shape = union(pillar, beams)
    up = ((y - deck_y).abs() / (_TALL * size)).clamp(0.0, 1.0)
    flood = tint(steel) * 0.5 + paint_flat(colour, shine * (0.05 + 0.3 * (1.0 - up) ** 3))
    light = over(light, flood * torch.ones_like(light), fill(shape, 0.01))
    light = over(light, tint(steel) * 0.7, fill(torch.minimum(deck, cable), 0.01))
    road = glow(y - deck_y - 0.03, 0.022)
    return light + paint_flat(colour, 0.5 * shine * road)


def _lamps(
    colour: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: tuple[Tensor, Tensor, Tensor, Tensor],
    shine: Tensor,
) -> Tensor:
    """Points of light along the deck, on the cables and on the towers' tops, `(b, 3, h, w)`."""
    middle, half, deck_y, size = (figure.view(-1, 1) for figure in place)
    top_y = deck_y + _TALL * size
    spots = []
    for index in range(-14, 15):
        at = index / 7.0
        spots.append((middle + half * at, deck_y + 0.055 + 0.0 * half, 0.016, 1.0))
        share = min(abs(at), 1.0) ** 2 if abs(at) <= 1.0 else (1.0 - (abs(at) - 1.0) / 1.15) ** 2
        spots.append(
            (middle + half * at, deck_y + 0.06 + (top_y - deck_y - 0.08) * share, 0.011, 0.75)
        )
    spots.extend((middle + half * side, top_y + 0.02, 0.03, 1.5) for side in (-1.0, 1.0))
    places = torch.stack([torch.cat(spot[:2], dim=1) for spot in spots], dim=1)
    radius = torch.tensor([spot[2] for spot in spots], device=colour.device)
    power = torch.tensor([spot[3] for spot in spots], device=colour.device).view(1, -1, 1)
    pale = shade(colour, light=1.25, vivid=0.75).unsqueeze(1)
    return splats(*canvas_xy, places, radius.expand(len(half), -1), 1.5 * power * pale * shine)


SCENES_BRIDGE: tuple[Scene, ...] = (
    Scene(
        "bridge",
        (
            "a bridge over the water at night",
            "a suspension bridge with lamps",
            "a lit bridge across the river",
            "a bridge at night",
            "a great bridge over the bay",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("orange", "golden")),
            Attribute("lamps", (("dim", "in the dark"), (), ("brightly lit", "glowing"))),
            Attribute(
                "fog", (("on a clear night", "under the stars"), (), ("in the fog", "misty"))
            ),
            Attribute("water", (("over calm water",), (), ("over rough water",))),
            Attribute("city", ((), ("before a city", "with city lights"))),
            Attribute("size", (("distant",), (), ("huge", "close"))),
            Attribute("position", (("on the left",), (), ("on the right",))),
        ),
        paint_bridge,
    ),
)
"""Every scene of this file."""
