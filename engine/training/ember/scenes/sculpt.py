"""Solid figures: modelled from rounded limbs on a small grid, lit, and laid into a picture.

A *model* is computed on a square grid with (0, 0) in its middle and u right, v up from -reach to
reach; signed distances are smooth, so that the small grid still gives a sharp outline at any size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.ember.scenes.fields import (
    Figure,
    canvas,
    fill,
    mix,
    rotate,
    sdf_box,
    sdf_segment,
    smooth_minimum,
    smoothstep,
    stack_colours,
)
from engine.training.ember.scenes.palettes import HUE_WORDS, ramp, shade
from engine.training.ember.scenes.stamp import stamp

REACH = 1.3
"""Half-width of a model's grid in model units; the figure itself keeps to about [-1, 1]."""

LIGHT_WORDS: tuple[tuple[str, ...], ...] = tuple(
    tuple(f"in {word} light" for word in words) for words in HUE_WORDS
)
"""Caption words for the hue of the light where the subject has a colour of its own."""

_CELLS = 168

Point = tuple[Figure, Figure]
Place = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Where a model lies: x, y, size, facing (1, or -1 for mirrored) and lean, each `(b, 1, 1)`."""


def model_grid(device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return the coordinates of a model's grid: u `(1, 1, n)`, v `(1, n, 1)`."""
    u, v = canvas(_CELLS, _CELLS, device)
    return u * REACH, v * REACH


def within_grid(distance: Tensor) -> Tensor:
    """Cut a model's signed distance `(b, n, n)` off at the grid's edge: nothing streaks beyond."""
    u, v = model_grid(distance.device)
    return torch.maximum(distance, sdf_box(u, v, 0.97 * REACH, 0.97 * REACH))


def limb(u: Tensor, v: Tensor, start: Point, end: Point, first: Figure, last: Figure) -> Tensor:
    """Signed distance, nearly, to a limb that tapers from radius `first` to `last`."""
    run_x, run_y = end[0] - start[0], end[1] - start[1]
    length = torch.as_tensor(run_x * run_x + run_y * run_y, device=u.device).clamp(min=1e-6)
    along = (((u - start[0]) * run_x + (v - start[1]) * run_y) / length).clamp(0.0, 1.0)
    return sdf_segment(u, v, start, end) - (first + (last - first) * along)


def chain(
    u: Tensor, v: Tensor, joints: Sequence[Point], radii: Sequence[Figure], fillet: float = 0.04
) -> Tensor:
    """Signed distance to limbs from joint to joint, `radii` one per joint."""
    return join(
        [
            limb(u, v, joints[i], joints[i + 1], radii[i], radii[i + 1])
            for i in range(len(joints) - 1)
        ],
        fillet,
    )


def oval(
    u: Tensor,
    v: Tensor,
    centre: Point,
    half_width: Figure,
    half_height: Figure,
    angle: Figure = 0.0,
) -> Tensor:
    """Signed distance, nearly, to an ellipse turned by `angle` radians."""
    across, up = rotate(u - centre[0], v - centre[1], angle)
    near = torch.sqrt((across / half_width) ** 2 + (up / half_height) ** 2)
    steep = torch.sqrt((across / half_width**2) ** 2 + (up / half_height**2) ** 2)
    return near * (near - 1.0) / steep.clamp(min=1e-4)


def leaf(
    u: Tensor,
    v: Tensor,
    root: Point,
    angle: Figure,
    length: Figure,
    half_width: Figure,
    curve: Figure = 0.0,
) -> Tensor:
    """Signed distance, nearly, to a pointed leaf (ear, feather, beak) that grows from `root`.

    Broadest at a third of its length; `curve` is how far its tip bends to its left, in lengths.
    """
    along, across = rotate(u - root[0], v - root[1], angle)
    share = (along / length).clamp(0.0, 1.0)
    across = across - curve * length * share * share
    girth = half_width * 1.9 * (share + 0.06).sqrt() * (1.0 - share)
    beyond = torch.maximum(-along, along - length).clamp(min=0.0)
    return torch.sqrt((across.abs() - girth).clamp(min=0.0) ** 2 + beyond**2) + torch.minimum(
        across.abs() - girth, torch.zeros_like(across)
    )


def join(distances: Sequence[Tensor], fillet: float = 0.04) -> Tensor:
    """Union of signed distances with fillets of about `fillet`."""
    whole = distances[0]
    for distance in distances[1:]:
        whole = smooth_minimum(whole, distance, fillet)
    return whole


def relief(distance: Tensor, depth: Figure, light: Point) -> tuple[Tensor, Tensor]:
    """How a puffed-up outline catches the light: its form and its lit rim, `(b, n, n)` in [0, 1].

    `depth` is how far from the edge it is still round, in model units; `light` the direction the
    light comes from (x, y), of length about 1.
    """
    step = 2.0 * REACH / _CELLS
    down, right = torch.gradient(distance, spacing=step, dim=(1, 2))
    steep = torch.sqrt(down * down + right * right).clamp(min=0.2)
    facing = (right * light[0] - down * light[1]) / steep
    side = (1.0 + distance / depth).clamp(0.0, 1.0)
    form = 0.3 + 0.35 * torch.sqrt(1.0 - side * side) + 0.35 * side * facing
    rim = smoothstep(-0.02 - 0.25 * depth, 0.0, distance) * smoothstep(-0.1, 0.75, facing)
    return form.clamp(0.0, 1.0), rim


def coat(colour: Tensor, form: Tensor, *, warm: float = 0.12) -> Tensor:
    """Colour a relief `(b, n, n)` with a body colour `(b, 3)`, shadows dark: `(b, 3, n, n)`.

    `warm` is the turn of hue, in radians, between shadow and light.
    """
    stops = stack_colours(
        (
            shade(colour, light=0.22, turn=-2.0 * warm),
            shade(colour, light=0.55, turn=-warm),
            colour,
            shade(colour, light=1.3, vivid=0.85, turn=warm),
        )
    )
    return ramp(stops, form)


def cover(skin: Tensor, layer: Tensor, distance: Tensor, softness: float = 0.025) -> Tensor:
    """Lay a picture or colour `(b, 3, ...)` over a model's skin inside a signed distance."""
    return mix(skin, layer, fill(distance, softness).unsqueeze(1))


def lay(
    light: Tensor,
    canvas_xy: tuple[Tensor, Tensor],
    place: Place,
    model: tuple[Tensor, Tensor],
    *,
    shown: Tensor | None = None,
    softness: float = 0.008,
) -> Tensor:
    """Lay a model, its distance `(b, n, n)` and skin `(b, 3, n, n)`, into each picture.

    `shown` `(b, 1, 1)` says how opaque it is (0 leaves a picture out); `light` is changed in
    place and returned.
    """
    cx, cy, size, facing, lean = place
    distance, skin = model
    batch = light.shape[0]
    cells = distance.shape[-1]
    sheet = torch.cat(
        (
            distance.unsqueeze(1).expand(batch, 1, cells, cells),
            skin.expand(batch, 3, cells, cells),
        ),
        dim=1,
    )
    seen = torch.ones_like(size) if shown is None else shown

    def paint(which: slice, patch: Tensor, x: Tensor, y: Tensor) -> Tensor:
        big = size[which]
        u, v = rotate((x - cx[which]) * facing[which] / big, (y - cy[which]) / big, lean[which])
        places = torch.stack((u, -v), dim=-1) / REACH
        read = F.grid_sample(
            sheet[which], places, mode="bilinear", padding_mode="border", align_corners=False
        )
        opacity = fill(read[:, :1] * big.unsqueeze(1), softness)
        return mix(patch, read[:, 1:], opacity * seen[which].unsqueeze(1))

    return stamp(light, canvas_xy, (cx, cy), 1.45 * REACH * size * (seen > 0.0), paint)


def facing_sign(value: Tensor) -> Tensor:
    """Turn an attribute `(b,)` into -1 (left) or 1 (right), `(b, 1, 1)`."""
    return torch.where(value.view(-1, 1, 1) < 0.5, -1.0, 1.0)
