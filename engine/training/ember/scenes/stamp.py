"""Paint a small thing without computing the whole canvas."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def stamp(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    centre: tuple[Tensor, Tensor],
    reach: Tensor,
    paint: Callable[[slice, Tensor, Tensor, Tensor], Tensor],
) -> Tensor:
    """Repaint, in each picture, only the square of half-width `reach` about `centre`.

    `paint(which, light, x, y)` gets the picture's index as a slice, its square and that square's
    coordinates; a `reach` of 0 paints nothing. All figures have shape `(b, 1, 1)`; `light`
    `(b, 3, h, w)` is changed in place and returned.
    """
    x, y = canvas_xy
    height, width = light.shape[-2:]
    for index, (cx, cy, half) in enumerate(
        torch.cat((centre[0], centre[1], reach), dim=1).squeeze(2).tolist()
    ):
        middle, down, span = (cx * height + width) / 2, (1.0 - cy) * height / 2, half * height / 2
        left, right = max(0, int(middle - span)), min(width, int(middle + span) + 2)
        top, bottom = max(0, int(down - span)), min(height, int(down + span) + 2)
        if half <= 0.0 or left >= right or top >= bottom:
            continue
        which = slice(index, index + 1)
        patch = light[which, :, top:bottom, left:right]
        light[which, :, top:bottom, left:right] = paint(
            which, patch, x[..., left:right], y[:, top:bottom]
        )
    return light
