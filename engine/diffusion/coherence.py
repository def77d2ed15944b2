"""The anchor: what keeps a picture that feeds on itself from burning out or washing out.

Pictures here are `(1, 3, h, w)` float32 in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.detail import Detail
from engine.diffusion.frame_params import FrameParams
from engine.diffusion.governor import FIGURES, MEAN, SPREAD, Governor
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
    picture is written into buffers that are made once. `plan` is the host's part, the rest the
    device's. Diffusion thread only.
    """

    def __init__(
        self,
        width: int,
        height: int,
        device: torch.device,
        params: FrameParams,
        memory_s: float = 6.0,
    ) -> None:
        self.governor = Governor(params, device)
        self._params = params
        self._memory_s = memory_s
        self._to_opponent = torch.tensor(_YCOCG, device=device)
        self._to_rgb = torch.tensor(_RGB, device=device)
        self._memory = torch.zeros(FIGURES, dtype=self.governor.dtype, device=device)
        self._started = torch.zeros((), device=device)  # 1 once a picture was learnt
        self._fit = torch.ones((), device=device)
        self._detail = Detail(width, height, device)
        self._pulled = torch.empty(1, 3, height * width, device=device)
        self._coarse = torch.empty(
            3, len(range(0, height, _STRIDE)), len(range(0, width, _STRIDE)), device=device
        )
        self._opponent = torch.empty_like(self._coarse).flatten(1)

    def forget(self) -> None:
        """Start over with the next picture."""
        self._started.zero_()
        self.governor.forget()

    def plan(self, control: ControlState, strength: float, dt_s: float) -> None:
        """Write what the device has to know of the picture that is painted for `control` next."""
        amount = control.values["diffusion/anchor"]
        self._params.set("anchor", amount)
        self._params.set("firmness", min(1.0, amount / FIRM))
        share = -math.expm1(-dt_s * (strength**2) * 4.0 / self._memory_s)
        self._params.set("memory_share", share)
        self.governor.plan(control.prompts, control.values, dt_s)

    def learn(self, picture: Tensor) -> None:
        """Remember the picture that the model has just painted."""
        mean, std = self._statistics(picture)
        detail = self._detail.look(picture)
        figures = torch.cat((mean, std, detail.view(1))).to(self.governor.dtype)
        # An overflow must not stay in the memory for ever.
        fit = figures.isfinite().all()
        self.governor.look(figures, fit, self._started)
        share = self._params["memory_share"]
        memory = self.governor.leashed(self._memory + share * (figures - self._memory))
        memory = torch.where(self._started > 0, memory, figures)
        self._memory.copy_(torch.where(fit, memory, self._memory))
        self._fit.copy_(fit)
        torch.maximum(self._started, self._fit, out=self._started)

    def pull(self, picture: Tensor) -> Tensor:
        """Return `picture` moved by the planned amount towards the remembered statistics.

        The result is true until the next call.
        """
        amount = self._params["anchor"] * self._started
        remembered = self.governor.aim(self._memory).float()
        mean, std = self._statistics(picture)
        gain = (remembered[SPREAD] / std.clamp_min(1e-3)).clamp(0.8, 1.25)
        gain = 1.0 + amount * (gain - 1.0)
        offset = amount * (remembered[MEAN] - mean) + mean * (1.0 - gain)
        matrix = (self._to_rgb * gain) @ self._to_opponent
        shift = self._to_rgb @ offset
        flat = picture.flatten(2)  # (1, 3, h*w)
        torch.baddbmm(shift.view(1, 3, 1), matrix.unsqueeze(0), flat, out=self._pulled)
        return self._pulled.view_as(picture)

    def crispen(self, picture: Tensor) -> Tensor:
        """Give the picture just learnt, in place, the detail of its scene, as firmly as planned.

        A painter that repaints strongly at a hit and finishes in the pause swings between soft
        and crisp; this evens it out, and no blur can creep in.
        """
        mask = self._detail.mask()
        trim = self.governor.trim(*self._detail.moments().to(self.governor.dtype))
        trim = trim * self._params["firmness"]
        trim = torch.where(trim.abs() >= _LEAST_TRIM, trim, 0.0)
        return picture.add_(mask.mul_(trim.float()))

    def report(self) -> Tensor:
        """Return, `(2,)`: the governor's unrest, and 1 where the last picture was finite."""
        return torch.stack((self.governor.unrest().float(), self._fit))

    def state(self) -> dict[str, Any]:
        """Everything the next picture depends on, as plain values and arrays."""
        return {
            "memory": self._memory.cpu().numpy().copy(),
            "started": float(self._started),
            "governor": self.governor.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._memory.copy_(torch.as_tensor(state["memory"]))
        self._started.fill_(state["started"])
        self.governor.restore(state["governor"])

    def _statistics(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        self._coarse.copy_(picture[0, :, ::_STRIDE, ::_STRIDE])
        opponent = torch.mm(self._to_opponent, self._coarse.flatten(1), out=self._opponent)
        return opponent.mean(dim=1), opponent.std(dim=1)
