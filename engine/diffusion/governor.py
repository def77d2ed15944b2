"""The governor: closes the loop on light, colour and crispness, so that hours look like minutes.

A model that paints over its own pictures wanders: nothing pulls a scene's brightness, colour or
detail back to where they were. The governor remembers, for every prompt, how the model painted it
in its first seconds (its home), and keeps a leash on how far the loop may stray from there. Within
the leash everything is free, so that pictures live; at its end the picture is held, gently. Knobs
that change the look of a scene lead to another home (`Homes`).

Figures of a picture never leave the device: what is governed is a few dozen numbers in tensors,
written in place, so that a frame that contains the governor can be recorded and replayed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine.diffusion.frame_params import MOST_PROMPTS, FrameParams
from engine.diffusion.homes import HOMES, Homes
from engine.messages import PromptWeight

FIGURES = 7
"""Means of Y, Co, Cg, their spreads (standard deviations), and the detail, in this order.

Colours are YCoCg of RGB in [-1, 1]; detail is the logarithm of the variance of the Laplacian of Y.
"""
MEAN, SPREAD, DETAIL = slice(0, 3), slice(3, 6), 6

LEASH = 0.06
"""How far, of its home, light and colour may stray before they are held."""
HOME_S = 10.0
"""A prompt's home is the mean of its first so many seconds."""
SMOOTH_TAU_S = 1.5
"""A hit may stray for a moment: what is governed is the mean of about this long."""
CORRECTION_PER_S = 0.5
"""How fast a correction grows, per second and share that a figure is off its leash."""
CORRECTION_TAU_S = 20.0
"""How fast it lets go."""
STRANGER_TAU_S = 2.0
"""The same while a prompt has no home yet: it must not inherit the corrections of another."""
LARGEST_CORRECTION = 0.5
EVENNESS = 0.9
"""Share of a scene's swings in detail that is taken out."""
TRIM_RANGE = (-0.7, 1.0)
"""Strongest softening and sharpening."""
AT_REST = 0.01
"""Corrections below this are none."""
LONGEST_STEP_S = 0.25
_LEAST_HELD = 1e-3


class Governor:
    """Homes of prompts, and what keeps a loop near them. Diffusion thread only.

    `plan` is the host's part of a picture, everything that takes tensors the device's.
    """

    def __init__(self, params: FrameParams, device: torch.device) -> None:
        # Corrections grow by parts in a million; an Apple GPU knows no float64.
        self.dtype = torch.float32 if device.type == "mps" else torch.float64
        self.homes = Homes()
        self._params = params

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=self.dtype, device=device)

        self._figures = zeros(HOMES + 1, FIGURES)
        self._ages_s = zeros(HOMES + 1)
        self._smooth = zeros(FIGURES)
        self._correction = zeros(FIGURES)  # shares of each figure's scale; none for detail
        self._missing_detail = zeros()  # logarithm of a variance
        self._free = zeros(FIGURES).fill_(1.0)  # detail has no leash, it is evened out
        self._free[DETAIL] = math.inf

    def forget(self) -> None:
        """Start over: the next picture is the first of its scene."""
        self.homes.forget()
        for tensor in (self._ages_s, self._smooth, self._correction, self._missing_detail):
            tensor.zero_()

    def plan(
        self, prompts: Sequence[PromptWeight], values: Mapping[str, float], dt_s: float
    ) -> None:
        """Write what the device has to know of the next picture into the frame's parameters."""
        dt_s = min(dt_s, LONGEST_STEP_S)
        self.homes.look(values, dt_s)
        row, is_new = self.homes.settle(prompts)
        self._params.set("home", row)
        self._params.set("home_is_new", float(is_new))
        self._params.set("dt_s", dt_s)
        self._params.set("smooth_share", -math.expm1(-dt_s / SMOOTH_TAU_S))
        self.plan_homes(prompts)

    def plan_homes(self, prompts: Sequence[PromptWeight]) -> None:
        """Write whose homes the next picture is held by."""
        heaviest = sorted(self.homes.shares(prompts), key=lambda share: -share[1])[:MOST_PROMPTS]
        missing = MOST_PROMPTS - len(heaviest)
        self._params.set("homes", [row for row, _ in heaviest] + [0] * missing)
        self._params.set("home_weights", [weight for _, weight in heaviest] + [0.0] * missing)

    def look(self, figures: Tensor, fit: Tensor, started: Tensor) -> None:
        """Take the figures `(7,)` of the picture just painted.

        Nothing is learnt of them unless `fit` (0-d, bool); `started` is 1 once any were.
        """
        self._come_home(figures, fit)
        share = torch.where(started > 0, self._params["smooth_share"].to(self.dtype), 1.0)
        smooth = self._smooth + share * (figures - self._smooth)
        held, home = self._home()
        correction, missing = self._corrected(smooth, held, home)
        for state, new in (
            (self._smooth, smooth), (self._correction, correction),
            (self._missing_detail, missing),
        ):  # fmt: skip
            state.copy_(torch.where(fit, new, state))

    def unrest(self) -> Tensor:
        """Return the largest correction, 0-d; below `AT_REST` nothing has to be corrected."""
        return self._correction.abs().amax()

    def aim(self, figures: Tensor) -> Tensor:
        """Return where to pull the picture so that it ends at `figures`, which the leash allows.

        The model pulls too, elsewhere: the correction is what was missing until now.
        """
        return figures + self._correction * _scale(figures)

    def trim(self, own: Tensor, shared: Tensor, mask: Tensor) -> Tensor:
        """Return the amount k of an unsharp mask x + k h that gives the picture x its detail.

        With L the Laplacian: `own` is the variance of Lx, `mask` that of Lh and `shared` their
        covariance, so that the variance of L(x + k h) is own + 2 k shared + k^2 mask.
        """
        wanted = own * self._missing_detail.exp()
        root = (shared.square() - mask * (own - wanted)).clamp_min(0.0)
        amount = (root.sqrt() - shared) / mask
        wise = (mask > 0.0) & (self._missing_detail != 0.0)
        return torch.where(wise, amount, 0.0).clamp(*TRIM_RANGE)

    def leashed(self, figures: Tensor) -> Tensor:
        """Return `figures`, or the nearest that the homes of the planned prompts allow."""
        return self._leashed(figures, *self._home())

    def state(self) -> dict[str, Any]:
        """Everything the next picture depends on, as plain values and arrays."""
        return {"homes": self.homes.state()} | {
            name: tensor.cpu().numpy().copy() for name, tensor in self._tensors().items()
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.homes.restore(state["homes"])
        for name, tensor in self._tensors().items():
            tensor.copy_(torch.as_tensor(state[name]))

    def _tensors(self) -> dict[str, Tensor]:
        return {
            "figures": self._figures, "ages_s": self._ages_s, "smooth": self._smooth,
            "correction": self._correction, "missing_detail": self._missing_detail,
        }  # fmt: skip

    def _come_home(self, figures: Tensor, fit: Tensor) -> None:
        """The prompt that is alone in the picture learns how it looks, while it is young."""
        row = self._params["home"].view(1).long()
        is_new, dt_s = self._params["home_is_new"] > 0, self._params["dt_s"].to(self.dtype)
        home = self._figures.index_select(0, row)[0]
        age_s = torch.where(is_new, 0.0, self._ages_s.index_select(0, row)[0])
        step_s = dt_s * (age_s < HOME_S)
        older_s = age_s + step_s
        start = torch.where(is_new, figures, home)
        share = (step_s / older_s.clamp_min(1e-9)).clamp_max(1.0)
        learnt = start + share * (figures - start)
        self._figures.index_copy_(0, row, torch.where(fit, learnt, home).unsqueeze(0))
        self._ages_s.index_copy_(0, row, torch.where(fit, older_s, age_s).unsqueeze(0))

    def _home(self) -> tuple[Tensor, Tensor]:
        """How much of the planned prompts has a home, 0-d, and the mixture of those homes."""
        rows = self._params["homes"].long()
        age = (self._ages_s.index_select(0, rows) / HOME_S).clamp_max(1.0)
        shares = self._params["home_weights"].to(self.dtype) * age
        held = shares.sum()
        mixed = shares @ self._figures.index_select(0, rows) / held.clamp_min(1e-9)
        return torch.where(held > _LEAST_HELD, held, 0.0), mixed

    def _leashed(self, figures: Tensor, held: Tensor, home: Tensor) -> Tensor:
        # A scene that is still finding its look, or a mixture with one, is on a long leash.
        reach = LEASH / held.square() * _scale(home) * self._free
        return torch.clamp(figures, home - reach, home + reach)

    def _corrected(self, smooth: Tensor, held: Tensor, home: Tensor) -> tuple[Tensor, Tensor]:
        off = (self._leashed(smooth, held, home) - smooth) / _scale(smooth)
        let_go_per_s = 1.0 / CORRECTION_TAU_S + (1.0 - held.clamp_max(1.0)) / STRANGER_TAU_S
        grown = CORRECTION_PER_S * off - let_go_per_s * self._correction
        correction = self._correction + self._params["dt_s"] * grown
        missing = EVENNESS * held * (home[DETAIL] - smooth[DETAIL])
        return correction.clamp(-LARGEST_CORRECTION, LARGEST_CORRECTION), missing


def _scale(figures: Tensor) -> Tensor:
    """What a share of each figure is a share of: its own size, for colours that of all colour."""
    scale = figures.abs()
    scale[0] = figures[0] + 1.0  # of [-1, 1]: twice the luminance
    scale[1:3] = (figures[1:3].square().sum() + figures[4:6].square().sum()).sqrt()
    return scale.clamp_min_(1e-3)
