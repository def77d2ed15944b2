"""A sky of one colour with a low sun in it: the ground that silhouettes stand against."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    Figure,
    fbm,
    fill,
    glow,
    over,
    smoothstep,
    stack_colours,
)
from engine.training.ember.scenes.palettes import paint_flat, shade, tint
from engine.training.ember.scenes.sky import sky_gradient


def low_sun(
    generator: torch.Generator,
    canvas_xy: tuple[Tensor, Tensor],
    colour: Tensor,
    horizon: Tensor,
    sun: tuple[Tensor, Tensor, Tensor],
    *,
    cloud: Figure = 0.5,
) -> tuple[Tensor, Tensor]:
    """Paint sky, sun and streaks of cloud; `sun` is its x, y and radius (0: hidden).

    Returns the picture `(b, 3, h, w)` and the colour of the sun's light `(b, 3)`.
    """
    x, y = canvas_xy
    sun_x, sun_y, radius = sun
    batch, height, width = colour.shape[0], y.shape[1], x.shape[2]
    warm = shade(colour, light=1.4, vivid=0.5, turn=0.25)
    stops = stack_colours(
        (
            shade(colour, light=1.28, vivid=0.7, turn=0.2),
            shade(colour, light=1.05),
            shade(colour, light=0.74, turn=-0.25),
            shade(colour, light=0.46, vivid=0.9, turn=-0.6),
            shade(colour, light=0.28, vivid=0.8, turn=-0.9),
        )
    )
    sky = sky_gradient(stops, y, horizon, curve=0.9, width=width)
    away = torch.sqrt((x - sun_x) ** 2 + (y - sun_y) ** 2)
    sky = sky * (0.55 + 0.5 * glow(away, 1.0)).unsqueeze(1)
    streak = fbm(generator, batch, height, width, cells=2.6, octaves=4, stretch=4.0)
    near = glow(away, 0.8)
    lit = paint_flat(warm, 0.18 + 0.75 * near)
    sky = over(sky, lit, 0.8 * cloud * smoothstep(0.1, 0.9, streak + 0.3 * y * (1.0 - near)))
    disc = fill(away - radius, 0.012) * (1.0 - 0.5 * cloud * smoothstep(0.0, 0.6, streak))
    sky = sky + paint_flat(warm, 0.4 * glow(away, 0.16 + 1.6 * radius))
    return over(sky, tint(shade(warm, light=1.05)) * 1.25, disc), warm
