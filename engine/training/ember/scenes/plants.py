"""Plants: misty forest, flower, tree on a hill, flower meadow."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.city import discs
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import clouds, sky_gradient

FORESTS = palettes.palette_table(
    (  # mist in the light, mist, foliage, trunk
        ("#e8f4c8", "#7fae78", "#2a5a2c", "#0e1c12"),
        ("#fff0c0", "#e0a860", "#a0541c", "#24140c"),
        ("#ffe0b0", "#e0785a", "#9a2c24", "#260c10"),
        ("#c8e0ff", "#5f86b8", "#1d3f66", "#081426"),
        ("#f0d8ff", "#9a7cc4", "#4a2f7a", "#150c2a"),
    )
)
FOREST_WORDS = (
    ("green", "summer"),
    ("golden", "autumn"),
    ("red", "crimson"),
    ("blue", "moonlit"),
    ("violet", "purple"),
)


def paint_forest(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Tall trunks in fog, light falling between them."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    stops = palettes.pick(FORESTS, values["colour"])
    sun_x = fields.uniform(generator, batch, -0.5, 0.5) * aspect
    sun_y = fields.uniform(generator, batch, 0.2, 0.7)
    distance = fields.sdf_circle((x - sun_x) * 0.9, y - sun_y, 0.0)
    shine = fields.glow(distance, 0.75)
    deep = fields.mix(
        palettes.tint(stops[:, 1]) * 0.55, palettes.tint(stops[:, 0]), shine.unsqueeze(1)
    )
    picture = deep
    ground = fields.uniform(generator, batch, -0.55, -0.35)
    fog = fields.knob(values["fog"], 0.45, 1.1)
    packed = fields.knob(values["density"], 0.7, 1.5)
    layers = 5
    canopy = fields.texture(generator, batch, 256, cells=9, octaves=4, gain=0.55)
    for layer in range(layers):
        near = (layer + 1.0) / layers
        veil = (1.0 - near) ** 0.9 * fog
        colour = _veiled(stops, deep, veil)
        size = 0.035 + 0.15 * near**2.2
        mask = _trunks(generator, x, y, size / packed, size * 0.42, batch)
        line = (
            ground
            - 0.55 * (near - 0.2) * 0.8
            + 0.04 * fields.profile(generator, batch, x, cells=1.5)
        )
        mask = torch.maximum(mask, fields.fill(y - line, 0.03))
        leaves = fields.sample(
            canopy, x * 0.22 / (0.4 + near) + 0.37 * layer, y * 0.22 / (0.4 + near)
        )
        crown = fields.smoothstep(0.05, 0.16, leaves + 1.3 * (y - 1.15 + 0.35 * near))
        floor = fields.smoothstep(0.05, 0.16, leaves * 0.35 - (y - line - 0.02))
        picture = fields.over(picture, colour, mask)
        green = fields.mix(colour, palettes.tint(stops[:, 2]), torch.tensor(0.55 * near))
        bright = (0.5 + 0.7 * (leaves + 0.4)).clamp(0.2, 1.4) * (1.0 - 0.45 * near)
        picture = fields.over(
            picture,
            green * bright.unsqueeze(1),
            torch.maximum(crown, floor) * (0.35 + 0.65 * near),
        )
        low = torch.exp(-(((y - line) / 0.22) ** 2)) * 0.5 * fog * (1.0 - 0.7 * near)
        picture = fields.over(picture, palettes.tint(stops[:, 1]) * 0.9 + 0.0 * picture, low)
    picture = picture + _beams(generator, stops, x, y, sun_x, sun_y, values["beams"])
    return palettes.finish(picture, shine=0.3, vignette=0.3)


def _veiled(stops: Tensor, deep: Tensor, veil: Tensor) -> Tensor:
    """A trunk's colour seen through fog."""
    share = (1.0 - torch.exp(-2.2 * veil)).unsqueeze(1)
    return palettes.tint(stops[:, 3]) * (1.0 - share) + deep * (0.9 * share)


def _trunks(
    generator: torch.Generator, x: Tensor, y: Tensor, pitch: Tensor, thick: float, batch: int
) -> Tensor:
    """A row of slightly crooked trunks, widening at the root."""
    step = pitch * 3.2
    bow = 0.12 * fields.profile(generator, batch, y.transpose(1, 2), cells=0.6, octaves=3)
    bow = bow.transpose(1, 2) * thick * 6.0
    place = (x + bow) / step + fields.uniform(generator, batch, 0.0, 9.0)
    cell = torch.floor(place)
    table = fields.draw(generator, batch, 3, 64)
    own = fields.lookup(table, torch.remainder(cell, 64.0).long())
    lean = (own[:, 2] - 0.5) * 0.16
    aside = (place - cell - 0.5 - (own[:, 0] - 0.5) * 0.55) * step + lean * y
    half = thick * (0.3 + 0.5 * own[:, 1]) * (1.0 + 0.5 * torch.exp(-4.0 * (y + 0.8).clamp(min=0)))
    return fields.fill(aside.abs() - half * (1.05 - 0.15 * y), 0.01)


def _beams(
    generator: torch.Generator,
    stops: Tensor,
    x: Tensor,
    y: Tensor,
    sun_x: Tensor,
    sun_y: Tensor,
    amount: Tensor,
) -> Tensor:
    """Shafts of light that spread from the sun through the crowns."""
    batch = stops.shape[0]
    across, down = x - sun_x, sun_y + 0.6 - y
    angle = across / down.clamp(min=0.15)
    tile = fields.texture(generator, batch, 256, cells=12, octaves=2)
    rays = fields.sample(tile, angle * 0.12, angle * 0.0 + 0.02 * down)
    light = fields.smoothstep(0.0, 0.8, rays) * torch.exp(-1.2 * angle**2)
    light = light * fields.smoothstep(0.0, 0.5, down) * torch.exp(-0.6 * down)
    return palettes.paint_flat(stops[:, 0], light * fields.knob(amount, 0.0, 1.0))


_RINGS = 3  # rings of petals


def paint_flower(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """One flower close up before a blurred garden."""
    batch = values["hue"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    colour = palettes.hue(values["hue"])
    picture = _garden(generator, x, y, values["garden"])
    scale = fields.knob(values["size"], 0.5, 0.92) * min(1.0, aspect)
    fx = x - fields.uniform(generator, batch, -0.12, 0.12) * aspect
    fy = y - fields.uniform(generator, batch, -0.05, 0.15)
    picture = _stalk(picture, fx, fy)
    tilt = fields.uniform(generator, batch, 0.78, 1.0)
    spin = fields.uniform(generator, batch, 0.0, 6.28)
    radius, angle = fields.polar(fx / scale, fy / (scale * tilt))
    many = torch.round(fields.knob(values["petals"], 4.6, 15.4))
    pointed = fields.knob(values["shape"], 0.42, 1.5)
    tones = torch.stack(
        (
            palettes.shade(colour, light=0.55, vivid=1.0, turn=-0.25),
            colour,
            palettes.shade(colour, light=1.22, vivid=0.55),
        ),
        dim=1,
    )
    for ring in range(_RINGS):
        turned = angle + spin + math.pi * ring / many + 0.05 * torch.sin(3.0 * radius)
        slot = torch.remainder(turned * many / (2.0 * math.pi), 1.0) - 0.5
        petal, alpha, shadow = _petals(radius, angle, slot, many, pointed, scale, tones, ring)
        picture = picture * (1.0 - shadow * (1.0 - alpha)).unsqueeze(1)
        picture = fields.over(picture, petal, alpha)
    return palettes.finish(_heart(picture, radius, angle), shine=0.22, vignette=0.3)


def _stalk(picture: Tensor, fx: Tensor, fy: Tensor) -> Tensor:
    """Draw the stem below the flower's heart at the origin."""
    stem = (fx - 0.12 * torch.sin(1.6 * fy)).abs() - 0.026
    green = palettes.rgb("#2f6a2c").to(fx.device).expand(fx.shape[0], 3)
    stalk = palettes.paint_flat(green, 0.55 + 0.9 * fields.fill(stem + 0.02, 0.05))
    return fields.over(picture, stalk, fields.fill(stem, 0.01) * fields.fill(fy, 0.02))


def _petals(
    radius: Tensor,
    angle: Tensor,
    slot: Tensor,
    many: Tensor,
    pointed: Tensor,
    scale: Tensor,
    tones: Tensor,
    ring: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """One ring of petals: their picture, opacity and the shadow they cast.

    `slot` in [-0.5, 0.5] is the place across the nearest petal, `tones` `(b, 3, 3)` run from its
    root to its tip; ring 0 is the outermost.
    """
    reach = 1.0 - 0.22 * ring
    along = radius / reach
    lobe = (1.0 - along).clamp(min=0.0)
    bulk = (along.clamp(0.0, 1.0) ** 0.55) * lobe ** pointed.clamp(max=1.2) * 1.15
    half = (bulk * 0.78).clamp(max=0.56)
    edge = slot.abs() - half
    alpha = fields.fill(edge * radius * 2.0 * math.pi / many, 0.016 / scale)
    alpha = alpha * fields.fill(along - 1.0, 0.02)
    fold = (1.0 - (slot.abs() / half.clamp(min=0.02))).clamp(0.0, 1.0)
    across = slot / half.clamp(min=0.05)
    vein = 0.08 * torch.cos(across * 9.0) * along
    tone = 0.18 + 0.62 * along + 0.25 * fold + vein - 0.12 * (_RINGS - 1 - ring)
    light = 0.72 + 0.34 * across.clamp(-1.0, 1.0) * torch.cos(angle)
    if ring < _RINGS - 1:
        light = light * (1.0 - 0.42 * fields.smoothstep(reach - 0.16, reach - 0.3, radius))
    shadow = fields.fill(edge - 0.05, 0.3) * fields.fill(along - 1.03, 0.12) * 0.45
    petal = palettes.ramp(tones, tone.clamp(0.0, 1.0), (0.0, 0.62, 1.0))
    return petal * light.unsqueeze(1), alpha, shadow


def _heart(picture: Tensor, radius: Tensor, angle: Tensor) -> Tensor:
    """Draw the golden middle of a flower."""
    size = 0.2
    dome = (1.0 - (radius / size) ** 2).clamp(min=0.0)
    grain = torch.sin(radius * 60.0) * torch.sin(angle * 16.0 + radius * 50.0)
    seeds = palettes.palette_table((("#5a2a08", "#e08a14", "#ffe27a"),)).to(radius.device)
    centre = palettes.ramp(
        seeds.expand(radius.shape[0], -1, -1),
        (0.25 + 0.55 * dome + 0.16 * grain).clamp(0.0, 1.0),
    )
    return fields.over(picture, centre, fields.fill(radius - size, 0.03))


GARDENS = palettes.palette_table(
    (
        ("#0e2412", "#2c6a2e", "#a8d078"),
        ("#0c1a24", "#2a5a78", "#a8d8e8"),
        ("#241218", "#8a3a50", "#f0b8b0"),
        ("#070810", "#181c30", "#3a4468"),
    )
)
GARDEN_WORDS = (
    ("in a green garden", "in a meadow"),
    ("before a blue background",),
    ("before a pink background",),
    ("before a dark background", "in the dark"),
)


def _garden(generator: torch.Generator, x: Tensor, y: Tensor, which: Tensor) -> Tensor:
    """A background out of focus."""
    batch = which.shape[0]
    stops = palettes.pick(GARDENS, which)
    wide = fields.fbm(generator, batch, y.shape[1], x.shape[2], cells=1.6, octaves=2)
    picture = palettes.ramp(stops, 0.42 + 0.3 * wide + 0.18 * y)
    count = 14
    aspect = float(x.max())
    places = fields.draw(generator, batch, count, 2) * 2.0 - 1.0
    places[..., 0] *= aspect
    radius = 0.07 + 0.14 * fields.draw(generator, batch, count)
    light = stops[:, 2:] * (0.05 + 0.22 * fields.draw(generator, batch, count, 1))
    return picture + discs(x, y, places=places, radius=radius, light=light)


TREES = palettes.palette_table(
    (  # crown in light, crown, crown in shadow, hill, sky horizon, sky mid, zenith
        ("#ffdde8", "#f48fb4", "#a03a78", "#6a9a58", "#fff0e4", "#bcdcf4", "#5f9ce0"),
        ("#ffd070", "#f07a1c", "#8a2410", "#a8863c", "#ffe8c0", "#f4c890", "#7a9ac8"),
        ("#ff9a6a", "#d42a24", "#5c0a1c", "#8a6a3a", "#ffe0c0", "#f0a080", "#6a6aa8"),
        ("#c8f07a", "#4aa032", "#12482a", "#5a9a3c", "#f0faf0", "#9cd4f4", "#2f80d8"),
        ("#ffffff", "#c8dcf4", "#5a7ab0", "#e4eefa", "#f4f0f8", "#b8cdec", "#6a8cc8"),
        ("#fff08a", "#f4c41c", "#a06a08", "#94a03c", "#fff4d0", "#c8dcd8", "#5a94c0"),
    )
)
TREE_WORDS = (
    ("pink", "cherry blossom"),
    ("orange", "autumn"),
    ("red", "crimson"),
    ("green", "summer"),
    ("white", "winter"),
    ("yellow", "golden"),
)


def paint_tree(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """A single tree in blossom or in autumn leaves on a hill, petals in the wind."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    stops = palettes.pick(TREES, values["colour"])
    evening = fields.knob(values["time"], 0.0, 1.0)
    horizon = fields.uniform(generator, batch, -0.55, -0.4)
    sky = sky_gradient(stops[:, 4:], y, horizon, width=width)
    sun = (fields.uniform(generator, batch, -0.8, 0.8) * aspect, horizon + 0.6)
    alpha, lit = clouds(
        generator, x, y, horizon - 0.1, cover=fields.uniform(generator, batch, 0.1, 0.6), light=sun
    )
    cloud = fields.mix(
        palettes.tint(stops[:, 5]) * 0.8, palettes.tint(stops[:, 4]), lit.unsqueeze(1)
    )
    picture = fields.over(sky, cloud, alpha * 0.9)
    dusk = palettes.palette_table((("#ffb868", "#c05a78", "#2c2a68"),)).to(x.device)
    evening_sky = sky_gradient(dusk.expand(batch, -1, -1), y, horizon, width=width)
    picture = fields.mix(picture, picture * 0.25 + evening_sky * 0.8, 0.9 * evening.unsqueeze(1))
    far = horizon + 0.12 + 0.06 * fields.profile(generator, batch, x, cells=1.0, octaves=5)
    blue = (
        fields.mix(palettes.tint(stops[:, 5]), palettes.tint(stops[:, 3]), torch.tensor(0.45))
        * 0.7
    )
    picture = fields.over(
        picture, blue * (1.0 - 0.5 * evening).unsqueeze(1), fields.fill(y - far, 0.01)
    )
    root_x = fields.knob(values["position"], -0.45, 0.45) * aspect
    hill = horizon + 0.2 * torch.exp(-(((x - root_x) / 0.9) ** 2)) - 0.18
    light = 1.0 - 0.55 * evening
    tile = fields.texture(generator, batch, 256, cells=16, octaves=3)
    grass = fields.sample(tile, x * 0.25, (hill - y) * 0.9)
    slope = (0.75 + 0.3 * grass - 0.6 * (hill - y)).clamp(0.1, 1.2) * light
    picture = fields.over(
        picture, palettes.paint_flat(stops[:, 3], slope), fields.fill(y - hill, 0.01)
    )
    tall = fields.knob(values["size"], 0.75, 1.15)
    picture = tree_shape(generator, picture, x, y, (root_x, horizon, hill), tall, stops, light)
    falling = _falling(generator, x, y, batch)
    drift = palettes.tint(stops[:, :2].mean(dim=1) * 0.9) * light.unsqueeze(1)
    return palettes.finish(fields.over(picture, drift, falling), shine=0.2)


def _falling(generator: torch.Generator, x: Tensor, y: Tensor, batch: int) -> Tensor:
    """Opacity `(b, h, w)` of petals or leaves in the air."""
    petals = fields.draw(generator, batch, 34, 2) * 2.0 - 1.0
    petals[..., 0] *= float(x.max())
    radius = 0.006 + 0.008 * fields.draw(generator, batch, 34)
    shown = (fields.draw(generator, batch, 34) < 0.9).float().unsqueeze(-1)
    return (1.4 * fields.splats(x, y, petals, radius, shown).squeeze(1)).clamp(0.0, 1.0)


def tree_shape(
    generator: torch.Generator,
    picture: Tensor,
    x: Tensor,
    y: Tensor,
    foot: tuple[Tensor, Tensor, Tensor],
    tall: Tensor,
    stops: Tensor,
    light: Tensor,
) -> Tensor:
    """Trunk with boughs, then the crown.

    `foot` is where the tree stands, x and y, and the line of the ground.
    """
    root_x, root_y, ground = foot
    batch = tall.shape[0]
    bark = palettes.rgb("#2c1a16").to(x.device).expand(batch, 3)
    fork_x = root_x + fields.uniform(generator, batch, -0.06, 0.06)
    fork_y = root_y + 0.36 * tall
    wood = fields.sdf_segment(x, y, (root_x, root_y - 0.05), (fork_x, fork_y))
    wood = wood - 0.055 * tall * (1.0 + 0.8 * torch.exp(-8.0 * (y - root_y).clamp(min=0.0)))
    tips: list[tuple[Tensor, Tensor]] = []
    for bough in range(6):
        angle = (bough - 2.5) * 0.42 + fields.uniform(generator, batch, -0.15, 0.15)
        reach = tall * fields.uniform(generator, batch, 0.36, 0.58)
        tip = (fork_x + torch.sin(angle) * reach, fork_y + torch.cos(angle) * reach * 0.85)
        limb = fields.sdf_segment(x, y, (fork_x, fork_y - 0.04), tip) - 0.022 * tall
        wood = fields.smooth_minimum(wood, limb, 0.05)
        tips.append(tip)
    shade = (0.5 + 2.2 * (fork_x - x)).clamp(0.35, 1.2) * light
    stem = fields.fill(wood, 0.01) * fields.fill(ground - 0.03 - y, 0.03)
    picture = fields.over(picture, palettes.paint_flat(bark, shade), stem)
    return _crown(generator, picture, x, y, (root_x, root_y), tips, tall, stops, light)


def _crown(
    generator: torch.Generator,
    picture: Tensor,
    x: Tensor,
    y: Tensor,
    root: tuple[Tensor, Tensor],
    tips: list[tuple[Tensor, Tensor]],
    tall: Tensor,
    stops: Tensor,
    light: Tensor,
) -> Tensor:
    """Leaf clusters at the boughs' tips in three depths, each lit from the upper left."""
    spots, spread = _clusters(generator, tips, tall)
    tile = fields.texture(generator, tall.shape[0], 256, cells=20, octaves=2, gain=0.7)
    leaves = fields.sample(tile, x * 0.55 + 0.0 * y, y * 0.55 + 0.0 * x)
    middle_y = root[1] + 0.75 * tall
    for ring in range(3):  # clusters behind, between, in front
        own, size = spots[:, ring::3], spread[:, ring::3]
        ones = torch.ones_like(size).unsqueeze(-1)
        mass = fields.splats(x, y, own, size, ones).squeeze(1)
        shift = torch.tensor((0.035, -0.05), device=x.device)
        lower = fields.splats(x, y, own + shift, size, ones).squeeze(1)
        shifted = leaves.roll((17 * ring, 31 * ring), (1, 2))
        alpha = fields.smoothstep(0.55, 0.68, mass + 0.75 * shifted * (0.4 + mass).clamp(max=1.0))
        tone = 0.28 + 0.13 * ring + 0.6 * (mass - lower).clamp(-0.5, 0.5) + 0.42 * shifted
        tone = (tone + 0.35 * (y - middle_y) - 0.2 * (x - root[0])).clamp(0.0, 1.0)
        colour = palettes.ramp(stops[:, :3].flip(1), tone)
        picture = fields.over(picture, colour * (0.95 * light).unsqueeze(1), alpha)
    return picture


def _clusters(
    generator: torch.Generator, tips: list[tuple[Tensor, Tensor]], tall: Tensor
) -> tuple[Tensor, Tensor]:
    """Places `(b, n, 2)` and radii `(b, n)` of leaf clusters around the boughs' tips."""
    batch = tall.shape[0]
    places, sizes = [], []
    for tip_x, tip_y in tips:
        for _ in range(7):
            right = tip_x + fields.uniform(generator, batch, -0.2, 0.2) * tall
            up = tip_y + fields.uniform(generator, batch, -0.16, 0.17) * tall
            places.append(torch.cat((right, up), dim=-1))
            sizes.append(fields.uniform(generator, batch, 0.06, 0.105) * tall)
    return torch.cat(places, dim=1), torch.cat(sizes, dim=1).squeeze(-1)


SCENES_PLANTS: tuple[Scene, ...] = (
    Scene(
        "forest",
        (
            "a forest in fog",
            "a misty forest",
            "pine woods in the mist",
            "tall trees in a foggy forest",
            "light between the trees of a forest",
            "deep woods",
        ),
        (
            Attribute("colour", FOREST_WORDS, natural=("green",)),
            Attribute("fog", ((), (), ("dense fog", "very foggy"))),
            Attribute("density", (("open", "sparse"), (), ("dense", "thick"))),
            Attribute("beams", ((), (), ("with sunbeams", "with rays of light"))),
        ),
        paint_forest,
    ),
    Scene(
        "flower",
        (
            "a flower",
            "a blooming flower",
            "a flower in bloom",
            "a blossom close up",
            "petals of a flower",
        ),
        (
            Attribute("hue", palettes.HUE_WORDS, natural=("magenta", "pink")),
            Attribute("petals", (("with few petals",), (), ("with many petals",))),
            Attribute("shape", (("round",), (), ("pointed", "star shaped"))),
            Attribute("size", (("small",), (), ("big", "close up"))),
            Attribute("garden", GARDEN_WORDS),
        ),
        paint_flower,
    ),
    Scene(
        "tree",
        (
            "a tree on a hill",
            "a lonely tree",
            "a single tree in a field",
            "a big tree with falling leaves",
        ),
        (
            Attribute("colour", TREE_WORDS, natural=("pink",)),
            Attribute("time", (("in daylight", "at noon"), (), ("in the evening", "at dusk"))),
            Attribute("size", (("small",), (), ("big", "huge"))),
            Attribute("position", (("on the left",), (), ("on the right",))),
        ),
        paint_tree,
    ),
)
