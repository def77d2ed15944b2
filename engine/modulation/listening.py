"""Prompts of what is heard, in sounds or in notes, mixed into the prompts of the walk."""

from __future__ import annotations

from collections.abc import Sequence

from engine.messages import PromptWeight
from engine.modulation.envelopes import share_covered

ARRIVE_MS = 2000.0
"""In this time a sound's picture has come (95 %), or has handed over to another's."""
LEAVE_MS = 5000.0
"""And in this it has given way to the preset's own prompts when nothing known is heard."""
_LEAST = 1e-3
_MOST = 2
"""Sounds in the picture at once: the newest and the one that goes."""


class HeardPrompts:
    """Which sounds' prompts are in the picture, and how much. Analysis thread only."""

    def __init__(self) -> None:
        self.prompt = ""
        """What is heard now; empty while nothing is."""
        self._shares: dict[str, float] = {}  # sum at most 1

    def step(
        self, walk: tuple[PromptWeight, ...], amount: float, dt_s: float
    ) -> tuple[PromptWeight, ...]:
        """Go on for `dt_s` seconds; return weights of sum 1, at most two sounds' beside `walk`.

        `amount` in [0, 1] (`prompt/listen`, `prompt/describe`): how much of the picture is theirs.
        """
        covered = share_covered(dt_s, ARRIVE_MS if self.prompt else LEAVE_MS)
        for text in {*self._shares, self.prompt} - {""}:
            wanted = 1.0 if text == self.prompt else 0.0
            before = self._shares.get(text, 0.0)
            self._shares[text] = before + (wanted - before) * covered
        kept = sorted(self._shares, key=lambda text: -self._shares[text])
        kept = [text for text in kept if text != self.prompt][: _MOST - bool(self.prompt)]
        self._shares = {
            text: share
            for text, share in self._shares.items()
            if text == self.prompt or (text in kept and share >= _LEAST)
        }
        if amount <= 0.0 or not self._shares:
            return walk
        heard = [PromptWeight(text, amount * share) for text, share in self._shares.items()]
        left = 1.0 - sum(part.weight for part in heard)
        parts = [PromptWeight(part.text, left * part.weight) for part in walk]
        return _merged([*heard, *parts])  # the walk last: its newest prompt is the newest


def _merged(parts: Sequence[PromptWeight]) -> tuple[PromptWeight, ...]:
    """One entry per text, those that do not count left out, sum 1."""
    weights: dict[str, float] = {}
    for part in parts:
        weights[part.text] = weights.get(part.text, 0.0) + part.weight
    counted = {text: weight for text, weight in weights.items() if weight > 1e-6}
    total = sum(counted.values())
    return tuple(PromptWeight(text, weight / total) for text, weight in counted.items())
