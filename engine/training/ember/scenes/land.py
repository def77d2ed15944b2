"""Land: snowy mountains, dunes, river valleys, canyons, seas of clouds."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import clouds, sky_gradient
from engine.training.ember.scenes.terrain import Ground, Terrain, terrain
from engine.training.ember.scenes.water import surface

DAYLIGHTS = palettes.palette_table(
    (  # horizon, mid sky, zenith, sunlight, shadow
        ("#ffd9c0", "#f2a3b4", "#7d78b8", "#ffc9a0", "#4d4f8a"),
        ("#e6f1fa", "#86bfec", "#2a6cc2", "#fff6e6", "#54719f"),
        ("#ffe2a0", "#f7a860", "#6a6aa0", "#ffc070", "#5a4a78"),
        ("#9fb6e8", "#4a63b0", "#131c4a", "#b9cbff", "#1f2a5c"),
    )
)
DAYLIGHT_WORDS = (
    ("at dawn", "in the morning", "at sunrise"),
    ("at noon", "on a bright day", "in daylight"),
    ("at sunset", "in the evening", "at dusk"),
    ("at night", "in moonlight"),
)


def haze(
    ground: Terrain, colour: Tensor, haze_colour: Tensor, thickness: Tensor, *, low: float = 0.0
) -> Tensor:
    """Fade ground colours `(b, 3, z, w)` into the air with distance, and more in the valleys."""
    fog = ground.away * thickness
    if low > 0.0:
        fog = fog * (1.0 + low * torch.exp(-3.0 * ground.high.clamp(min=-0.3)))
    return fields.over(colour, palettes.tint(haze_colour), 1.0 - torch.exp(-fog))


def pines(
    generator: torch.Generator, x: Tensor, y: Tensor, base: Tensor, *, size: Tensor, batch: int
) -> Tensor:
    """Silhouettes of conifers standing on the line `base` `(b, 1, w)`: opacity `(b, h, w)`."""
    opacity = fields.fill(y - base, 0.012)
    for layer in range(2):
        pitch = size * (0.34 + 0.1 * layer)
        place = x / pitch + fields.uniform(generator, batch, 0.0, 9.0)
        cell = torch.floor(place)
        table = fields.draw(generator, batch, 1, 64)
        index = torch.remainder(cell, 64.0).long()
        tall = (0.45 + 0.75 * fields.lookup(table, index)[:, 0]) * size
        shift = (fields.lookup(table, (index + 17) % 64)[:, 0] - 0.5) * 0.4
        aside = (place - cell - 0.5 - shift).abs() * pitch
        down = base + tall - y
        boughs = torch.remainder(down / (0.16 * size), 1.0)
        half = (0.03 * size + 0.26 * down * (0.62 + 0.38 * boughs)).clamp(max=0.34 * size)
        opacity = torch.maximum(
            opacity, fields.fill(aside - half, 0.012) * fields.smoothstep(0.0, 0.02, down)
        )
    return opacity


def peaks(generator: torch.Generator, batch: int, tall: Tensor) -> Ground:
    """A range of nine pointed peaks with ridges, standing behind a lake; `tall` `(b, 1, 1)`."""
    tiles = [
        fields.texture(generator, batch, 256, cells=count, octaves=octaves, gain=0.5)
        for count, octaves in ((5, 4), (8, 3))
    ]
    spots = fields.draw(generator, batch, 9, 4)

    def ground(right: Tensor, away: Tensor) -> Tensor:
        u, v = right * 0.065, away * 0.065
        bend = fields.sample(tiles[1], u * 0.8, v * 0.8)
        spurs = 0.45 - fields.soft_abs(fields.sample(tiles[0], u + 0.03 * bend, v), 0.04)
        fine = 0.4 - fields.soft_abs(fields.sample(tiles[1], u * 1.9 + 0.02 * bend, v * 1.9), 0.05)
        total = torch.full_like(spurs, -0.3)
        for index in range(9):
            own = spots[:, index].view(-1, 4, 1, 1)
            aside = right - (index - 4.0) * 1.7 - 1.6 * (own[:, 0] - 0.5)
            deep = away - 8.2 - 4.5 * own[:, 1]
            peak = tall * (0.5 + 0.4 * own[:, 2] + (0.35 if index in (3, 5) else 0.0))
            girth = 1.8 + 1.4 * own[:, 3]
            reach = torch.sqrt(aside**2 + 0.7 * deep**2 + 0.002) * (1.0 + 0.25 * bend)
            total = torch.maximum(total, peak * (1.0 - reach / girth))
        flank = (total / tall).clamp(0.0, 1.0)
        relief = (0.8 * spurs + 0.4 * fine) * (0.3 + 1.6 * flank * (1.15 - flank))
        return total + 0.6 * tall * relief - 0.1

    return ground


def snow_and_rock(scene: Terrain, light: Tensor, snow_line: Tensor, rise: Tensor) -> Tensor:
    """Colours `(b, 3, z, w)` of rock with snow above a height where it is not too steep.

    `light` is a row of `DAYLIGHTS`; the sun stands at the left, its rays sinking `rise` per unit.
    """
    lit = scene.lambert((-1.0, rise * 1.5, -0.5)) * (
        0.12 + 0.88 * scene.shadow(rise, softness=0.15)
    )
    steep = torch.sqrt(scene.slope_right**2 + scene.slope_away**2)
    cover = fields.smoothstep(-0.35, 0.35, scene.high - snow_line)
    cover = cover * fields.smoothstep(2.3, 1.35, steep)
    rock = palettes.rgb("#4d4b55").to(lit.device)
    snow = palettes.rgb("#f6f8fb").to(lit.device)
    albedo = palettes.tint(rock) + palettes.tint(snow - rock) * cover.unsqueeze(1)
    return albedo * (
        palettes.paint_flat(light[:, 3], 2.6 * lit) + palettes.tint(light[:, 4]) * 0.8
    )


def paint_mountains(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Snow-covered peaks over a still lake, with fog in the valleys and pines in front."""
    batch = values["time"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    light = palettes.pick(DAYLIGHTS, values["time"])
    horizon = fields.uniform(generator, batch, -0.45, -0.3)
    tall = fields.knob(values["height"], 1.9, 4.2)
    ground = peaks(generator, batch, tall)
    scene = terrain(
        ground, x, y, horizon=horizon, camera=0.35, near=3.5, far=24.0, steps=200, zoom=2.2
    )
    rise = fields.uniform(generator, batch, 0.3, 0.6)
    snow_line = fields.knob(values["snow"], 1.0, -0.4) * tall * 0.6
    colour = snow_and_rock(scene, light, snow_line, rise)
    air = light[:, 0] * 0.45 + light[:, 1] * 0.25 + light[:, 4] * 0.4
    colour = haze(
        scene,
        colour,
        palettes.shade(air, light=0.98),
        fields.knob(values["fog"], 0.002, 0.05),
        low=2.0,
    )
    sky = _day_sky(generator, light, x, y, horizon)
    picture = fields.over(sky, scene.show(colour), scene.mask)
    shore = horizon + fields.uniform(generator, batch, -0.08, 0.0)
    rough = fields.uniform(generator, batch, 0.02, 0.25)
    body = palettes.shade(light[:, 4], light=0.45)
    picture, _ = surface(generator, picture, x, y, shore, roughness=rough, body=body)
    lean = fields.uniform(generator, batch, -0.5, 0.5)
    line = -0.98 + lean * x + 0.08 * fields.profile(generator, batch, x, cells=1.5, octaves=4)
    size = fields.uniform(generator, batch, 0.28, 0.5)
    trees = pines(generator, x, y, line, size=size, batch=batch)
    dark = palettes.shade(light[:, 4], light=0.36, vivid=0.8)
    picture = fields.over(picture, palettes.tint(dark), trees)
    return palettes.finish(picture, shine=0.15)


def _day_sky(
    generator: torch.Generator, light: Tensor, x: Tensor, y: Tensor, horizon: Tensor
) -> Tensor:
    """A sky of one of the `DAYLIGHTS` with some clouds lit from the left."""
    sky = sky_gradient(light[:, :3], y, horizon, width=x.shape[-1])
    alpha, bright = clouds(
        generator,
        x,
        y,
        horizon - 0.1,
        cover=fields.uniform(generator, light.shape[0], 0.05, 0.5),
        light=(torch.full_like(horizon, -1.5), horizon + 1.0),
        scale=0.7,
    )
    cloud = fields.mix(
        palettes.tint(light[:, 4]), palettes.tint(light[:, 3]) * 1.1, bright.unsqueeze(1)
    )
    return fields.over(sky, cloud, alpha * 0.8)


SANDS = palettes.palette_table(
    (  # sand in light, sand in shadow, sky at the horizon, mid sky, zenith
        ("#f2b661", "#8a4a32", "#ffe6b8", "#9cc9e0", "#2e78b8"),
        ("#f07a35", "#6e2430", "#ffd08a", "#f08a50", "#7a4a78"),
        ("#e8899a", "#6a3a72", "#ffd8c8", "#e29ac0", "#6a62b0"),
        ("#d5483a", "#4c1430", "#ffb27a", "#d85a50", "#4a2050"),
        ("#7d94d8", "#1a2050", "#8ea4e0", "#33479a", "#0c1238"),
    )
)
SAND_WORDS = (
    ("golden", "gold"),
    ("orange", "amber"),
    ("pink", "rose"),
    ("red", "crimson"),
    ("blue", "moonlit"),
)


def paint_dunes(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Sand dunes in low light with long shadows."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    sand = palettes.pick(SANDS, values["colour"])
    horizon = fields.knob(values["viewpoint"], 0.0, 0.35)
    size = fields.knob(values["size"], 1.5, 0.7)
    tiles = [
        fields.texture(generator, batch, 256, cells=4, octaves=octaves, gain=0.35)
        for octaves in (2, 2)
    ]

    def ground(right: Tensor, away: Tensor) -> Tensor:
        u, v = right * 0.035 * size, away * 0.06 * size
        bend = fields.sample(tiles[1], u * 0.8, v * 0.8)
        first = 1.0 - 1.5 * fields.soft_abs(
            fields.sample(tiles[0], u + 0.06 * bend, v + 0.03 * bend)
        )
        second = 1.0 - 1.5 * fields.soft_abs(
            fields.sample(tiles[1], u * 1.7 + 0.3, v * 1.7 + 0.02 * bend)
        )
        dune = (0.95 * first.clamp(min=-0.6) + 0.4 * second.clamp(min=-0.6)) / size
        return dune * fields.smoothstep(0.2, 5.0, away)

    scene = terrain(
        ground, x, y, horizon=horizon, camera=1.9, near=1.0, far=30.0, steps=240, zoom=1.6
    )
    rise = fields.uniform(generator, batch, 0.22, 0.5)
    lit = scene.lambert((-1.0, rise * 0.85, 0.25)) * scene.shadow(rise * 0.9, softness=0.05)
    ripple = torch.sin(scene.away * 9.0 + 1.5 * scene.right + 6.0 * scene.high) * torch.exp(
        -0.28 * scene.away
    )
    lit = (lit * (1.0 + 0.22 * ripple)).clamp(min=0.0)
    shine = palettes.tint(sand[:, 0]) * (1.9 * lit).unsqueeze(1)
    colour = shine + palettes.tint(sand[:, 1]) * (0.5 + 0.1 * ripple).unsqueeze(1)
    colour = haze(scene, colour, sand[:, 2], fields.knob(values["haze"], 0.004, 0.06))
    sky = sky_gradient(sand[:, 2:], y, horizon, width=width)
    sun_x = fields.uniform(generator, batch, -0.75, -0.2) * (width / height)
    sun_y = horizon + fields.uniform(generator, batch, 0.25, 0.5)
    far_off = fields.sdf_circle(x - sun_x, y - sun_y, 0.0)
    sky = sky + palettes.paint_flat(sand[:, 2], 0.5 * fields.glow(far_off, 0.3))
    disc = fields.fill(far_off - 0.075, 0.012)
    sky = fields.over(sky, palettes.tint(palettes.shade(sand[:, 2], light=1.1)) * 1.8, disc)
    picture = fields.over(sky, scene.show(colour), scene.mask)
    return palettes.finish(picture, shine=0.2)


def _cloud_ground(generator: torch.Generator, puff: Tensor, many: Tensor) -> tuple[Ground, Ground]:
    """Tops of the clouds, `puff` high, and up to five peaks that may stand out of them."""
    batch = puff.shape[0]
    tile = fields.texture(generator, batch, 256, cells=4, octaves=5, gain=0.5)
    crags = fields.texture(generator, batch, 256, cells=5, octaves=4, gain=0.48)
    spots = fields.draw(generator, batch, 5, 4)
    spots = spots * torch.tensor((8.0, 7.0, 1.4, 1.6), device=puff.device)
    spots = spots + torch.tensor((-4.0, 5.0, 1.0, 1.6), device=puff.device)

    def mist(right: Tensor, away: Tensor) -> Tensor:
        billow = fields.soft_abs(fields.sample(tile, right * 0.055, away * 0.055), 0.05)
        fine = fields.soft_abs(fields.sample(tile, right * 0.16 + 0.4, away * 0.16), 0.05)
        return puff * (1.2 * billow + 0.35 * fine) * fields.smoothstep(0.0, 3.0, away)

    def rock(right: Tensor, away: Tensor) -> Tensor:
        rough = 0.5 - fields.soft_abs(fields.sample(crags, right * 0.05, away * 0.05), 0.05)
        total = torch.full_like(rough, -1.0)
        for index in range(5):
            aside, deep, tall, girth = (spots[:, index, part].view(-1, 1, 1) for part in range(4))
            reach = torch.sqrt((right - aside) ** 2 + 0.6 * (away - deep) ** 2 + 0.02)
            cone = tall * (1.0 - reach / girth) * (1.0 + 0.5 * rough) + 0.45 * rough
            total = torch.maximum(total, cone - 3.0 * (index > many).float())
        return total

    return mist, rock


def paint_cloud_sea(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """A sea of clouds seen from above at dawn, peaks standing out of it."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    stops = palettes.pick(DAWNS, values["colour"])
    horizon = fields.knob(values["viewpoint"], -0.1, 0.35)
    puff = fields.knob(values["waves"], 0.3, 0.85)
    mist, rock = _cloud_ground(generator, puff, fields.knob(values["peaks"], -0.8, 5.0))
    sun_x = fields.uniform(generator, batch, -0.6, 0.6) * (width / height)
    sun_y = horizon + fields.uniform(generator, batch, 0.08, 0.32)
    distance = fields.sdf_circle(x - sun_x, y - sun_y, 0.0)
    sky = sky_gradient(stops[:, :3], y, horizon, width=width)
    sky = sky + palettes.paint_flat(
        stops[:, 0], 0.45 * fields.glow(distance, 0.35) + 2.5 * fields.fill(distance - 0.065, 0.02)
    )
    scene = terrain(
        lambda right, away: torch.maximum(mist(right, away), rock(right, away)),
        x,
        y,
        horizon=horizon,
        camera=2.0,
        near=1.0,
        far=30.0,
        steps=240,
        zoom=1.6,
    )
    stone = fields.smoothstep(
        -0.1, 0.12, rock(scene.right, scene.away) - mist(scene.right, scene.away)
    )
    lit = scene.lambert((sun_x * 1.2, 0.4, 0.9))
    hollow = fields.smoothstep(0.0, 0.9, scene.high / puff)
    tone = (0.1 + 0.62 * lit + 0.5 * hollow).clamp(0.0, 1.0)
    colour = palettes.ramp(stops[:, 3:], tone)
    crag = palettes.tint(stops[:, 3]) * (0.10 + 0.75 * lit).unsqueeze(1)
    colour = fields.over(colour, crag, stone)
    colour = haze(scene, colour, stops[:, 0], torch.full_like(horizon, 0.035))
    return palettes.finish(fields.over(sky, scene.show(colour), scene.mask), shine=0.3)


DAWNS = palettes.palette_table(
    (  # horizon, mid sky, zenith, cloud in shadow, cloud in light
        ("#ffe2a4", "#f4a878", "#5f7ab8", "#8a7aa6", "#ffd9a8"),
        ("#ffd0bc", "#f08fae", "#6a62b4", "#7d6cae", "#ffc4c8"),
        ("#ffb070", "#e0503f", "#4a2a60", "#6a3a66", "#ff9f70"),
        ("#eaf4ff", "#84bcee", "#2862b4", "#8fa9d0", "#ffffff"),
        ("#d8b8f4", "#8a64d0", "#281f66", "#4a3f90", "#cdb0f4"),
    )
)
DAWN_WORDS = (
    ("golden", "gold"),
    ("pink", "rose"),
    ("red", "crimson"),
    ("blue", "white"),
    ("violet", "purple"),
)

SCENES_LAND: tuple[Scene, ...] = (
    Scene(
        "mountains",
        (
            "snowy mountains",
            "a mountain range",
            "mountains by a lake",
            "snow-capped peaks",
            "alpine peaks behind pine trees",
            "high mountains above a lake",
        ),
        (
            Attribute("time", DAYLIGHT_WORDS),
            Attribute("height", (("low",), (), ("high", "towering"))),
            Attribute("snow", (("rocky", "bare"), (), ("in deep snow", "white"))),
            Attribute("fog", (("clear",), (), ("foggy", "misty"))),
        ),
        paint_mountains,
    ),
    Scene(
        "dunes",
        ("desert dunes", "sand dunes", "a desert", "dunes in the desert", "a sea of sand"),
        (
            Attribute("colour", SAND_WORDS, natural=("golden", "orange")),
            Attribute("size", (("small", "low"), (), ("huge", "high"))),
            Attribute("viewpoint", ((), (), ("from above", "seen from above"))),
            Attribute("haze", (("clear",), (), ("hazy", "dusty"))),
        ),
        paint_dunes,
    ),
    Scene(
        "cloud_sea",
        (
            "a sea of clouds",
            "above the clouds",
            "clouds seen from above",
            "a blanket of clouds at dawn",
            "sunrise above the clouds",
        ),
        (
            Attribute("colour", DAWN_WORDS, natural=("golden", "pink")),
            Attribute("viewpoint", ((), (), ())),
            Attribute("waves", (("smooth", "calm"), (), ("billowing", "rolling"))),
            Attribute(
                "peaks", (("endless",), (), ("with mountain peaks", "with islands of rock"))
            ),
        ),
        paint_cloud_sea,
    ),
)
