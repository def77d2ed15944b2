"""Noise that goes where the picture goes, so that texture sticks to what it was painted on.

Cells move by whole cells: a mean of neighbours would be smoother than noise, and the network
paints what is smooth as blur. What is left of a cell's way is kept and added to its next one.
Where a cell has two heirs, as everywhere in a zoom, only one inherits, the other draws anew: so
each cell is standard normal and independent of all others, always (the aim of Chang et al. 2024,
"How I Warped Your Noise", reached without their integral over finer noise).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.frame_params import MOST_CALLS, FrameParams

_SEED = 271_828


class NoiseWarp:
    """Moves the walk's fields `(2 * MOST_CALLS, c, h, w)` in place. Diffusion thread only."""

    def __init__(self, shape: tuple[int, ...], device: torch.device, params: FrameParams) -> None:
        _, channels, self._height, self._width = shape
        self._params = params
        ys = (torch.arange(self._height, device=device) + 0.5) / self._height * 2.0 - 1.0
        xs = (torch.arange(self._width, device=device) + 0.5) / self._width * 2.0 - 1.0
        y, x = (field.flatten() for field in torch.meshgrid(ys, xs, indexing="ij"))
        self._place = torch.stack((x, y))  # (2, h * w) in [-1, 1]
        aspect = self._width / self._height
        p, q = 2.3 * x * aspect + 1.7 * y, -1.9 * x * aspect + 2.9 * y
        self._fields = torch.stack((x, y, torch.ones_like(x), p.cos(), p.sin(), q.cos(), q.sin()))
        half = torch.tensor([[self._width / 2.0], [self._height / 2.0]], device=device)
        self._half = half  # cells in half a picture
        self._rest = torch.zeros_like(self._place)  # of the way, in cells
        cells = self._height * self._width
        self._cells = torch.arange(cells, device=device)
        self._columns, self._rows = self._cells % self._width, self._cells // self._width
        self._heir = torch.zeros(cells, dtype=torch.long, device=device)
        self._numbers = torch.arange(2 * MOST_CALLS * channels * cells, device=device)
        generator = torch.Generator("cpu").manual_seed(_SEED)
        self._reservoir = torch.randn(2 * len(self._numbers), generator=generator).to(device)

    def __call__(self, fields: Tensor, weights: Tensor) -> None:
        """Move `fields` by the planned share of the picture's way, `weights` as of `Warp.plan`."""
        way = (weights @ self._fields - self._place) * self._half * self._params["noise_warp"]
        way = way + self._rest
        whole = way.round()
        self._rest.copy_(way - whole)
        column, row = self._columns + whole[0].long(), self._rows + whole[1].long()
        inside = (column >= 0) & (column < self._width) & (row >= 0) & (row < self._height)
        source = row.clamp(0, self._height - 1) * self._width + column.clamp(0, self._width - 1)
        # The last of a cell's heirs inherits; the greatest number, so that every device agrees.
        number = torch.where(inside, self._cells, -1)
        self._heir.fill_(-1).scatter_reduce_(0, source, number, "amax")
        inherits = inside & (self._heir.index_select(0, source) == self._cells)
        flat = fields.flatten(2)  # (n, c, h * w), the same memory
        flat.copy_(torch.where(inherits, flat.index_select(2, source), self._drawn(flat)))

    def state(self) -> dict[str, Any]:
        """What is left of every cell's way."""
        return {"rest": self._rest.cpu().numpy().copy()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._rest.copy_(torch.as_tensor(state["rest"]))

    def _drawn(self, flat: Tensor) -> Tensor:
        """Noise for the cells without an ancestor: elsewhere in the reservoir for every frame."""
        size = len(self._reservoir)
        start = (self._params["noise_turn"] * size).long()
        drawn = self._reservoir.index_select(0, (start + self._numbers) % size)
        return drawn.view_as(flat)
