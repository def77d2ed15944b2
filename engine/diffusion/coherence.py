"""The anchor: what keeps a picture that feeds on itself from burning out or washing out.

Pictures here are `(1, 3, h, w)` float32 in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.diffusion.detail import Detail
from engine.diffusion.governor import MEAN, SPREAD, Figures, Governor
from engine.messages import ControlState

FIRM = 0.25
"""From this `diffusion/anchor` on, crispness is held as firmly as it can be."""
_LEAST_TRIM = 1e-3
_STRIDE = 4
"""Every fourth pixel of every fourth row is plenty for a mean."""

# RGB -> YCoCg, an opponent space: luma, orange-blue, green-magenta.
_YCOCG = ((0.25, 0.5, 0.25), (0.5, 0.0, -0.5), (-0.25, 0.5, -0.25))
_RGB = ((1.0, 1.0, -1.0), (1.0, 0.0, 1.0), (1.0, -1.0, -1.0))


class ColourAnchor:
    """Holds mean and spread of each opponent channel near a slow memory of fresh pictures.

    x <- x + λ [(x - μ) · clip(σ*/σ, .8, 1.25) + μ* - x], per channel of YCoCg. The memory learns
    from what the model paints, weighted by strength: the more a picture is the model's own
    invention, the more it counts, so drift of the loop itself is not learnt. It evens out seconds;
    the governor's leash on it holds hours. Pictures of one size only, and everything as large as a
    picture is written into buffers that are made once. Diffusion thread only.
    """

    def __init__(
        self, width: int, height: int, device: torch.device, memory_s: float = 6.0
    ) -> None:
        self.governor = Governor()
        self._memory_s = memory_s
        self._device = device
        self._to_opponent = torch.tensor(_YCOCG, device=device)
        self._to_rgb = torch.tensor(_RGB, device=device)
        self._memory: Figures | None = None
        self._detail = Detail(width, height, device)
        self._pulled = torch.empty(1, 3, height * width, device=device)
        self._coarse = torch.empty(
            3, len(range(0, height, _STRIDE)), len(range(0, width, _STRIDE)), device=device
        )
        self._opponent = torch.empty_like(self._coarse).flatten(1)

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
        """Return `picture` moved by `amount` in [0, 1] towards the remembered statistics.

        The result is true until the next call.
        """
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
        torch.baddbmm(shift.view(1, 3, 1), matrix.unsqueeze(0), flat, out=self._pulled)
        return self._pulled.view_as(picture)

    def crispen(self, picture: Tensor, amount: float) -> Tensor:
        """Give the picture just learnt, in place, the detail of its scene; `amount` as in `pull`.

        A painter that repaints strongly at a hit and finishes in the pause swings between soft
        and crisp; this evens it out, and no blur can creep in.
        """
        if amount <= 0.0:
            return picture
        mask = self._detail.mask()
        trim = self.governor.trim(*self._detail.moments()) * min(1.0, amount / FIRM)
        return picture.add_(mask, alpha=trim) if abs(trim) >= _LEAST_TRIM else picture

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
        detail = self._detail.look(picture)
        figures: Figures = torch.cat((mean, std, detail.view(1))).double().cpu().numpy()
        return figures

    def _statistics(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        self._coarse.copy_(picture[0, :, ::_STRIDE, ::_STRIDE])
        opponent = torch.mm(self._to_opponent, self._coarse.flatten(1), out=self._opponent)
        return opponent.mean(dim=1), opponent.std(dim=1)
