"""Cities at night: a skyline over water, a rainy street behind a window."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.scene import Attribute, Scene, Values
from engine.training.ember.scenes.sky import sky_gradient
from engine.training.ember.scenes.water import surface

NIGHTS = palettes.palette_table(
    (  # glow at the horizon, mid sky, zenith, windows, neon
        ("#ff9a4a", "#8a3a5a", "#141238", "#ffd890", "#ff8a3a"),
        ("#f0508a", "#6a2a80", "#120b30", "#ffc8a0", "#ff3aa0"),
        ("#a060f0", "#40308a", "#0b0a2a", "#e8c8ff", "#b850ff"),
        ("#4a90f0", "#1f3a8a", "#060d2a", "#ffe8b8", "#3aa0ff"),
        ("#2ac8c0", "#12506a", "#04101c", "#d8fff0", "#20f0d0"),
    )
)
NIGHT_WORDS = (
    ("orange", "golden"),
    ("pink", "magenta"),
    ("violet", "purple"),
    ("blue", "deep blue"),
    ("teal", "turquoise"),
)


def buildings(
    generator: torch.Generator,
    x: Tensor,
    y: Tensor,
    *,
    ground: Tensor,
    tall: Tensor,
    wide: float,
    pane: float,
    lit: Tensor,
    batch: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """One row of towers: opacity, window light and a figure per tower, each `(b, h, w)`.

    `wide` is a tower's mean width, `pane` a window's; `lit` the share of lit windows.
    """
    count = 64
    widths = wide * (0.55 + 0.9 * fields.draw(generator, batch, count))
    right_edges = torch.cumsum(widths, dim=1) + float(x.min()) - 0.3
    index = torch.searchsorted(right_edges, x.flatten().expand(batch, -1).contiguous())
    index = index.clamp(max=count - 1)
    figures = fields.draw(generator, batch, 4, count)
    own = fields.lookup(figures, index.unsqueeze(1))  # (b, 4, 1, w)
    half = 0.5 * widths.gather(1, index).unsqueeze(1)
    middle = right_edges.gather(1, index).unsqueeze(1) - half
    aside = (x - middle).abs()
    rank, shape, label = own[:, 0], own[:, 1], own[:, 2]
    top = ground + tall * (0.35 + 0.65 * rank**1.7)
    step = fields.smoothstep(0.55, 0.6, shape) * fields.smoothstep(0.0, 0.01, aside - 0.6 * half)
    top = top - 0.12 * tall * step
    slant = fields.smoothstep(0.8, 0.81, shape) * (0.6 * (x - middle))
    spire = 0.22 * tall * fields.smoothstep(0.82, 0.83, rank) * fields.fill(aside - 0.008, 0.006)
    outline = top + slant + spire
    body = fields.fill(y - outline, 0.006)
    column, row = (x - middle + half) / pane, (y - ground) / (pane * 1.25)
    windows = _panes(generator, column, row, index.unsqueeze(1), lit * (0.35 + 1.1 * label))
    inside = fields.fill(aside - half + 0.35 * pane, 0.008)
    inside = inside * fields.fill(y - top + 0.6 * pane, 0.008)
    return body, windows * inside * body, label.expand(-1, y.shape[1], -1)


def _panes(
    generator: torch.Generator, column: Tensor, row: Tensor, tower: Tensor, lit: Tensor
) -> Tensor:
    """Light of windows `(b, h, w)`: panes of a grid, a share `lit` of them on, each its own."""
    table = fields.draw(generator, lit.shape[0], 4096)
    table = torch.stack((table, table.roll(77, 1)), dim=1)
    seat = torch.floor(column) * 7.0 + torch.floor(row) * 61.0 + tower * 131.0
    chance, strength = fields.lookup(table, torch.remainder(seat, 4096.0).long()).unbind(dim=1)
    across, up = torch.remainder(column, 1.0) - 0.5, torch.remainder(row, 1.0) - 0.5
    frame = fields.fill(across.abs() - 0.32, 0.2) * fields.fill(up.abs() - 0.3, 0.2)
    return frame * (chance < lit).float() * (0.35 + 0.65 * strength)


def paint_skyline(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """A city's towers at night, their lights mirrored in the water."""
    batch = values["colour"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    stops = palettes.pick(NIGHTS, values["colour"])
    horizon = fields.knob(values["viewpoint"], -0.55, -0.2)
    picture = sky_gradient(stops[:, :3], y, horizon, curve=0.62, width=width)
    dusk = fields.knob(values["time"], 0.85, 0.28)
    picture = picture * dusk.unsqueeze(1)
    picture = picture + fields.stars(generator, batch, x, y, count=50) * (
        0.5 - 0.5 * dusk
    ).unsqueeze(1)
    haze = fields.uniform(generator, batch, 0.3, 0.8)
    lit = fields.knob(values["lights"], 0.25, 0.8)
    tall = fields.knob(values["height"], 0.55, 1.25)
    for layer, (scale, wide, pane) in enumerate(
        ((0.8, 0.11, 0.02), (1.0, 0.17, 0.03), (0.62, 0.24, 0.042))
    ):
        body, windows, label = buildings(
            generator,
            x,
            y,
            ground=horizon,
            tall=tall * scale,
            wide=wide,
            pane=pane,
            lit=lit,
            batch=batch,
        )
        fade = haze * (0.55 - 0.22 * layer)
        rise = (y - horizon).clamp(min=0.0)
        mist = fade * torch.exp(-1.4 * rise) * (0.4 + 0.6 * dusk)
        wall = palettes.tint(stops[:, 2]) * (0.35 + 0.1 * (2 - layer)) + palettes.paint_flat(
            stops[:, 0], 0.5 * mist
        )
        picture = fields.over(picture, wall, body)
        warm = fields.smoothstep(0.62, 0.7, label)
        shade = fields.mix(
            palettes.tint(stops[:, 3]), palettes.tint(stops[:, 4]), warm.unsqueeze(1)
        )
        picture = picture + shade * (windows * (1.1 + 0.5 * layer) * (1.0 - 0.5 * fade)).unsqueeze(
            1
        )
    shore = palettes.paint_flat(
        stops[:, 0], 1.1 * torch.exp(-(((y - horizon) / 0.025) ** 2)).expand(-1, -1, width)
    )
    picture = picture + shore
    calm = fields.knob(values["water"], 0.05, 0.9)
    picture, _ = surface(
        generator,
        picture,
        x,
        y,
        horizon,
        roughness=calm,
        body=palettes.shade(stops[:, 2], light=0.8),
    )
    return palettes.finish(picture, shine=0.75, exposure=1.15)


def discs(
    x: Tensor,
    y: Tensor,
    *,
    places: Tensor,
    radius: Tensor,
    light: Tensor,
) -> Tensor:
    """Out-of-focus lights: crisp translucent discs with a bright rim, `(b, 3, h, w)`.

    `places` `(b, n, 2)`, `radius` `(b, n)`, `light` `(b, n, 3)`. Painted at half size, then
    enlarged.
    """
    half_x, half_y = x[..., ::2].unsqueeze(1), y[:, ::2].unsqueeze(1)
    across = half_x - places[..., 0, None, None]
    down = half_y - places[..., 1, None, None]
    reach = radius[..., None, None]
    distance = torch.sqrt(across * across + down * down) / reach
    inside = ((1.02 - distance) * (reach / 0.014)).clamp(0.0, 1.0)
    rim = 0.62 + 0.38 * distance.clamp(max=1.0) ** 4
    small = torch.einsum("bnhw,bnc->bchw", inside * rim, light)
    return torch.nn.functional.interpolate(
        small, size=(y.shape[1], x.shape[2]), mode="bilinear", align_corners=False
    )


def paint_rain(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """City lights out of focus behind a rainy window at night."""
    batch = values["hue"].shape[0]
    x, y = fields.canvas(height, width, generator.device)
    aspect = width / height
    main = palettes.hue(values["hue"])
    deep = palettes.shade(main, light=0.34, vivid=0.8)
    rise = fields.smoothstep(-1.0, 1.0, y).expand(batch, -1, width)
    picture = palettes.ramp(
        torch.stack((deep * 0.25, deep, palettes.shade(deep, light=0.55)), dim=1), rise
    )
    count = 30
    spots = fields.draw(generator, batch, count, 2)
    places = torch.stack(
        ((spots[..., 0] * 2.0 - 1.0) * aspect, (spots[..., 1] ** 1.2) * 1.3 - 0.75), dim=-1
    )
    blurry = fields.knob(values["blur"], 0.055, 0.16).view(-1, 1)
    radius = blurry * (0.6 + 0.8 * fields.draw(generator, batch, count))
    turn = fields.draw_normal(generator, batch, count, 1)[..., 0] * 0.75
    accents = palettes.shade(main.unsqueeze(1), turn=turn, light=1.05, vivid=1.05)
    strength = 0.2 + 1.0 * fields.draw(generator, batch, count, 1) ** 2
    number = torch.arange(count, device=x.device).view(1, -1, 1) / count
    strength = strength * fields.smoothstep(
        0.0, 0.1, 0.35 + 0.7 * values["lights"].view(-1, 1, 1) - number
    )
    picture = picture + discs(x, y, places=places, radius=radius, light=accents * strength)
    picture = picture + fields.blur(picture, 0.12) * 0.35
    picture = rain_drops(generator, picture, x, y, fields.knob(values["rain"], 0.15, 0.95))
    return palettes.finish(picture, shine=0.35, exposure=1.1, vignette=0.3)


def rain_drops(
    generator: torch.Generator, picture: Tensor, x: Tensor, y: Tensor, amount: Tensor
) -> Tensor:
    """Lay drops on the pane: each is a small lens that shows the lights upside down."""
    batch = amount.shape[0]
    veil = 0.35 * picture.mean(dim=(2, 3), keepdim=True)
    for cells, size in ((4.5, 0.34), (8.0, 0.3)):
        u = (x + 0.04 * torch.sin(3.0 * y)) * cells / 2.0 + 20.0
        v = y * cells / 2.6 + 20.0
        left, low = torch.floor(u), torch.floor(v)
        index = (torch.remainder(left, 16.0) + 16.0 * torch.remainder(low, 16.0)).long()
        own = fields.lookup(fields.draw(generator, batch, 4, 256), index)
        reach = size * (0.45 + 0.55 * own[:, 2])
        across = (u - left - 0.5 - (own[:, 0] - 0.5) * (0.9 - 2.0 * reach)) / reach
        down = (v - low - 0.5 - (own[:, 1] - 0.5) * (0.9 - 2.0 * reach)) / reach
        narrow = 1.0 + 0.35 * down.clamp(-1.0, 1.0)
        distance = torch.sqrt((across * narrow) ** 2 + down**2)
        here = (own[:, 3] < amount).float()
        alpha = fields.fill(distance - 0.95, 0.1) * here
        bulge = (distance * distance).clamp(max=1.0)
        lens = fields.warp(picture, -across * 0.5 * bulge, -down * 0.5 * bulge)
        shade = 0.95 + 0.7 * fields.smoothstep(0.3, -0.9, down) - 0.5 * bulge**4
        bright = fields.glow(torch.sqrt((across + 0.3) ** 2 + (down - 0.4) ** 2), 0.13)
        drop = (lens * 1.3 + veil) * shade.unsqueeze(1) + (0.5 * bright).unsqueeze(1)
        picture = fields.over(picture, drop, alpha)
    return picture


SCENES_CITY: tuple[Scene, ...] = (
    Scene(
        "skyline",
        (
            "a city skyline",
            "downtown skyscrapers",
            "a neon city by the water",
            "skyscrapers with lit windows",
            "city lights reflected in the water",
            "a big city",
        ),
        (
            Attribute("colour", NIGHT_WORDS, natural=("violet", "blue")),
            Attribute(
                "time",
                (("at dusk", "in the evening"), ("at night",), ("late at night", "at midnight")),
            ),
            Attribute("height", (("low",), (), ("towering", "high"))),
            Attribute("lights", (("with few lights",), (), ("brightly lit", "with many lights"))),
            Attribute("water", (("calm", "still"), (), ("rough",))),
            Attribute("viewpoint", ((), (), ())),
        ),
        paint_skyline,
    ),
    Scene(
        "rain",
        (
            "rain on a window at night",
            "raindrops on glass with city lights",
            "a rainy street at night with bokeh",
            "blurred city lights in the rain",
            "rain drops on a window",
        ),
        (
            Attribute("hue", palettes.HUE_WORDS, natural=("blue", "violet")),
            Attribute("rain", (("light", "with few drops"), (), ("heavy", "with many drops"))),
            Attribute("blur", (("small",), (), ("big", "soft"))),
            Attribute("lights", (("with few lights",), (), ("with many lights",))),
        ),
        paint_rain,
    ),
)
