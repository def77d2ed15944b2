"""How the previous picture moves before it is painted anew: zoom, rotation, pan and swell.

Pictures here are `(1, 3, h, w)` float32 in [-1, 1].
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.messages import Travel
from engine.travel import way_between

SWELL_REACH = 0.22
"""How far `motion/warp` = 1 bends the picture in one second, in picture heights."""


class Warp:
    """Moves a picture by the difference of two travels: bilinear samples, mirrored edges.

    Where an output pixel comes from is linear in seven fields that never change, so a frame costs
    one `(2, 7) @ (7, h * w)` product into a buffer of its own, and the weights are all that
    changes. `plan` is the host's part, the call the device's. Diffusion thread only.
    """

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self._aspect = width / height
        ys = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height * 2.0 - 1.0
        xs = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width * 2.0 - 1.0
        y, x = (field.flatten() for field in torch.meshgrid(ys, xs, indexing="ij"))
        # The two plane waves of the swell; cos(p + a) = cos p cos a - sin p sin a.
        p = 2.3 * x * self._aspect + 1.7 * y
        q = -1.9 * x * self._aspect + 2.9 * y
        self._fields = torch.stack((x, y, torch.ones_like(x), p.cos(), p.sin(), q.cos(), q.sin()))
        self._from = torch.empty(2, height * width, device=device)
        # As `grid_sample` wants it, (1, h, w, 2), without copying.
        self._grid = self._from.view(2, height, width).permute(1, 2, 0).unsqueeze(0)

    def plan(self, before: Travel, after: Travel) -> list[list[float]]:
        """Weights `(2, 7)` of the fields for a picture made at `before`, to look as at `after`."""
        way = way_between(before, after)
        swell = self._swell(way.warp_s, after.warp_s)
        return [a + b for a, b in zip(self._affine(way), swell, strict=True)]

    def __call__(self, picture: Tensor, weights: Tensor, *, bent: bool) -> Tensor:
        """Return the picture moved by the weights of `plan`; `bent` where there is a swell."""
        fields = 7 if bent else 3
        torch.mm(weights[:, :fields], self._fields[:fields], out=self._from)
        return F.grid_sample(
            picture, self._grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )

    def _affine(self, way: Travel) -> list[list[float]]:
        """Backward map: what x and y come from, by the fields (x, y, 1).

        A unit is half a picture height: x' = (x - 2 p_x) a and y' = y - 2 p_y turn and shrink.
        """
        scale = math.exp(-way.log_zoom)
        angle = math.radians(way.rotation_deg)
        cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
        a, pan_x, pan_y = self._aspect, 2.0 * way.pan_x, 2.0 * way.pan_y
        return [
            [cos, -sin / a, -cos * pan_x + sin / a * pan_y],
            [sin * a, cos, -sin * a * pan_x - cos * pan_y],
        ]

    def _swell(self, bend_s: float, time_s: float) -> list[list[float]]:
        """A divergence-free flow: the curl of a slowly turning sum of two plane waves.

        Returns the weights of the fields after `(x, y, 1)`.
        """
        reach = 2.0 * SWELL_REACH * bend_s
        first, second = 0.9 * time_s, -0.61 * time_s - 2.0
        along = ((0.4, 0.6, reach / self._aspect), (-0.55, 0.4, reach))
        return [
            [
                reach * one * math.cos(first), -reach * one * math.sin(first),
                reach * two * math.cos(second), -reach * two * math.sin(second),
            ]
            for one, two, reach in along
        ]  # fmt: skip


def is_bent(before: Travel, after: Travel) -> bool:
    """True when the swell is part of the way between two travels."""
    return after.warp_s != before.warp_s


def is_still(before: Travel, after: Travel) -> bool:
    """True when nothing moved the picture between two travels."""
    return (
        after.log_zoom == before.log_zoom
        and after.rotation_deg == before.rotation_deg
        and after.pan_x == before.pan_x
        and after.pan_y == before.pan_y
        and after.warp_s == before.warp_s
    )
