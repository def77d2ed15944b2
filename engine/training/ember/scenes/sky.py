"""Skies: gradients, suns and clouds that other scenes use, and the scenes that are mostly sky."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.fields import Figure
from engine.training.ember.scenes.scene import Attribute, Scene, Values


def sky_gradient(
    stops: Tensor, y: Tensor, horizon: Figure, *, curve: float = 0.8, width: int = 1
) -> Tensor:
    """Colour the sky from the horizon (first stop) to the zenith (last), shape `(b, 3, h, w)`."""
    rise = ((y - horizon) / (1.05 - horizon)).clamp(1e-4, 1.0) ** curve
    return palettes.ramp(stops, rise.expand(-1, -1, width))


def clouds(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    horizon: Tensor,
    *,
    cover: Tensor,
    light: tuple[Tensor, Tensor],
    scale: float = 1.0,
    softness: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Clouds on a ceiling in perspective: opacity and brightness, both `(b, h, w)` in [0, 1].

    `cover` `(b, 1, 1)` in [0, 1] from clear to overcast; `light` is the sun's place on the canvas.
    """
    batch = cover.shape[0]
    tile = fields.texture(generator, batch, 256, cells=5, octaves=5, gain=0.52)
    depth = 1.0 / ((y - horizon).clamp(min=0.0) + 0.16)
    u = x * depth * (0.11 * scale) + fields.uniform(generator, batch)
    v = depth * (0.3 * scale) + fields.uniform(generator, batch)
    density = fields.sample(tile, u, v)
    toward_x, toward_y = light[0] - x, light[1] - y
    reach = 0.016 / torch.sqrt(toward_x**2 + toward_y**2 + 0.02)
    sunward = fields.sample(tile, u + toward_x * reach, v - toward_y * reach)
    threshold = 0.75 - 1.5 * cover
    alpha = fields.smoothstep(threshold, threshold + softness, density)
    lit = (0.5 + 1.4 * (density - sunward) - 0.45 * (density - threshold - 0.3)).clamp(0.0, 1.0)
    return alpha, lit


AURORAS = palettes.palette_table(
    (  # lower edge, middle, upper fringe, sky at the horizon, zenith
        ("#c8ffb0", "#35e87a", "#1a8a9a", "#123a48", "#04101f"),
        ("#b0fff0", "#22d8c8", "#2a60d8", "#0f3050", "#050c24"),
        ("#b8d8ff", "#4a80ff", "#7a3ae8", "#142a5c", "#070a24"),
        ("#f0c8ff", "#b050f8", "#5a28c8", "#2a1f5a", "#0b0722"),
        ("#ffd8e8", "#ff5aa8", "#8a30d0", "#3a1f50", "#10071f"),
        ("#ffd0a0", "#ff4a50", "#a01f60", "#3a1a34", "#120612"),
    )
)
AURORA_WORDS = (
    ("green", "emerald"),
    ("teal", "turquoise"),
    ("blue", "deep blue"),
    ("violet", "purple"),
    ("pink", "magenta"),
    ("red", "crimson"),
)


def paint_aurora(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Curtains of northern lights over a frozen lake and dark hills."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    stops = palettes.pick(AURORAS, values["colour"])
    horizon = fields.uniform(generator, batch, -0.5, -0.25)
    picture = sky_gradient(stops[:, 3:], y, horizon, curve=0.7, width=width)
    picture = picture + fields.stars(generator, batch, x, y, count=110) * 0.8
    bright = fields.knob(values["strength"], 0.45, 1.5)
    picture = picture + curtains(
        generator, stops, x, y, horizon, values["folds"]
    ) * bright.unsqueeze(1)
    hills = (
        horizon
        + 0.03
        + fields.knob(values["hills"], 0.02, 0.2)
        * (1.0 + fields.profile(generator, batch, x, cells=0.9, octaves=6, sharp=True))
    )
    far = fields.fill(y - hills, 0.01)
    air = fields.smoothstep(0.25, -0.1, y - horizon)
    land = palettes.paint_flat(stops[:, 3], 0.35 + 0.5 * air)
    picture = fields.over(picture, land.expand(-1, -1, -1, width), far)
    picture = frozen_lake(generator, picture, x, y, horizon, stops)
    return palettes.finish(picture, shine=0.45, vignette=0.25)


def curtains(
    generator: torch.Generator, stops: Tensor, x: Tensor, y: Tensor, horizon: Tensor, folds: Tensor
) -> Tensor:
    """Light of three auroral curtains `(b, 3, h, w)`: sharp lower edge, rays, fading upwards."""
    batch = stops.shape[0]
    tile = fields.texture(generator, batch, 256, cells=16, octaves=3, gain=0.6)
    total = torch.zeros(1, 1, 1, 1, device=x.device)
    swing = fields.knob(folds, 0.12, 0.38)
    for layer in range(3):
        base = horizon + 0.22 + 0.28 * layer + fields.uniform(generator, batch, 0.0, 0.2)
        base = base + fields.uniform(generator, batch, -0.25, 0.25) * x
        lean = fields.uniform(generator, batch, -0.25, 0.25)
        across = x - lean * (y - base) * 0.8
        along = across / (1.0 + 0.25 * (y - base).clamp(min=-0.5))
        edge = base + swing * fields.sample(tile, along * 0.032 + 0.31 * layer, along * 0.0 + 0.1)
        rise = y - edge
        rays = fields.sample(tile, along * 0.2 + 0.02 * rise, rise * 0.01 + 0.13 * layer)
        patch = fields.sample(tile, along * 0.03 + 0.5, rise * 0.0 + 0.7 + 0.2 * layer)
        tall = (0.3 + 0.22 * patch).clamp(min=0.1)
        strength = (0.65 + 0.7 * rays).clamp(min=0.05) * (0.75 + 0.8 * patch).clamp(min=0.0)
        fade = torch.exp(-(rise.clamp(min=0.0) / tall)) * fields.smoothstep(-0.05, 0.03, rise)
        colour = palettes.ramp(
            stops[:, :3], (rise / (2.2 * tall)).clamp(0.0, 1.0), (0.0, 0.3, 1.0)
        )
        total = total + colour * (strength * fade * (0.95 - 0.2 * layer)).unsqueeze(1)
    return total


def frozen_lake(
    generator: torch.Generator,
    picture: Tensor,
    x: Tensor,
    y: Tensor,
    horizon: Tensor,
    stops: Tensor,
) -> Tensor:
    """Mirror the sky in ice with pale cracks and drifts of snow."""
    batch = picture.shape[0]
    below = (horizon - y).clamp(min=0.0)
    depth = 1.0 / (below + 0.08)
    tile = fields.texture(generator, batch, 256, cells=6, octaves=3, gain=0.5)
    u, v = x * depth * 0.09, depth * 0.2
    rough = fields.sample(tile, u + 0.3, v)
    blurred = fields.blur(picture, 0.012)
    mirrored = fields.warp(blurred, 0.03 * rough * below, 2.0 * below + 0.08 * rough * below)
    crack = fields.smoothstep(0.06, 0.0, fields.sample(tile, u * 1.2, v * 1.2).abs())
    drift = fields.smoothstep(0.25, 0.7, rough)
    ice = mirrored * 0.72 + palettes.paint_flat(stops[:, 3], 0.25 * below + 0.12)
    frost = palettes.shade(stops[:, 1] * 0.35 + stops[:, 3] * 0.65, vivid=0.7)
    ice = ice + palettes.paint_flat(frost, 0.55 * crack + 0.5 * drift)
    return fields.over(picture, ice, fields.fill(y - horizon, 0.008).expand(-1, -1, x.shape[-1]))


STORMS = palettes.palette_table(
    (  # bolt, cloud lit, cloud dark, rain air at the horizon
        ("#e0d0ff", "#8a6ad0", "#1a1430", "#4a3a78"),
        ("#d0e4ff", "#5a88d8", "#0f182c", "#2f4a78"),
        ("#ffffff", "#8c98a8", "#14181f", "#5a6878"),
        ("#ffd8f0", "#d060a8", "#240f28", "#7a3468"),
        ("#fff0c0", "#d08a48", "#201410", "#7a4a2c"),
    )
)
STORM_WORDS = (
    ("violet", "purple"),
    ("blue", "deep blue"),
    ("white", "grey"),
    ("pink", "magenta"),
    ("orange", "golden"),
)


def paint_storm(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Lightning under heavy clouds, rain and dark land below."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    stops = palettes.pick(STORMS, values["colour"])
    horizon = fields.uniform(generator, batch, -0.65, -0.45)
    strike = fields.knob(values["position"], -0.6, 0.6) * aspect
    base = fields.uniform(generator, batch, 0.3, 0.5)
    tile = fields.texture(generator, batch, 256, cells=4, octaves=5, gain=0.55)
    drop = 1.0 / (1.35 - y).clamp(min=0.3)
    u, v = x * 0.12 + 0.04 * x * y, y * 0.2
    bend = fields.sample(tile, u * 0.7, v * 0.7)
    cloud = fields.sample(tile, u + 0.06 * bend, v + 0.05 * bend).abs()
    under = fields.sample(tile, u + 0.06 * bend, v + 0.05 * bend + 0.02).abs()
    relief = (0.5 + 1.8 * (under - cloud)).clamp(0.0, 1.3)
    near = fields.glow(fields.sdf_circle((x - strike) * 0.8, y - base - 0.15, 0.0), 0.75)
    ceiling = fields.smoothstep(base - 0.35, base + 0.1, y + 0.35 * (cloud - 0.4))
    light = relief * (0.16 + 1.25 * near) * (0.7 + 0.3 * drop)
    mass = palettes.tint(stops[:, 2]) * 0.8 + palettes.paint_flat(stops[:, 1], light)
    air = palettes.paint_flat(
        stops[:, 3], (0.35 + 0.9 * near) * fields.smoothstep(1.2, 0.0, y - horizon)
    )
    picture = fields.over(air, mass, ceiling)
    rain = fields.fbm(
        generator, batch, height, width, cells=1.2, octaves=4, gain=0.7, stretch=0.12
    )
    veil = fields.knob(values["rain"], 0.0, 0.55) * (1.0 - ceiling)
    slant = fields.warp(rain.unsqueeze(1), 0.25 * y.expand(1, height, width), y * 0.0).squeeze(1)
    picture = picture * (1.0 + veil * slant * 1.4).clamp(min=0.1).unsqueeze(1)
    bolts = lightning(generator, x, y, strike, base, horizon, values["bolts"])
    halo = (
        fields.blur(bolts.unsqueeze(1), 0.03) * 1.1 + fields.blur(bolts.unsqueeze(1), 0.12) * 1.6
    )
    picture = picture + palettes.paint_flat(stops[:, 0], bolts + halo.squeeze(1))
    land = horizon + 0.07 * fields.profile(generator, batch, x, cells=1.1, octaves=6)
    ground = palettes.paint_flat(stops[:, 2], 0.25 + 0.5 * near)
    rim = palettes.paint_flat(stops[:, 1], 0.35 * near * fields.smoothstep(0.12, 0.0, land - y))
    picture = fields.over(picture, ground + rim, fields.fill(y - land, 0.01))
    return palettes.finish(picture, shine=0.5, vignette=0.25)


def lightning(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    strike: Tensor,
    base: Tensor,
    horizon: Tensor,
    bolts: Tensor,
) -> Tensor:
    """Forked bolts from the cloud `base` to the ground: light `(b, h, w)`."""
    batch = strike.shape[0]
    total = torch.zeros(1, 1, 1, device=x.device)
    rows = y.transpose(1, 2)

    def crooked(cells: float, swing: float) -> Tensor:
        path = fields.profile(generator, batch, rows, cells=cells, octaves=6, gain=0.55)
        return path.transpose(1, 2) * swing

    for bolt in range(3):
        share = (
            torch.ones_like(strike)
            if bolt == 0
            else fields.smoothstep(0.0, 0.12, bolts.view(-1, 1, 1) - 0.33 * bolt)
        )
        aside = 0.0 if bolt == 0 else fields.uniform(generator, batch, -0.9, 0.9)
        lean = fields.uniform(generator, batch, -0.3, 0.3)
        main = strike + aside + lean * (base - y) + crooked(1.6, 0.13)
        total = total + share * _channel(
            x - main, y, base + 0.12, horizon - 0.1, (1.0 if bolt == 0 else 0.7)
        )
        for _ in range(3):
            start = base - fields.uniform(generator, batch, 0.05, 0.55)
            lean = fields.uniform(generator, batch, -0.9, 0.9)
            length = fields.uniform(generator, batch, 0.2, 0.5)
            along = (start - y).clamp(min=0.0)
            root = crooked(2.5, 0.07)
            at_start = root.gather(
                1, ((1.0 - start) * 0.5 * y.shape[1]).long().clamp(0, y.shape[1] - 1)
            )
            fork = main + lean * along + (root - at_start)
            total = total + share * 0.6 * _channel(x - fork, y, start, start - length, 0.55)
    return total


def _channel(aside: Tensor, y: Tensor, top: Tensor, bottom: Tensor, size: float) -> Tensor:
    """Light of one lightning channel from its sideways distance."""
    distance = aside.abs() * 0.75
    life = fields.smoothstep(0.0, 0.02, top - y) * fields.smoothstep(0.0, 0.25, y - bottom)
    return life * 4.0 * fields.fill(distance - 0.0055 * size, 0.012)


SCENES_SKY: tuple[Scene, ...] = (
    Scene(
        "aurora",
        (
            "northern lights over a frozen lake",
            "aurora borealis above an icy lake",
            "the aurora over the ice",
            "polar lights in the night sky",
            "northern lights",
            "aurora",
        ),
        (
            Attribute("colour", AURORA_WORDS, natural=("green", "teal")),
            Attribute("strength", (("faint", "dim"), (), ("bright", "brilliant"))),
            Attribute("folds", (("calm", "quiet"), (), ("swirling", "dancing"))),
            Attribute("hills", ((), (), ("with high mountains", "behind mountains"))),
        ),
        paint_aurora,
    ),
    Scene(
        "storm",
        (
            "lightning over the land",
            "a thunderstorm over the plain",
            "lightning strikes from dark clouds",
            "a thunder storm",
            "a bolt of lightning",
            "stormy sky with lightning",
        ),
        (
            Attribute("colour", STORM_WORDS, natural=("violet", "blue")),
            Attribute(
                "bolts", (("with a single bolt",), (), ("with many bolts", "with many flashes"))
            ),
            Attribute("position", (("on the left",), (), ("on the right",))),
            Attribute("rain", (("dry",), (), ("rainy", "in heavy rain"))),
        ),
        paint_storm,
    ),
)
