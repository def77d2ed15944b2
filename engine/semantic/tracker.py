"""From probabilities that flicker to one label that is held."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Float32

SMOOTH_S = 0.2
"""Time constant of the probabilities."""
MARGIN = 0.2
"""By how much another label must be likelier than the one held ..."""
ENOUGH = 0.3
"""A label less likely than this is not taken up."""
CONFIRM_S = 0.4
"""And for how long, so that a second look agrees with the first."""
HOLD_S = 1.0
"""So long a label is held at least."""
FORGET_S = 3.0
"""After so long without being heard a label is let go."""
SILENCE_S = 3.0
"""After so long of silence no label is held any more, and nothing is described."""


class LabelTracker:
    """Smooths, holds and lets go. All times are musical; one thread."""

    def __init__(self, labels: int) -> None:
        self.probabilities: Float32 = np.zeros(labels, np.float32)
        """Smoothed, sum 1 (0 before the first)."""
        self.label = -1
        self.switches = 0
        self._held_s = math.inf
        self._unheard_s = 0.0
        self._rival = -1
        self._leads_s = 0.0

    def hear(self, probabilities: Float32 | None, dt_s: float) -> None:
        """Take what was heard over the last `dt_s` seconds; None when it was nothing known."""
        self._held_s += dt_s
        if probabilities is None:
            self._miss(dt_s)
            return
        if not self.probabilities.any():
            self.probabilities = probabilities.astype(np.float32)
        else:
            share = np.float32(1.0 - math.exp(-dt_s / SMOOTH_S))
            self.probabilities = self.probabilities + share * (probabilities - self.probabilities)
        best = int(self.probabilities.argmax())
        if self.label >= 0 and float(self.probabilities[self.label]) < ENOUGH / 2.0:
            self._unheard_s += dt_s
        else:
            self._unheard_s = 0.0
        held = float(self.probabilities[self.label]) if self.label >= 0 else 0.0
        clear = float(self.probabilities[best]) >= max(held + MARGIN, ENOUGH)
        self._leads_s = self._leads_s + dt_s if clear and best == self._rival else 0.0
        self._rival = best if clear else -1
        sure = self.label < 0 or self._leads_s >= CONFIRM_S
        if best != self.label and clear and sure and self._held_s >= HOLD_S:
            self._take(best)
        elif self._unheard_s >= FORGET_S:
            self._take(-1)

    def let_go(self) -> None:
        """Hold nothing: it has been silent for long."""
        self._take(-1)
        self.probabilities = np.zeros_like(self.probabilities)

    def _miss(self, dt_s: float) -> None:
        self._unheard_s += dt_s
        if self._unheard_s >= FORGET_S and self.label >= 0:
            self._take(-1)
        if self.label < 0:
            self.probabilities = np.zeros_like(self.probabilities)

    def _take(self, label: int) -> None:
        if label != self.label:
            self.switches += 1
        self.label = label
        self._held_s = 0.0 if label >= 0 else math.inf
        self._unheard_s = 0.0
