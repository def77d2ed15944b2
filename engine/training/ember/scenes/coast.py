"""Where water meets land: the lighthouse on its rock, the waterfall between cliffs."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import clouds, sky_gradient
from engine.training.ember.scenes.water import glitter, surface

LIGHTHOUSE_SKIES = palettes.palette_table(
    (  # beam, sky at the horizon, mid sky, zenith
        ("#fff0c0", "#2a4a80", "#101f48", "#040818"),
        ("#fff4d0", "#f09a5a", "#8a4a78", "#1f1c50"),
        ("#ffe8e0", "#c070b0", "#5a3a90", "#140f3a"),
        ("#e8fff4", "#2f8a8a", "#0f3f58", "#041420"),
    )
)
LIGHTHOUSE_WORDS = (
    ("at night", "in the dark", "at midnight"),
    ("at dusk", "at sunset"),
    ("in violet light", "in a pink evening"),
    ("in a teal night", "in green light"),
)


def paint_lighthouse(
    values: Values, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """A lighthouse on a rock by the sea, its beams sweeping through the mist."""
    batch = values["time"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    stops = palettes.pick(LIGHTHOUSE_SKIES, values["time"])
    horizon = fields.uniform(generator, batch, -0.55, -0.4)
    sky = sky_gradient(stops[:, 1:], y, horizon, width=width)
    sky = sky + fields.stars(generator, batch, x, y, count=70) * 0.6
    foot_x = fields.knob(values["position"], -0.5, 0.5) * aspect
    tall = fields.knob(values["size"], 0.6, 0.95)
    rock_y = horizon + 0.16
    lamp_y = rock_y + tall
    alpha, lit = clouds(
        generator,
        x,
        y,
        horizon,
        cover=fields.uniform(generator, batch, 0.1, 0.6),
        light=(foot_x, lamp_y),
    )
    cloud = fields.mix(
        palettes.tint(stops[:, 2]) * 0.6, palettes.tint(stops[:, 1]), lit.unsqueeze(1)
    )
    sky = fields.over(sky, cloud, alpha * 0.75)
    aside, up = x - foot_x, y - lamp_y
    sky = sky + palettes.paint_flat(
        stops[:, 0], lamp_beams(generator, aside, up, fields.knob(values["beam"], 0.25, 1.0))
    )
    sky = lamp_tower(generator, sky, aside, y, rock_y, tall, stops)
    lamp = fields.sdf_circle(aside, up, 0.0)
    sky = sky + palettes.paint_flat(
        stops[:, 0], 5.0 * fields.fill(lamp - 0.022, 0.02) + 0.9 * fields.glow(lamp, 0.1)
    )
    rough = fields.knob(values["sea"], 0.1, 1.0)
    picture, slope = surface(
        generator, sky, x, y, horizon, roughness=rough, body=palettes.shade(stops[:, 3], light=1.2)
    )
    road = glitter(x, y, horizon, foot_x, slope, spread=0.6 + rough)
    picture = picture + palettes.paint_flat(stops[:, 0], 0.4 * road)
    return palettes.finish(picture, shine=0.55, exposure=1.1)


def lamp_beams(generator: torch.Generator, aside: Tensor, up: Tensor, strength: Tensor) -> Tensor:
    """Two opposite beams of a turning lamp."""
    angle = fields.uniform(generator, strength.shape[0], -0.3, 0.3)
    along, across = fields.rotate(aside, up, angle)
    wide = 0.025 + 0.13 * along.abs()
    light = torch.exp(-((across / wide) ** 2)) / (0.35 + along.abs())
    return strength * 0.42 * light


def lamp_tower(
    generator: torch.Generator,
    picture: Tensor,
    aside: Tensor,
    y: Tensor,
    rock_y: Tensor,
    tall: Tensor,
    stops: Tensor,
) -> Tensor:
    """Striped tower with gallery and dome, on a rock, lit from the sky's side."""
    batch = tall.shape[0]
    device = aside.device
    rise = (y - rock_y) / tall
    half = (0.105 - 0.04 * rise.clamp(0.0, 1.0)) * (0.55 + 0.45 * tall)
    body = fields.fill(aside.abs() - half, 0.01) * fields.fill(rise - 0.93, 0.01)
    band = torch.remainder(rise * 2.7, 1.0)
    stripe = fields.fill((band - 0.5).abs() - 0.25, 0.03)
    red = palettes.rgb("#b8262a").to(device)
    white = palettes.rgb("#ece6dc").to(device)
    paint = palettes.tint(white) + palettes.tint(red - white) * stripe.unsqueeze(1)
    round_light = (0.55 - 0.5 * aside / half).clamp(0.12, 1.1)
    ambient = palettes.tint(stops[:, 1] * 0.7 + stops[:, 2] * 0.5 + 0.04)
    picture = fields.over(picture, paint * ambient * (1.6 * round_light).unsqueeze(1), body)
    dark = palettes.tint(stops[:, 3]) * 0.6
    deck = torch.minimum(
        fields.sdf_box(aside, y - rock_y - 0.93 * tall, 0.085 * tall + 0.01, 0.012),
        fields.sdf_box(aside, y - rock_y - 1.075 * tall, 0.05 * tall, 0.014),
    )
    dome = fields.sdf_circle(aside, y - rock_y - 1.075 * tall, 0.045 * tall)
    posts = fields.sdf_box(aside.abs() - 0.042 * tall, y - rock_y - tall, 0.005, 0.075 * tall)
    shape = torch.minimum(
        torch.minimum(deck, posts), torch.maximum(dome, rock_y + 1.07 * tall - y)
    )
    picture = fields.over(picture, dark, fields.fill(shape, 0.01))
    ragged = fields.profile(generator, batch, aside, cells=2.2, octaves=5, sharp=True)
    crag = rock_y + 0.02 + 0.07 * ragged - 0.55 * (aside.abs() - 0.18).clamp(min=0.0) ** 1.1
    inner = fields.fbm(generator, batch, y.shape[1], aside.shape[-1], cells=7.0, octaves=3)
    stone = palettes.tint(stops[:, 3]) * 0.9 + palettes.paint_flat(
        stops[:, 2],
        (0.16 + 0.22 * inner + 0.5 * torch.exp(-8.0 * (crag - y).clamp(min=0.0))).clamp(min=0.0)
        * 0.6,
    )
    return fields.over(picture, stone, fields.fill(y - crag, 0.012))


FALLS = palettes.palette_table(
    (  # leaves in light, leaves in shadow, rock, water, sky
        ("#a8d860", "#173f1e", "#4a4a44", "#e8f6fa", "#cfeaf4"),
        ("#f0a83c", "#5a2410", "#54443c", "#f0f2f0", "#ffe8c8"),
        ("#5fa0c0", "#0c2438", "#2c3a4c", "#c8e4ff", "#6a90c8"),
        ("#f0a0c0", "#5a2048", "#5a4a58", "#fff0f8", "#ffe0ec"),
    )
)
FALL_WORDS = (
    ("green", "in a green jungle"),
    ("golden", "in autumn"),
    ("blue", "in moonlight", "at night"),
    ("pink", "among pink blossoms"),
)


def paint_waterfall(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """A waterfall between overgrown cliffs, mist over the pool."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    stops = palettes.pick(FALLS, values["colour"])
    middle = fields.uniform(generator, batch, -0.25, 0.25) * aspect
    half = fields.knob(values["width"], 0.12, 0.36) * min(1.0, aspect)
    pool = fields.uniform(generator, batch, -0.62, -0.45)
    lip = fields.knob(values["height"], 0.2, 0.75)
    rows = y.transpose(1, 2)
    edges = [
        0.07 * fields.profile(generator, batch, rows, cells=2.0, octaves=4).transpose(1, 2)
        for _ in range(2)
    ]
    leaves = fields.fbm(generator, batch, height, width, cells=7.0, octaves=4, gain=0.6)
    crags = fields.ridged(generator, batch, height, width, cells=4.0, octaves=4, stretch=0.6)
    sky = palettes.ramp(
        torch.stack((stops[:, 4], stops[:, 4] * 0.6 + stops[:, 2] * 0.4), dim=1),
        fields.smoothstep(0.2, 1.0, y).expand(batch, -1, width),
    )
    far = lip + 0.12 + 0.1 * fields.profile(generator, batch, x, cells=2.5, octaves=5)
    far_green = palettes.tint(stops[:, 1] * 0.4 + stops[:, 4] * 0.45)
    picture = fields.over(
        sky, far_green + 0.1 * leaves.unsqueeze(1) * far_green, fields.fill(y - far, 0.02)
    )
    aside = x - middle
    green = _cliff(stops, leaves, crags, aside, half)
    top = lip + 0.5 * (aside.abs() - half).clamp(min=0.0) + 0.05 * leaves
    picture = fields.over(picture, green, fields.fill(y - top, 0.02))
    picture = _falling_water(generator, picture, aside, y, (lip, half), edges, stops)
    picture, _ = surface(
        generator,
        picture,
        x,
        y,
        pool,
        roughness=fields.uniform(generator, batch, 0.3, 0.7),
        body=stops[:, 1] * 0.6 + stops[:, 2] * 0.2,
        shine=0.75,
    )
    mist = torch.exp(-((aside / (half * 1.6 + 0.1)) ** 2) - ((y - pool) / 0.16) ** 2)
    puff = fields.fbm(generator, batch, height, width, cells=2.5, octaves=4)
    fog = (mist * fields.knob(values["mist"], 0.5, 1.3) * (1.0 + 0.4 * puff)).clamp(0.0, 0.95)
    picture = fields.over(picture, palettes.tint(stops[:, 3]) * 0.9, fog)
    banks = pool - 0.1 + 0.75 * (x.abs() / aspect - 0.72) + 0.1 * leaves
    near = palettes.ramp(
        torch.stack((stops[:, 1] * 0.15, stops[:, 1] * 0.7), dim=1),
        (0.4 + 0.5 * leaves).clamp(0.0, 1.0),
    )
    picture = fields.over(picture, near, fields.fill(y - banks, 0.02))
    return palettes.finish(picture, shine=0.2, vignette=0.25)


def _cliff(stops: Tensor, leaves: Tensor, crags: Tensor, aside: Tensor, half: Tensor) -> Tensor:
    """Dark rock, overgrown away from the water."""
    tone = (0.25 + 0.55 * crags + 0.15 * leaves).clamp(0.02, 1.0)
    rock = palettes.paint_flat(stops[:, 2], 0.25 + 1.0 * tone)
    moss = fields.smoothstep(-0.1, 0.35, leaves + 0.6 * (aside.abs() - half - 0.25))
    green = palettes.ramp(
        torch.stack((stops[:, 1] * 0.5, stops[:, 1], stops[:, 0]), dim=1),
        (0.45 + 0.5 * leaves + 0.25 * (crags - 0.4)).clamp(0.0, 1.0),
    )
    return fields.over(rock, green, moss)


def _falling_water(
    generator: torch.Generator,
    picture: Tensor,
    aside: Tensor,
    y: Tensor,
    size: tuple[Tensor, Tensor],
    edges: list[Tensor],
    stops: Tensor,
) -> Tensor:
    """Draw the water from its lip down; `size` is the lip's height and half the width."""
    lip, half = size
    batch, _, height, width = picture.shape
    wide = half * (1.0 + 0.18 * (lip - y).clamp(min=0.0))
    left, right = aside + wide + edges[0], wide + edges[1] - aside
    inside = fields.smoothstep(0.0, 0.05, torch.minimum(left, right)) * fields.fill(y - lip, 0.03)
    streaks = fields.fbm(
        generator, batch, height, width, cells=1.3, octaves=4, gain=0.75, stretch=0.09
    )
    bend = fields.warp(streaks.unsqueeze(1), 0.12 * (aside * (y - lip)), y * 0.0).squeeze(1)
    silk = 0.62 + 0.33 * bend + 0.2 * fields.smoothstep(0.0, -1.0, y - lip)
    return fields.over(picture, palettes.paint_flat(stops[:, 3], silk.clamp(0.1, 1.15)), inside)


SCENES_COAST: tuple[Scene, ...] = (
    Scene(
        "lighthouse",
        (
            "a lighthouse by the sea",
            "a lighthouse on a rock",
            "a lighthouse and its beam",
            "a light house on the coast",
        ),
        (
            Attribute("time", LIGHTHOUSE_WORDS),
            Attribute("position", (("on the left",), (), ("on the right",))),
            Attribute("size", (("small",), (), ("tall", "high"))),
            Attribute("beam", (("faint",), (), ("bright", "shining"))),
            Attribute("sea", (("calm", "still"), (), ("rough", "stormy"))),
        ),
        paint_lighthouse,
    ),
    Scene(
        "waterfall",
        (
            "a waterfall",
            "a waterfall in the forest",
            "water falling over cliffs",
            "a mountain waterfall",
        ),
        (
            Attribute("colour", FALL_WORDS, natural=("green",)),
            Attribute("width", (("narrow",), (), ("wide", "broad"))),
            Attribute("height", (("low",), (), ("high", "tall"))),
            Attribute("mist", ((), (), ("misty", "in spray"))),
        ),
        paint_waterfall,
    ),
)
