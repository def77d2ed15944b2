"""Which prompt lives in which row of the governor's table: bookkeeping of texts, without figures.

What a home looks like is known to the device only (`Governor`); which one is meant is known here.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.messages import PromptWeight

HOMES = 128
"""Homes kept; the one not lived in for longest goes first."""
NOWHERE = HOMES
"""A row that means nothing: for pictures that show no prompt alone."""
PURE = 0.95
"""Share from which on a picture shows one prompt and not a mixture."""
LOOKS = {"diffusion/guidance": 0.5, "diffusion/sharpen": 0.1}
"""Knobs that change how a scene looks, and the steps in which they give it another home."""
LOOK_TAU_S = 3.0
"""Routes may make these knobs tremble: what counts is their mean of about this long."""

_Key = tuple[str, tuple[int, ...]]


class Homes:
    """Rows of prompts under the knobs they are seen with. Diffusion thread only."""

    def __init__(self) -> None:
        self._rows: OrderedDict[_Key, int] = OrderedDict()
        self._looks: npt.NDArray[np.float64] | None = None  # smooth values of `LOOKS`, in steps

    def forget(self) -> None:
        """Start over: the next picture is the first of its scene."""
        self._rows.clear()
        self._looks = None

    def look(self, values: Mapping[str, float], dt_s: float) -> None:
        """Take the knobs of the next picture, `dt_s` seconds after the one before."""
        looks = np.array([values[name] / step for name, step in LOOKS.items()])
        if self._looks is None:
            self._looks = looks
        self._looks = self._looks - math.expm1(-dt_s / LOOK_TAU_S) * (looks - self._looks)

    def settle(self, prompts: Sequence[PromptWeight]) -> tuple[int, bool]:
        """Return the row of the prompt that is alone in the picture, and whether it is new."""
        heaviest = max(prompts, key=lambda prompt: prompt.weight)
        if heaviest.weight < PURE:
            return NOWHERE, True
        key = self._key(heaviest.text)
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
            return row, False
        if len(self._rows) == HOMES:
            _, row = self._rows.popitem(last=False)
        else:
            row = len(self._rows)
        self._rows[key] = row
        return row, True

    def shares(self, prompts: Sequence[PromptWeight]) -> list[tuple[int, float]]:
        """Return row and weight of every prompt that has a home."""
        rows = [(self._rows.get(self._key(prompt.text)), prompt.weight) for prompt in prompts]
        return [(row, weight) for row, weight in rows if row is not None]

    def state(self) -> dict[str, Any]:
        """Texts, steps and rows, oldest first, as plain values."""
        return {
            "looks": None if self._looks is None else self._looks.copy(),
            "rows": [[text, list(steps), row] for (text, steps), row in self._rows.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self._looks = None if state["looks"] is None else np.array(state["looks"])
        self._rows = OrderedDict(
            ((text, tuple(int(step) for step in steps)), int(row))
            for text, steps, row in state["rows"]
        )

    def _key(self, text: str) -> _Key:
        looks = () if self._looks is None else self._looks
        return text, tuple(round(float(step)) for step in looks)
