"""What keeps a picture that feeds on itself alive: motion, crispness, and an anchor for colour.

Pictures here are `(1, 3, h, w)` float32 in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.diffusion.governor import MEAN, SPREAD, Figures, Governor
from engine.messages import ControlState, Travel
from engine.travel import way_between

SWELL_REACH = 0.22
"""How far `motion/warp` = 1 bends the picture in one second, in picture heights."""

FIRM = 0.25
"""From this `diffusion/anchor` on, crispness is held as firmly as it can be."""
_LEAST_TRIM = 1e-3

# RGB -> YCoCg, an opponent space: luma, orange-blue, green-magenta.
_YCOCG = ((0.25, 0.5, 0.25), (0.5, 0.0, -0.5), (-0.25, 0.5, -0.25))
_RGB = ((1.0, 1.0, -1.0), (1.0, 0.0, 1.0), (1.0, -1.0, -1.0))


class Warp:
    """Moves a picture by the difference of two travels: bilinear samples, mirrored edges."""

    def __init__(self, width: int, height: int, device: torch.device) -> None:
        self._aspect = width / height
        ys = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height * 2.0 - 1.0
        xs = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width * 2.0 - 1.0
        self._y, self._x = torch.meshgrid(ys, xs, indexing="ij")  # (h, w) each, in [-1, 1]

    def __call__(self, picture: Tensor, before: Travel, after: Travel) -> Tensor:
        """Return what `picture`, made at `before`, looks like at `after`; itself when unmoved."""
        if is_still(before, after):
            return picture
        way = way_between(before, after)
        scale = math.exp(-way.log_zoom)
        angle = math.radians(way.rotation_deg)
        cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
        # Backward map: where each output pixel comes from; a unit is half a picture height.
        x = (self._x - 2.0 * way.pan_x) * self._aspect
        y = self._y - 2.0 * way.pan_y
        from_x = (cos * x - sin * y) / self._aspect
        from_y = sin * x + cos * y
        if way.warp_s != 0.0:
            bend_x, bend_y = self._swell(after.warp_s)
            from_x = from_x + (2.0 * SWELL_REACH * way.warp_s / self._aspect) * bend_x
            from_y = from_y + (2.0 * SWELL_REACH * way.warp_s) * bend_y
        grid = torch.stack((from_x, from_y), dim=-1).unsqueeze(0)
        return F.grid_sample(
            picture, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )

    def _swell(self, time_s: float) -> tuple[Tensor, Tensor]:
        # A divergence-free flow: the curl of a slowly turning sum of two plane waves.
        x, y = self._x * self._aspect, self._y
        a, b = 0.9 * time_s, 0.61 * time_s + 2.0
        first = torch.cos(2.3 * x + 1.7 * y + a)
        second = torch.cos(-1.9 * x + 2.9 * y - b)
        return (0.4 * first + 0.6 * second, -0.55 * first + 0.4 * second)


def is_still(before: Travel, after: Travel) -> bool:
    """True when nothing moved the picture between two travels."""
    return (
        after.log_zoom == before.log_zoom
        and after.rotation_deg == before.rotation_deg
        and after.pan_x == before.pan_x
        and after.pan_y == before.pan_y
        and after.warp_s == before.warp_s
    )


def unsharp(picture: Tensor, amount: float) -> Tensor:
    """(1 + k) x - k blur(x): gives back what warping and coding took; k < 0 softens."""
    if amount == 0.0:
        return picture
    blurred = F.avg_pool2d(picture, 3, stride=1, padding=1, count_include_pad=False)
    return picture + amount * (picture - blurred)


class ColourAnchor:
    """Holds mean and spread of each opponent channel near a slow memory of fresh pictures.

    x <- x + λ [(x - μ) · clip(σ*/σ, .8, 1.25) + μ* - x], per channel of YCoCg. The memory learns
    from what the model paints, weighted by strength: the more a picture is the model's own
    invention, the more it counts, so drift of the loop itself is not learnt. It evens out seconds;
    the governor's leash on it holds hours. Diffusion thread.
    """

    def __init__(self, device: torch.device, memory_s: float = 6.0) -> None:
        self.governor = Governor()
        self._memory_s = memory_s
        self._device = device
        self._to_opponent = torch.tensor(_YCOCG, device=device)
        self._to_rgb = torch.tensor(_RGB, device=device)
        self._memory: Figures | None = None

    def forget(self) -> None:
        """Start over with the next picture."""
        self._memory = None
        self.governor.forget()

    def learn(self, picture: Tensor, strength: float, dt_s: float, control: ControlState) -> None:
        """Remember a picture the model has just painted for `control`."""
        figures = self._figures(picture)
        if not np.isfinite(figures).all():  # an overflow must not stay in the memory for ever
            return
        self.governor.look(figures, control.prompts, control.values, dt_s)
        if self._memory is None:
            self._memory = figures
            return
        weight = 1.0 - math.exp(-dt_s * (strength**2) * 4.0 / self._memory_s)
        memory = self._memory + weight * (figures - self._memory)
        self._memory = self.governor.leashed(memory, control.prompts)

    def pull(self, picture: Tensor, amount: float) -> Tensor:
        """Return `picture` moved by `amount` in [0, 1] towards the remembered statistics."""
        if amount <= 0.0 or self._memory is None:
            return picture
        aim = self.governor.aim(self._memory)
        remembered = torch.from_numpy(aim).float().to(self._device)
        mean, std = self._statistics(picture)
        gain = (remembered[SPREAD] / std.clamp_min(1e-3)).clamp(0.8, 1.25)
        gain = 1.0 + amount * (gain - 1.0)
        offset = amount * (remembered[MEAN] - mean) + mean * (1.0 - gain)
        matrix = self._to_rgb @ torch.diag(gain) @ self._to_opponent
        shift = self._to_rgb @ offset
        flat = picture.flatten(2)  # (1, 3, h*w)
        return torch.baddbmm(shift.view(1, 3, 1), matrix.unsqueeze(0), flat).view_as(picture)

    def crispen(self, picture: Tensor, amount: float) -> Tensor:
        """Return the picture just learnt with the detail of its scene; `amount` as in `pull`.

        A painter that repaints strongly at a hit and finishes in the pause swings between soft
        and crisp; this evens it out, and no blur can creep in.
        """
        if amount <= 0.0:
            return picture
        luma = self._luma(picture)
        mask = _detail(luma)
        own, high = _laplacian(luma), _laplacian(mask)
        own, high = own - own.mean(), high - high.mean()
        moments = torch.stack(((own * own).mean(), (own * high).mean(), (high * high).mean()))
        trim = self.governor.trim(*moments.tolist()) * min(1.0, amount / FIRM)
        return picture + trim * mask if abs(trim) >= _LEAST_TRIM else picture

    def state(self) -> dict[str, Any]:
        """Everything the next picture depends on, as plain values and arrays."""
        memory = None if self._memory is None else self._memory.copy()
        return {"memory": memory, "governor": self.governor.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._memory = state["memory"]
        self.governor.restore(state["governor"])

    def _figures(self, picture: Tensor) -> Figures:
        mean, std = self._statistics(picture)
        detail = _laplacian(self._luma(picture)).var().clamp_min(1e-12).log()
        figures: Figures = torch.cat((mean, std, detail.view(1))).double().cpu().numpy()
        return figures

    def _statistics(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        coarse = picture[0, :, ::4, ::4].flatten(1)  # every fourth pixel is plenty for a mean
        opponent = self._to_opponent @ coarse
        return opponent.mean(dim=1), opponent.std(dim=1)

    def _luma(self, picture: Tensor) -> Tensor:
        red, green, blue = picture[0]
        luma: Tensor = 0.25 * (red + blue) + 0.5 * green
        return luma


def _detail(luma: Tensor) -> Tensor:
    """Return x - blur(x) for `(h, w)`, the blur the mean of 3x3; nought along the edges.

    Sums of shifted views: a pooling kernel takes fifty times as long on a CPU.
    """
    rows = luma[:-2] + luma[1:-1] + luma[2:]
    around = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9.0
    return F.pad(luma[1:-1, 1:-1] - around, (1, 1, 1, 1))


def _laplacian(luma: Tensor) -> Tensor:
    """Return the Laplacian at every second pixel of every second row, of neighbours beside it."""
    middle = luma[1:-1:2, 1:-1:2]
    beside = luma[1:-1:2, :-2:2] + luma[1:-1:2, 2::2]
    above = luma[:-2:2, 1:-1:2] + luma[2::2, 1:-1:2]
    laplacian: Tensor = beside + above - 4.0 * middle
    return laplacian
