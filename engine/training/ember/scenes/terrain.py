"""Height fields seen in perspective: mountains, dunes, seas of waves or of clouds.

Each picture column is a ray fan over the ground: heights are computed on a small grid of (depth,
column), projected, and the running maximum from near to far says which depth each pixel shows. So
a real landscape with relief, occlusion and cast shadows costs about as much as a few full-size
noise fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Ground = Callable[[Tensor, Tensor], Tensor]
"""Height at world places: right `(b or 1, z, w)` and away `(1, z, 1)` give `(b, z, w)`."""


@dataclass(frozen=True, slots=True)
class Terrain:
    """Ground as seen: grids over (depth, column), and which of them each pixel shows."""

    right: Tensor  # (b or 1, z, w) world place
    away: Tensor  # (1, z, 1) world depth
    high: Tensor  # (b, z, w) height
    slope_right: Tensor  # (b, z, w) rise per unit to the right
    slope_away: Tensor  # (b, z, w) rise per unit of depth
    mask: Tensor  # (b, h, w) 1 on the ground, 0 in the sky
    _index: Tensor  # (b, 1, h, w) depth row shown
    _share: Tensor  # (b, 1, h, w) blend towards the row in front

    def show(self, grid: Tensor) -> Tensor:
        """Project values `(b, c, z, w)` to `(b, c, h, w)`; sky pixels show the farthest."""
        wide = self._index.expand(grid.shape[0], grid.shape[1], -1, -1)
        behind = grid.gather(2, wide)
        front = grid.gather(2, (wide - 1).clamp(min=0))
        return behind + (front - behind) * self._share

    def show_field(self, grid: Tensor) -> Tensor:
        """Project one value `(b, z, w)` to a field `(b, h, w)`."""
        return self.show(grid.unsqueeze(1)).squeeze(1)

    def lambert(self, light: tuple[Tensor | float, Tensor | float, Tensor | float]) -> Tensor:
        """Light on the ground `(b, z, w)` in [0, 1] from a direction (right, up, away)."""
        right, up, away = (torch.as_tensor(part, device=self.high.device) for part in light)
        norm = torch.sqrt(right**2 + up**2 + away**2)
        steep = torch.sqrt(1.0 + self.slope_right**2 + self.slope_away**2)
        facing = up - self.slope_right * right - self.slope_away * away
        return (facing / (steep * norm)).clamp(min=0.0)

    def shadow(self, rise: Tensor, *, softness: float = 0.06) -> Tensor:
        """Cast shadow `(b, z, w)`, 1 where lit: sun at the left, rays sinking `rise` per unit."""
        lifted = self.high + rise * self.right
        tallest = torch.cummax(lifted, dim=-1).values
        return (1.0 - (tallest - lifted) / softness).clamp(0.0, 1.0)


def terrain(
    ground: Ground,
    x: Tensor,
    y: Tensor,
    *,
    horizon: Tensor,
    camera: Tensor | float,
    near: float = 1.0,
    far: float = 20.0,
    steps: int = 160,
    zoom: float = 1.0,
) -> Terrain:
    """Look over `ground` from height `camera` (world units), the horizon at `horizon` `(b, 1, 1)`.

    Depths run from `near` to `far` in equal ratios. A point at right X, height H, depth Z appears
    at `x = zoom X / Z`, `y = horizon + zoom (H - camera) / Z`.
    """
    ratios = torch.linspace(0.0, 1.0, steps, device=x.device)
    away = (near * (far / near) ** ratios).view(1, steps, 1)
    right = x * away / zoom
    high = ground(right, away)
    batch = high.shape[0]
    seen = horizon + zoom * (high - camera) / away
    tallest = torch.cummax(seen, dim=1).values
    rows = y.flatten().flip(0)  # rising
    columns = tallest.transpose(1, 2).contiguous()
    index = torch.searchsorted(
        columns, rows.expand(batch, columns.shape[1], -1).contiguous(), side="left"
    )
    index = index.transpose(1, 2).flip(1)
    mask = (index < steps).float()
    index = index.clamp(max=steps - 1).unsqueeze(1)
    back = seen.unsqueeze(1).gather(2, index)
    before = (index - 1).clamp(min=0)
    front = seen.unsqueeze(1).gather(2, before)
    hidden = tallest.unsqueeze(1).gather(2, before) > front + 1e-6
    share = ((back - y.unsqueeze(1)) / (back - front).clamp(min=1e-6)).clamp(0.0, 1.0)
    share = torch.where(hidden, torch.zeros_like(share), share)
    slope_right = torch.gradient(high, dim=2)[0] / torch.gradient(right, dim=2)[0]
    slope_away = torch.gradient(high, dim=1)[0] / torch.gradient(away, dim=1)[0]
    return Terrain(right, away, high, slope_right, slope_away, mask, index, share)
