"""Fire and light: campfire, flames, fireworks, volcano."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.land import pines
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import sky_gradient
from engine.training.ember.scenes.water import surface

FLAMES = palettes.palette_table(
    (  # outermost, outer, body, inner, core
        ("#3a0804", "#c02408", "#ff7a12", "#ffc23c", "#fff4c8"),
        ("#300206", "#a8081c", "#f02a2a", "#ff8a5a", "#ffe6d0"),
        ("#041a08", "#0c7a34", "#3ce05a", "#b0f878", "#f4ffd8"),
        ("#040c30", "#1438c0", "#2f8cff", "#86dcff", "#f0fcff"),
        ("#18042c", "#6a14b8", "#b848ff", "#f09cff", "#fff0ff"),
    )
)
FLAME_WORDS = (
    ("orange", "golden"),
    ("red", "crimson"),
    ("green", "emerald"),
    ("blue", "deep blue"),
    ("violet", "purple"),
)


def flame(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    *,
    base: Tensor,
    tall: Tensor,
    wide: Tensor,
    wild: Tensor,
) -> Tensor:
    """Heat of a fire `(b, h, w)` in [0, 1]: tongues that narrow, split and tear off upwards."""
    batch = tall.shape[0]
    tile = fields.texture(generator, batch, 256, cells=6, octaves=4, gain=0.5)
    rise = (y - base) / tall
    climb = rise.clamp(min=0.0)
    sway = fields.sample(tile, x * 0.12, rise * 0.22 + 0.5)
    u = (x + 0.35 * wild * sway * climb * wide) / wide * 0.22
    tongues = fields.sample(tile, u, rise * 0.20)
    curls = fields.sample(tile, u * 2.2 + 0.04 * tongues, rise * 0.42 + 0.3)
    aside = (x + 0.45 * wild * sway * climb * tall * 0.6) / wide
    body = 1.0 - (aside.abs() / (1.02 - 0.62 * climb).clamp(min=0.12)) ** 2
    heat = body * 0.88 - climb * 0.66 + (0.42 * tongues + 0.24 * curls) * (0.55 + 1.3 * climb)
    return (heat * fields.smoothstep(-0.12, 0.05, rise)).clamp(0.0, 1.0)


def fire_sparks(
    generator: torch.Generator, x: Tensor, y: Tensor, base: Tensor, spread: Tensor, amount: Tensor
) -> Tensor:
    """Glowing embers carried upwards, light `(b, h, w)`."""
    batch, count = base.shape[0], 46
    where = fields.draw(generator, batch, count, 2)
    up = where[..., 1] ** 0.8 * 1.7
    aside = (where[..., 0] - 0.5) * (spread.view(-1, 1) + 0.9 * up)
    places = torch.stack((aside, base.view(-1, 1) + up), dim=-1)
    radius = 0.004 + 0.009 * fields.draw(generator, batch, count) ** 2
    number = torch.arange(count, device=x.device) / count
    light = fields.smoothstep(0.0, 0.15, amount.view(-1, 1) - number) * (1.5 - 0.7 * up)
    return fields.splats(x, y, places, radius, light.clamp(min=0.0).unsqueeze(-1)).squeeze(1)


def paint_campfire(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """A campfire on logs in a clearing at night, pines around lit by it."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    stops = palettes.pick(FLAMES, values["colour"])
    base = fields.uniform(generator, batch, -0.62, -0.5)
    tall = fields.knob(values["size"], 0.55, 1.15)
    wide = 0.2 + 0.16 * tall
    night = palettes.palette_table((("#1c2a48", "#0c1430", "#050818"),)).to(x.device)
    picture = sky_gradient(night.expand(batch, -1, -1), y, base + 0.1, width=width)
    picture = picture + fields.stars(generator, batch, x, y, count=80)
    aside, up = x, y - base - 0.3
    near = fields.glow(fields.sdf_circle(aside, up, 0.0), 0.7 + 0.3 * tall)
    warm = stops[:, 2]
    for depth in range(2):
        line = base + 0.22 - 0.1 * depth + 0.03 * fields.profile(generator, batch, x, cells=1.0)
        line = line - 0.05 * depth * torch.exp(-((x / 0.5) ** 2))
        trees = pines(
            generator,
            x,
            y,
            line,
            size=fields.uniform(generator, batch, 0.6, 0.8) + 0.3 * depth,
            batch=batch,
        )
        if depth:
            trees = trees * fields.smoothstep(0.55, 0.9, x.abs() / (width / height) + 0.25)
        shade = palettes.tint(night[:, 1]) * (0.45 - 0.3 * depth)
        lit = palettes.paint_flat(warm, near * (0.10 + 0.05 * depth))
        picture = fields.over(picture, shade + lit, trees)
    tile = fields.texture(generator, batch, 256, cells=10, octaves=3)
    depth_away = 1.0 / (base + 0.32 - y).clamp(min=0.05)
    rough = fields.sample(tile, x * depth_away * 0.06, depth_away * 0.25)
    pool = fields.glow(fields.sdf_circle(x * 0.75, (y - base) * 1.9, 0.0), 0.55)
    floor = (
        palettes.paint_flat(warm, pool * (0.42 + 0.2 * rough)) + palettes.tint(night[:, 2]) * 0.5
    )
    picture = fields.over(picture, floor, fields.fill(y - base - 0.12, 0.05).expand(-1, -1, width))
    picture = fire_logs(generator, picture, x, y, base, stops)
    heat = flame(
        generator,
        x,
        y,
        base=base + 0.02,
        tall=tall,
        wide=wide,
        wild=fields.knob(values["wildness"], 0.25, 1.3),
    )
    colour = palettes.ramp(stops, heat, (0.0, 0.14, 0.42, 0.74, 1.0)) * (
        0.7 + 1.1 * heat
    ).unsqueeze(1)
    picture = fields.over(picture, colour, fields.smoothstep(0.02, 0.16, heat))
    picture = picture + palettes.paint_flat(warm, 0.11 * near)
    sparks = fire_sparks(
        generator, x, y, base + 0.2, wide * 1.4, fields.knob(values["sparks"], 0.0, 1.1)
    )
    picture = picture + palettes.paint_flat(stops[:, 3], sparks)
    return palettes.finish(picture, shine=0.55, vignette=0.35)


def fire_logs(
    generator: torch.Generator, picture: Tensor, x: Tensor, y: Tensor, base: Tensor, stops: Tensor
) -> Tensor:
    """Lay crossed logs under the fire, rims lit by it."""
    batch = base.shape[0]
    bark = palettes.rgb("#2a1812").to(x.device).expand(batch, 3)
    for side in (-1.0, 1.0, -0.35, 0.5):
        tip = 0.1 + fields.uniform(generator, batch, 0.0, 0.06)
        foot = side * fields.uniform(generator, batch, 0.38, 0.48)
        down = base - 0.07 + fields.uniform(generator, batch, -0.03, 0.02)
        distance = fields.sdf_segment(x, y, (foot, down), (-0.35 * foot, base + tip)) - 0.045
        rim = fields.smoothstep(-0.04, -0.002, distance)
        hot = torch.exp(-((x / 0.22) ** 2))
        colour = palettes.tint(bark) * 0.7 + palettes.paint_flat(
            stops[:, 2], 0.10 + 0.22 * rim + 0.35 * hot * rim
        )
        picture = fields.over(picture, colour, fields.fill(distance, 0.012))
    return picture


def paint_flames(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """A wall of flames close by."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    stops = palettes.pick(FLAMES, values["colour"])
    tall = fields.knob(values["height"], 1.1, 2.3)
    wild = fields.knob(values["wildness"], 0.4, 1.4)
    tile = fields.texture(generator, batch, 256, cells=4, octaves=4, gain=0.48)
    rise = (y + 1.0) / tall
    tiny = fields.knob(values["scale"], 1.5, 0.8)
    sway = fields.sample(tile, x * 0.08, rise * 0.16 + 0.5)
    u = (x * 0.24 + 0.05 * wild * sway) * tiny
    v = rise * 0.19 * tiny
    tongues = fields.sample(tile, u, v)
    warp = fields.sample(tile, u * 1.7 + 0.3, v * 1.2)
    curls = fields.sample(tile, u * 2.1 + 0.09 * warp * wild, v * 1.6 + 0.05 * tongues)
    ridge = 1.0 - (1.6 * fields.sample(tile, u + 0.05 * warp * wild, v * 0.7 + 0.6)).abs()
    heat = 0.72 - 0.72 * rise + 0.40 * tongues + 0.28 * curls + 0.34 * ridge - 0.12
    heat = heat.clamp(0.0, 1.0)
    colour = palettes.ramp(stops, heat, (0.0, 0.2, 0.45, 0.72, 1.0))
    dark = palettes.tint(palettes.shade(stops[:, 0], light=0.55))
    picture = fields.over(
        dark.expand(-1, -1, height, width),
        colour * (0.5 + 0.9 * heat).unsqueeze(1),
        fields.smoothstep(0.0, 0.25, heat),
    )
    sparks = fire_sparks(
        generator, x, y, torch.full_like(tall, -0.6), torch.full_like(tall, 2.0), tall * 0.0 + 0.8
    )
    picture = picture + palettes.paint_flat(stops[:, 3], sparks)
    return palettes.finish(picture, shine=0.4, vignette=0.2)


def paint_fireworks(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Fireworks over dark water."""
    batch = values["hue"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    colour = palettes.hue(values["hue"])
    horizon = fields.uniform(generator, batch, -0.62, -0.5)
    night = palettes.palette_table((("#2a2a58", "#101232", "#04050f"),)).to(x.device)
    sky = sky_gradient(night.expand(batch, -1, -1), y, horizon, width=width)
    count = 5
    for burst in range(count):
        share = (
            torch.ones_like(horizon)
            if burst == 0
            else fields.smoothstep(0.0, 0.15, values["number"].view(-1, 1, 1) - burst / count)
        )
        spot_x = (
            fields.uniform(generator, batch, -0.7, 0.7) * aspect * (0.5 if burst == 0 else 1.0)
        )
        spot_y = fields.uniform(generator, batch, 0.1, 0.65)
        size = fields.knob(values["size"], 0.22, 0.5) * fields.uniform(generator, batch, 0.7, 1.2)
        turn = fields.uniform(generator, batch, -0.9, 0.9) * (0.2 if burst == 0 else 1.0)
        shade = palettes.shade(colour, turn=turn.flatten(), light=1.05, vivid=1.1)
        sky = sky + share.unsqueeze(1) * _burst(generator, x, y, spot_x, spot_y, size, shade)
    smoke = fields.fbm(generator, batch, height, width, cells=2.0, octaves=4)
    sky = sky + palettes.paint_flat(colour, 0.025 * (1.0 + smoke).clamp(min=0.0))
    city = horizon + 0.05 + 0.05 * fields.profile(generator, batch, x, cells=6.0, octaves=3)
    sky = fields.over(sky, palettes.tint(night[:, 2]) * 0.6, fields.fill(y - city, 0.01))
    picture, _ = surface(
        generator,
        sky,
        x,
        y,
        horizon,
        roughness=fields.uniform(generator, batch, 0.3, 0.8),
        body=palettes.shade(night[:, 1].expand(batch, 3), light=0.7),
    )
    return palettes.finish(picture, shine=0.7, exposure=1.15)


def _burst(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    spot_x: Tensor,
    spot_y: Tensor,
    size: Tensor,
    colour: Tensor,
) -> Tensor:
    """One shell: sparks flying out along rays and sinking, as points of light."""
    batch, rays, beads = spot_x.shape[0], 26, 7
    angle = fields.draw(generator, batch, rays, 1) * (2.0 * math.pi)
    lift = fields.draw(generator, batch, rays, 1) ** 0.35
    along = torch.linspace(0.25, 1.0, beads, device=x.device).view(1, 1, -1)
    reach = lift * along * size
    right = (spot_x + torch.cos(angle) * reach).flatten(1)
    up = (spot_y + torch.sin(angle) * reach - 0.22 * size * (along * lift) ** 2).flatten(1)
    radius = (0.0045 + 0.0045 * along + 0.0 * reach).flatten(1)
    strength = (0.25 + 1.3 * along**2 + 0.0 * reach).flatten(1)
    pale = palettes.shade(colour, light=1.25, vivid=0.5)
    light = strength.unsqueeze(-1) * colour.unsqueeze(1)
    tips = ((along > 0.99).float() + 0.0 * reach).flatten(1)
    light = light + (1.6 * tips).unsqueeze(-1) * pale.unsqueeze(1)
    picture = fields.splats(x, y, torch.stack((right, up), dim=-1), radius, light)
    centre = fields.sdf_circle(x - spot_x, y - spot_y, 0.0)
    return picture + palettes.paint_flat(colour, 0.5 * fields.glow(centre, size * 0.45))


SCENES_FIRE: tuple[Scene, ...] = (
    Scene(
        "campfire",
        (
            "a campfire at night",
            "a bonfire in the woods",
            "a camp fire in a forest clearing",
            "a burning campfire under the stars",
            "a bonfire",
        ),
        (
            Attribute("colour", FLAME_WORDS, natural=("orange",)),
            Attribute("size", (("small", "little"), (), ("big", "large"))),
            Attribute("wildness", (("calm", "quiet"), (), ("wild", "blazing"))),
            Attribute("sparks", ((), (), ("with flying sparks", "with glowing embers"))),
        ),
        paint_campfire,
    ),
    Scene(
        "flames",
        ("fire", "burning flames", "a wall of fire", "roaring flames", "an inferno", "a blaze"),
        (
            Attribute("colour", FLAME_WORDS, natural=("orange",)),
            Attribute("height", (("low",), (), ("high", "towering"))),
            Attribute("wildness", (("calm", "quiet"), (), ("wild", "raging"))),
            Attribute("scale", (("fine",), (), ("close up", "huge"))),
        ),
        paint_flames,
    ),
    Scene(
        "fireworks",
        (
            "fireworks in the night sky",
            "fireworks over the water",
            "exploding fireworks",
            "a firework display",
            "fireworks",
        ),
        (
            Attribute("hue", palettes.HUE_WORDS, natural=("orange", "golden")),
            Attribute("number", (("a single burst of",), (), ("many",))),
            Attribute("size", (("small",), (), ("huge", "big"))),
        ),
        paint_fireworks,
    ),
)
