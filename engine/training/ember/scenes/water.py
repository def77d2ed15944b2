"""Water: the reflecting surface that other scenes use, sunset, waves and moon over the sea."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import clouds, sky_gradient
from engine.training.ember.scenes.terrain import Terrain, terrain

SUNSETS = palettes.palette_table(
    (
        ("#ffedb0", "#ffc552", "#f0934a", "#8f7590", "#38508a"),
        ("#ffd888", "#ff9f3f", "#ea5f2e", "#8c3d58", "#2a2a5c"),
        ("#ffb468", "#f65a30", "#c5283f", "#5e1b48", "#1c1236"),
        ("#ffe3c4", "#ffb3a4", "#f283ad", "#9c70c0", "#4c5cb0"),
        ("#ffcba4", "#ea8cab", "#a65cc4", "#5a3aa2", "#231d5c"),
        ("#fff2c0", "#fbca82", "#93c8ae", "#2f929f", "#124c70"),
    )
)
SUNSET_WORDS = (
    ("golden", "gold"),
    ("orange", "amber"),
    ("red", "crimson"),
    ("pink", "rose"),
    ("violet", "purple"),
    ("teal", "turquoise"),
)


def surface(
    generator: torch.Generator,
    scene: Tensor,
    x: Tensor,
    y: Tensor,
    horizon: Tensor,
    *,
    roughness: Tensor,
    body: Tensor,
    shine: float = 0.85,
) -> tuple[Tensor, Tensor]:
    """Lay water under the horizon of a picture: what is above is mirrored in moving waves.

    `roughness` `(b, 1, 1)` in [0, 1], `body` `(b, 3)` the water's own colour. Returns the picture
    and the waves' slope `(b, h, w)`, mean 0, for glitter.
    """
    batch = scene.shape[0]
    below = (horizon - y).clamp(min=0.0)
    depth = 1.0 / (below + 0.05)
    tile = fields.texture(generator, batch, 256, cells=8, octaves=3, gain=0.5)
    u = x * depth * 0.055 + fields.uniform(generator, batch)
    v = depth * 0.38 - 0.55 * below + fields.uniform(generator, batch)
    slope = fields.sample(tile, u * (1.0 + 0.5 * below), v)
    swing = (below * (0.15 + 0.85 * roughness) + 0.012).clamp(max=0.5)
    mirrored = fields.warp(
        scene, slope * swing * 0.25, 2.0 * below + slope * swing * 0.9 + swing * 0.25
    )
    facing = (below * (0.35 + 0.4 * roughness) + 0.30 * slope * (0.2 + roughness)).clamp(0.0, 0.9)
    water = mirrored * shine * (1.0 - facing).unsqueeze(1) + palettes.paint_flat(body, facing)
    cut = fields.fill(y - horizon, 0.006).expand(-1, -1, scene.shape[-1])
    return fields.over(scene, water, cut), slope * cut


def glitter(
    x: Tensor, y: Tensor, horizon: Tensor, light_x: Tensor, slope: Tensor, *, spread: Tensor
) -> Tensor:
    """The road of light under a sun or moon: `(b, h, w)`, wider and coarser towards the viewer."""
    below = (horizon - y).clamp(min=0.0)
    reach = 0.035 + spread * (0.05 + 0.35 * below)
    road = torch.exp(-(((x - light_x) / reach) ** 2))
    facets = fields.smoothstep(0.05, 0.55, slope + 0.28 * road)
    return road * (0.25 + 1.5 * facets) * fields.smoothstep(0.0, 0.015, below)


def paint_sunset(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """A sun low over the sea, clouds lit from below, its road on the waves."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    stops = palettes.pick(SUNSETS, values["colour"])
    horizon = fields.uniform(generator, batch, -0.4, -0.12)
    sun_x = fields.knob(values["position"], -0.65, 0.65) * aspect
    sun_y = horizon + fields.knob(values["height"], -0.02, 0.62)
    radius = fields.uniform(generator, batch, 0.07, 0.13)
    distance = fields.sdf_circle(x - sun_x, y - sun_y, 0.0)
    sky = sky_gradient(stops, y, horizon, width=width)
    warm = stops[:, 0]
    sky = sky * (0.75 + 0.45 * fields.glow(distance, 0.9)).unsqueeze(1)
    sky = sky + palettes.paint_flat(warm, 0.5 * fields.glow(distance, radius * 2.6))
    alpha, lit = clouds(
        generator,
        x,
        y,
        horizon,
        cover=fields.knob(values["clouds"], 0.08, 0.8),
        light=(sun_x, sun_y),
    )
    near = fields.glow(distance, 1.0)
    dark = palettes.tint(palettes.shade(stops[:, 3], light=0.82))
    bright = palettes.tint(stops[:, 1]) * (0.5 + 1.3 * near).unsqueeze(1)
    cloud = fields.mix(dark, bright, (lit * (0.35 + 0.65 * near)).unsqueeze(1))
    sky = fields.over(sky, cloud, alpha * 0.92)
    disc = fields.fill(distance - radius, 0.015) * (1.0 - 0.55 * alpha)
    sky = fields.over(sky, palettes.tint(palettes.shade(warm, light=1.12)) * 2.2, disc)
    rough = fields.knob(values["sea"], 0.0, 1.0)
    body = palettes.shade(stops[:, 4], light=0.62)
    picture, slope = surface(generator, sky, x, y, horizon, roughness=rough, body=body)
    road = glitter(x, y, horizon, sun_x, slope, spread=0.5 + rough)
    picture = picture + palettes.paint_flat(warm, road * 0.9)
    return palettes.finish(picture, shine=0.35)


SEAS = palettes.palette_table(
    (  # deep water, body, light through a crest, foam, sky at the horizon, mid sky, zenith
        ("#06263f", "#0f5c86", "#3cc8b4", "#f2fbfb", "#e6f2f8", "#9ccdf0", "#3a8ad8"),
        ("#04302f", "#0c7a72", "#6ce8b0", "#f4fff8", "#fdf2d8", "#a8dcd4", "#3f9cb8"),
        ("#0c1430", "#23407a", "#7a8ae0", "#dfe6ff", "#b8c4e8", "#6078b8", "#202c60"),
        ("#2a0f28", "#7a2f58", "#ffa06a", "#ffe8d0", "#ffd08a", "#f08a6a", "#6a4080"),
        ("#141a20", "#3f5058", "#8aa8a4", "#e8eeee", "#c8ced0", "#8a949a", "#4a545c"),
    )
)
SEA_WORDS = (
    ("blue", "deep blue"),
    ("teal", "turquoise"),
    ("violet", "dark blue"),
    ("orange", "golden"),
    ("grey", "stormy"),
)


_SEA_EYE = 1.7  # height of the eye over the mean water, world units


def paint_waves(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Open sea from just above the water, swell with light in the crests and foam."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    stops = palettes.pick(SEAS, values["colour"])
    horizon = fields.knob(values["viewpoint"], 0.05, 0.4)
    swell = fields.knob(values["size"], 0.1, 0.55)
    rough = fields.knob(values["wind"], 0.1, 0.6)
    tiles = [
        fields.texture(generator, batch, 256, cells=count, octaves=3, gain=0.45)
        for count in (5, 9)
    ]

    def ground(right: Tensor, away: Tensor) -> Tensor:
        u, v = right * 0.042, away * 0.105
        bend = fields.sample(tiles[1], u, v * 0.6)
        wave = fields.sample(tiles[0], u + 0.03 * bend, v + 0.04 * bend)
        chop = fields.sample(tiles[1], u * 2.0 + 0.3, v * 1.7)
        crest = (1.0 - 1.5 * fields.soft_abs(wave, 0.1)).clamp(min=-0.8)
        small = (1.0 - 1.5 * fields.soft_abs(chop, 0.1)).clamp(min=-0.8)
        return swell * (crest + (0.2 + 0.5 * rough) * small)

    sea = terrain(
        ground, x, y, horizon=horizon, camera=_SEA_EYE, near=0.9, far=28.0, steps=260, zoom=1.35
    )
    sun_x = fields.uniform(generator, batch, -0.5, 0.5) * (width / height)
    colour = _sea_colours(sea, tiles, stops, swell, rough, sun_x)
    sky = sky_gradient(stops[:, 4:], y, horizon, width=width)
    alpha, lit = clouds(
        generator,
        x,
        y,
        horizon - 0.05,
        cover=fields.uniform(generator, batch, 0.2, 0.8),
        light=(sun_x, horizon + 0.5),
    )
    cloud = fields.mix(
        palettes.tint(stops[:, 5]) * 0.75, palettes.tint(stops[:, 4]) * 1.05, lit.unsqueeze(1)
    )
    sky = fields.over(sky, cloud, alpha * 0.85)
    return palettes.finish(fields.over(sky, sea.show(colour), sea.mask), shine=0.2)


def _sea_colours(
    sea: Terrain, tiles: list[Tensor], stops: Tensor, swell: Tensor, rough: Tensor, sun_x: Tensor
) -> Tensor:
    """Colours `(b, 3, z, w)` of water: sky mirrored as Fresnel says, light in crests, foam."""
    calm_far = torch.exp(-0.10 * sea.away)
    first = fields.sample(tiles[1], sea.right * 0.13, sea.away * 0.26)
    second = fields.sample(tiles[1], sea.right * 0.3 + 0.4, sea.away * 0.6 + 0.2)
    ripple = (0.6 * first + 0.6 * second) * (0.2 + 0.35 * rough) * calm_far
    slope_x, slope_z = sea.slope_right + 0.6 * ripple, sea.slope_away + ripple
    steep = torch.sqrt(1.0 + slope_x**2 + slope_z**2)
    view = (-sea.right, _SEA_EYE - sea.high, -sea.away + 0.0 * sea.high)
    length = torch.sqrt(view[0] ** 2 + view[1] ** 2 + view[2] ** 2)
    facing = (-slope_x * view[0] + view[1] - slope_z * view[2]) / (steep * length)
    facing = facing.clamp(0.0, 1.0)
    mirror = 0.04 + 0.90 * (1.0 - facing) ** 4
    rise = 2.0 * facing / steep - view[1] / length
    sky = palettes.ramp(stops[:, 4:], (0.10 + 0.95 * rise).clamp(0.0, 1.0))
    lifted = (sea.high / swell.clamp(min=0.05)).clamp(-1.0, 1.4)
    glow = fields.smoothstep(0.25, 1.25, lifted) * (0.35 + 1.4 * slope_z.clamp(min=0.0))
    depth = (0.18 + 0.22 * lifted + 0.55 * glow + 0.25 * ripple).clamp(0.0, 1.0)
    colour = fields.over(palettes.ramp(stops[:, :3], depth), sky, mirror)
    lace = 1.0 - (1.9 * fields.sample(tiles[0], sea.right * 0.13, sea.away * 0.17)).abs()
    fine = 1.0 - (1.6 * fields.sample(tiles[1], sea.right * 0.15, sea.away * 0.23 + 0.7)).abs()
    crest = fields.smoothstep(0.55, 1.15, lifted) + 0.35 * rough
    foam = fields.smoothstep(1.05, 1.4, crest * (0.75 + 0.9 * rough) + 0.42 * lace + 0.25 * fine)
    foam = foam * (0.25 + 0.65 * fields.smoothstep(1.5, 5.0, sea.away))
    shade = 0.55 + 0.5 * sea.lambert((-0.5, 0.8, -0.3))
    colour = fields.over(colour, palettes.paint_flat(stops[:, 3], shade), foam)
    toward = sea.right * 1.35 / sea.away - sun_x
    sparkle = fields.smoothstep(0.55, 0.95, facing * 0.0 + 1.0 - 2.2 * (rise - 0.25).abs())
    road = torch.exp(-((toward / 0.22) ** 2)) * sparkle
    colour = colour + palettes.paint_flat(stops[:, 4], 0.7 * road)
    fade = (1.0 - torch.exp(-0.03 * sea.away)) * 0.8
    return fields.over(colour, palettes.tint(stops[:, 4] * 0.5 + stops[:, 5] * 0.5), fade)


MOONS = palettes.palette_table(
    (  # moon, glow, sky at the horizon, mid sky, zenith
        ("#f6f4ea", "#a8c4f0", "#3a5a8c", "#16284e", "#060c20"),
        ("#ffdf9a", "#f0a850", "#6a4a4a", "#2a2444", "#0a0a1e"),
        ("#ff7a5a", "#d03a2a", "#5a2030", "#260f28", "#0a0512"),
        ("#cfe4ff", "#4a90f0", "#1f4a90", "#0f2460", "#040a28"),
        ("#e8d0ff", "#a060e8", "#4a2f80", "#22165a", "#0a0626"),
    )
)
MOON_WORDS = (
    ("white", "pale"),
    ("golden", "yellow"),
    ("red", "blood red"),
    ("blue", "deep blue"),
    ("violet", "purple"),
)


def moon_disc(
    generator: torch.Generator, x: Tensor, y: Tensor, radius: Tensor, colour: Tensor
) -> tuple[Tensor, Tensor]:
    """A full moon about the origin: its picture with the dark seas, and its opacity."""
    batch = colour.shape[0]
    tile = fields.texture(generator, batch, 128, cells=5, octaves=4, gain=0.5)
    u, v = x / radius * 0.17, y / radius * 0.17
    seas = fields.smoothstep(0.0, 0.6, fields.sample(tile, u, v) + 0.1)
    distance = fields.sdf_circle(x, y, 0.0) / radius
    limb = torch.sqrt((1.0 - distance * distance).clamp(min=0.0))
    tone = (0.75 + 0.35 * limb) * (1.0 - 0.38 * seas)
    return palettes.paint_flat(colour, tone), fields.fill((distance - 1.0) * radius, 0.01)


def paint_moon(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """A full moon over water, clouds with silver edges, its road on the waves."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    stops = palettes.pick(MOONS, values["colour"])
    horizon = fields.uniform(generator, batch, -0.5, -0.2)
    radius = fields.knob(values["size"], 0.11, 0.36)
    moon_x = fields.knob(values["position"], -0.55, 0.55) * aspect
    moon_y = horizon + radius + fields.uniform(generator, batch, 0.12, 0.6)
    moon_y = torch.minimum(moon_y, 0.92 - radius)
    aside, up = x - moon_x, y - moon_y
    distance = fields.sdf_circle(aside, up, 0.0)
    sky = sky_gradient(stops[:, 2:], y, horizon, width=width)
    sky = sky + fields.stars(generator, batch, x, y, count=80) * 0.7
    halo = fields.glow((distance - radius).clamp(min=0.0), 0.28)
    disc, alpha_disc = moon_disc(generator, aside, up, radius, stops[:, 0])
    sky = sky + palettes.paint_flat(stops[:, 1], 0.5 * halo)
    sky = fields.over(sky, disc * 1.6, alpha_disc)
    alpha, lit = clouds(
        generator,
        x,
        y,
        horizon,
        cover=fields.knob(values["clouds"], 0.05, 0.75),
        light=(moon_x, moon_y),
        softness=0.7,
    )
    near = fields.glow(distance, 0.7)
    cloud = palettes.tint(stops[:, 3]) * 0.6 + palettes.paint_flat(
        stops[:, 1], lit * (0.12 + 1.1 * near)
    )
    sky = fields.over(sky, cloud, alpha * 0.85)
    hills = (
        horizon + 0.02 + 0.09 * (0.4 + fields.profile(generator, batch, x, cells=0.8, octaves=5))
    )
    sky = fields.over(sky, palettes.tint(stops[:, 4]) * 1.2, fields.fill(y - hills, 0.01))
    rough = fields.knob(values["sea"], 0.05, 1.0)
    picture, slope = surface(
        generator, sky, x, y, horizon, roughness=rough, body=stops[:, 4] * 1.2
    )
    road = glitter(x, y, horizon, moon_x, slope, spread=0.35 + 0.9 * rough + radius)
    picture = picture + palettes.paint_flat(stops[:, 0] * 0.5 + stops[:, 1] * 0.5, 0.8 * road)
    return palettes.finish(picture, shine=0.5)


SCENES_WATER: tuple[Scene, ...] = (
    Scene(
        "sunset",
        (
            "a sunset over the sea",
            "the sun setting over the ocean",
            "dusk at the shore",
            "sunset at the beach",
            "evening sun over the water",
            "a seaside sunset",
        ),
        (
            Attribute("colour", SUNSET_WORDS, natural=("golden", "orange")),
            Attribute("height", (("with the sun at the horizon",), (), ("with the sun high",))),
            Attribute("position", (("on the left",), (), ("on the right",))),
            Attribute("clouds", (("clear", "cloudless"), (), ("cloudy", "with many clouds"))),
            Attribute("sea", (("calm", "still"), (), ("rough", "choppy"))),
        ),
        paint_sunset,
    ),
    Scene(
        "waves",
        (
            "ocean waves",
            "waves on the open sea",
            "the ocean",
            "rolling waves",
            "a swell at sea",
            "sea waves",
        ),
        (
            Attribute("colour", SEA_WORDS, natural=("blue", "teal")),
            Attribute("size", (("calm", "gentle"), (), ("high", "huge"))),
            Attribute("wind", (("smooth",), (), ("foaming", "rough"))),
            Attribute("viewpoint", ((), (), ("from above", "seen from above"))),
        ),
        paint_waves,
    ),
    Scene(
        "moon",
        (
            "the moon over the water",
            "a full moon over the sea",
            "moonlight on the water",
            "a moonlit sea",
            "moonrise over the lake",
        ),
        (
            Attribute("colour", MOON_WORDS, natural=("white", "blue")),
            Attribute("size", (("small",), (), ("huge", "big"))),
            Attribute("position", (("on the left",), (), ("on the right",))),
            Attribute("clouds", (("clear", "cloudless"), (), ("cloudy",))),
            Attribute("sea", (("calm", "still"), (), ("rough",))),
        ),
        paint_moon,
    ),
)
