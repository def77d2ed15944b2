"""The governor: closes the loop on light, colour and crispness, so that hours look like minutes.

A model that paints over its own pictures wanders: nothing pulls a scene's brightness, colour or
detail back to where they were. The governor remembers, for every prompt, how the model painted it
in its first seconds (its home), and keeps a leash on how far the loop may stray from there. Within
the leash everything is free, so that pictures live; at its end the picture is held, gently. Knobs
that change the look of a scene lead to another home. Only plain numbers live here, no tensors.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.messages import PromptWeight

Figures = npt.NDArray[np.float64]
"""Shape `(7,)`: means of Y, Co, Cg, their spreads (standard deviations), and the detail.

Colours are YCoCg of RGB in [-1, 1]; detail is the logarithm of the variance of the Laplacian of Y.
"""

FIGURES = 7
MEAN, SPREAD, DETAIL = slice(0, 3), slice(3, 6), 6
COLOUR = slice(0, 6)

LEASH = 0.06
"""How far, of its home, light and colour may stray before they are held."""
HOME_S = 10.0
"""A prompt's home is the mean of its first so many seconds."""
PURE = 0.95
"""Share from which on a picture shows one prompt and not a mixture."""
HOMES = 128
"""Homes kept; the one not lived in for longest goes first."""
LOOKS = {"diffusion/guidance": 0.5, "diffusion/sharpen": 0.1}
"""Knobs that change how a scene looks, and the steps in which they give it another home."""
LOOK_TAU_S = 3.0
"""Routes may make these knobs tremble: what counts is their mean of about this long."""
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
_LONGEST_STEP_S = 0.25

_Key = tuple[str, tuple[int, ...]]


@dataclass(slots=True)
class _Home:
    figures: Figures
    age_s: float


class Governor:
    """Homes of prompts, and what keeps a loop near them. Diffusion thread only."""

    def __init__(self) -> None:
        self._homes: OrderedDict[_Key, _Home] = OrderedDict()
        self._looks: npt.NDArray[np.float64] | None = None  # smooth values of `LOOKS`, in steps
        self._smooth: Figures | None = None
        self._correction = np.zeros(FIGURES)  # shares of each figure's scale; none for detail
        self._missing_detail = 0.0  # logarithm of a variance

    @property
    def at_rest(self) -> bool:
        """True while nothing has to be corrected."""
        return float(np.abs(self._correction).max()) < AT_REST

    def forget(self) -> None:
        """Start over: the next picture is the first of its scene."""
        self._homes.clear()
        self._looks = None
        self._smooth = None
        self._correction = np.zeros(FIGURES)
        self._missing_detail = 0.0

    def look(
        self,
        figures: Figures,
        prompts: Sequence[PromptWeight],
        values: Mapping[str, float],
        dt_s: float,
    ) -> None:
        """Take the figures of the picture just painted, `dt_s` seconds after the one before."""
        dt_s = min(dt_s, _LONGEST_STEP_S)
        looks = np.array([values[name] / step for name, step in LOOKS.items()])
        if self._looks is None:
            self._looks = looks
        self._looks = self._looks - math.expm1(-dt_s / LOOK_TAU_S) * (looks - self._looks)
        heaviest = max(prompts, key=lambda prompt: prompt.weight)
        if heaviest.weight >= PURE:
            self._come_home(heaviest.text, figures, dt_s)
        if self._smooth is None:
            self._smooth = figures.copy()
        self._smooth = self._smooth - math.expm1(-dt_s / SMOOTH_TAU_S) * (figures - self._smooth)
        self._correct(self._smooth, prompts, dt_s)

    def aim(self, figures: Figures) -> Figures:
        """Return where to pull the picture so that it ends at `figures`, which the leash allows.

        The model pulls too, elsewhere: the correction is what was missing until now.
        """
        return figures + self._correction * _scale(figures)

    def trim(self, own: float, shared: float, mask: float) -> float:
        """Return the amount k of an unsharp mask x + k h that gives the picture x its detail.

        With L the Laplacian: `own` is the variance of Lx, `mask` that of Lh and `shared` their
        covariance, so that the variance of L(x + k h) is own + 2 k shared + k^2 mask.
        """
        wanted = own * math.exp(self._missing_detail)
        root = shared**2 - mask * (own - wanted)
        if self._missing_detail == 0.0 or mask <= 0.0:
            return 0.0
        amount = (math.sqrt(max(root, 0.0)) - shared) / mask
        return min(max(amount, TRIM_RANGE[0]), TRIM_RANGE[1])

    def leashed(self, figures: Figures, prompts: Sequence[PromptWeight]) -> Figures:
        """Return `figures`, or the nearest that the prompts' homes allow."""
        held, home = self._home_of(prompts)
        if home is None:
            return figures
        # A scene that is still finding its look, or a mixture with one, is on a long leash.
        reach = LEASH / held**2 * _scale(home)
        reach[DETAIL] = math.inf  # detail has no leash, it is evened out
        return np.clip(figures, home - reach, home + reach)

    def state(self) -> dict[str, Any]:
        """Everything the next picture depends on, as plain values and arrays."""
        return {
            "correction": self._correction.copy(),
            "missing_detail": self._missing_detail,
            "smooth": None if self._smooth is None else self._smooth.copy(),
            "looks": None if self._looks is None else self._looks.copy(),
            "homes": [[text, list(steps), home.figures.copy(), home.age_s]
                      for (text, steps), home in self._homes.items()],
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._correction = np.array(state["correction"])
        self._missing_detail = float(state["missing_detail"])
        self._smooth = None if state["smooth"] is None else np.array(state["smooth"])
        self._looks = None if state["looks"] is None else np.array(state["looks"])
        self._homes = OrderedDict(
            ((text, tuple(steps)), _Home(np.array(figures), age_s))
            for text, steps, figures, age_s in state["homes"]
        )

    def _come_home(self, text: str, figures: Figures, dt_s: float) -> None:
        key = self._key(text)
        home = self._homes.setdefault(key, _Home(figures.copy(), 0.0))
        self._homes.move_to_end(key)
        if len(self._homes) > HOMES:
            self._homes.popitem(last=False)
        if home.age_s < HOME_S:
            home.age_s += dt_s
            home.figures += min(1.0, dt_s / max(home.age_s, 1e-9)) * (figures - home.figures)

    def _key(self, text: str) -> _Key:
        looks = () if self._looks is None else self._looks
        return text, tuple(round(float(step)) for step in looks)

    def _home_of(self, prompts: Sequence[PromptWeight]) -> tuple[float, Figures | None]:
        """How much of the prompts has a home, in [0, 1], and the mixture of those homes."""
        shares = [
            (prompt.weight * min(1.0, home.age_s / HOME_S), home.figures)
            for prompt in prompts
            if (home := self._homes.get(self._key(prompt.text))) is not None
        ]
        held = sum(share for share, _ in shares)
        if held <= 1e-3:
            return 0.0, None
        mixed: Figures = sum((share * part for share, part in shares), np.zeros(FIGURES)) / held
        return held, mixed

    def _correct(self, smooth: Figures, prompts: Sequence[PromptWeight], dt_s: float) -> None:
        held, home = self._home_of(prompts)
        missing = 0.0 if home is None else held * float(home[DETAIL] - smooth[DETAIL])
        self._missing_detail = EVENNESS * missing
        off = (self.leashed(smooth, prompts) - smooth) / _scale(smooth)
        let_go_per_s = 1.0 / CORRECTION_TAU_S + (1.0 - min(held, 1.0)) / STRANGER_TAU_S
        self._correction += dt_s * (CORRECTION_PER_S * off - let_go_per_s * self._correction)
        self._correction = self._correction.clip(-LARGEST_CORRECTION, LARGEST_CORRECTION)


def _scale(figures: Figures) -> Figures:
    """What a share of each figure is a share of: its own size, for colours that of all colour."""
    light = figures[0] + 1.0  # of [-1, 1]: twice the luminance
    colour = math.sqrt(float(np.sum(figures[1:3] ** 2) + np.sum(figures[4:6] ** 2)))
    scale = np.abs(figures)
    scale[0] = light
    scale[1:3] = colour
    return np.maximum(scale, 1e-3)
