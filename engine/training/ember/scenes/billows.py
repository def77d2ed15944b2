"""Billows of smoke, steam, dust and ash: round puffs with ragged rims, lit from one side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    Figure,
    mix,
    over,
    sample,
    smoothstep,
    texture,
    uniform,
)
from engine.training.ember.scenes.palettes import tint
from engine.training.ember.scenes.stamp import stamp

Puff = tuple[Tensor, Tensor, Tensor]
"""Centre x, centre y and radius, each `(b, 1, 1)`; radius 0 for none."""

_REACH = 1.35  # nothing of a puff lies farther out, in radii


def billows(
    generator: torch.Generator,
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    puffs: Sequence[Puff],
    *,
    dark: Tensor,
    bright: Tensor,
    sun: tuple[Figure, Figure] = (0.5, 0.8),
    opacity: Figure = 0.9,
    ragged: float = 0.45,
) -> Tensor:
    """Lay puffs over a picture `(b, 3, h, w)`, the first one farthest back; changed in place.

    `dark` and `bright` `(b, 3)` are the colours away from and towards the `sun` (a direction,
    right and up, of length about 1); `ragged` in [0, 1] says how torn the rims are.
    """
    batch = light.shape[0]
    tile = texture(generator, batch, 128, cells=4, octaves=4, gain=0.58)
    across, up = (torch.as_tensor(part, device=light.device).expand(batch, 1, 1) for part in sun)
    thick = torch.as_tensor(opacity, device=light.device).expand(batch, 1, 1)
    for cx, cy, radius in puffs:
        place = (cx, cy, radius, uniform(generator, batch), across, up, thick)
        tones = (tint(dark), tint(bright))

        def puff(
            which: slice,
            patch: Tensor,
            x: Tensor,
            y: Tensor,
            place: tuple[Tensor, ...] = place,
            tones: tuple[Tensor, Tensor] = tones,
        ) -> Tensor:
            ox, oy, big, shift, sun_x, sun_y, full = (figure[which] for figure in place)
            u, v = (x - ox) / big, (y - oy) / big
            scale = 0.09 + 0.07 * big  # small puffs are not smooth, large ones not coarse
            du, dv = u * scale + shift, v * scale + 0.37 * shift
            bump = sample(tile[which], du, dv)
            sunward = sample(tile[which], du + 0.03 * sun_x, dv + 0.03 * sun_y)
            plain = torch.sqrt(u * u + v * v)
            alpha = smoothstep(1.0, 0.45, plain + ragged * bump) * full
            alpha = alpha * smoothstep(_REACH, 1.1, plain)
            lit = 0.42 + 0.5 * (u * sun_x + v * sun_y) + 0.7 * (bump - sunward)
            colour = mix(tones[0][which], tones[1][which], lit.clamp(0.0, 1.0).unsqueeze(1))
            return over(patch, colour, alpha)

        light = stamp(light, canvas_xy, (cx, cy), _REACH * radius, puff)
    return light
