"""Outlines of built things: polygons, ovals and their unions as signed distances."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import Figure

Corner = tuple[float, float]


def sdf_polygon(x: Tensor, y: Tensor, corners: Sequence[Corner]) -> Tensor:
    """Signed distance to a polygon of any form, negative inside (even-odd rule).

    Costs about 14 operations per corner on the whole field: `stamp` it.
    """
    nearest: Tensor | None = None
    inside = torch.zeros((), dtype=torch.bool, device=x.device)
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        run_x, run_y = bx - ax, by - ay
        px, py = x - ax, y - ay
        along = ((px * run_x + py * run_y) / (run_x**2 + run_y**2)).clamp(0.0, 1.0)
        square = (px - along * run_x) ** 2 + (py - along * run_y) ** 2
        nearest = square if nearest is None else torch.minimum(nearest, square)
        if run_y:
            crossed = ((y >= ay) != (y >= by)) & (px < py * (run_x / run_y))
            inside = inside ^ crossed
    if nearest is None:
        raise ValueError("a polygon needs corners")
    distance = torch.sqrt(nearest)
    return torch.where(inside, -distance, distance)


def sdf_oval(x: Tensor, y: Tensor, half_width: Figure, half_height: Figure) -> Tensor:
    """Signed distance, nearly, to an ellipse about the origin, negative inside."""
    first = torch.sqrt((x / half_width) ** 2 + (y / half_height) ** 2)
    second = torch.sqrt((x / half_width**2) ** 2 + (y / half_height**2) ** 2)
    return first * (first - 1.0) / second.clamp(min=1e-6)


def union(*distances: Tensor) -> Tensor:
    """Signed distance to what any of the shapes covers."""
    found = distances[0]
    for distance in distances[1:]:
        found = torch.minimum(found, distance)
    return found
