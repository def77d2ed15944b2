"""How each stage is trained: steps, rates, batches and clipping as CLAP2Diffusion has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

STAGES = ("1", "2", "3")
PRECISIONS = ("auto", "float32", "bfloat16")
_LOWEST_RATE = 1e-6
_LAST_STAGE = 3


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage: 1 aligns rows with captions, 2 paints, 3 polishes the last layers."""

    stage: int
    steps: int
    learning_rate: float
    batch: int
    accumulate: int
    clip_norm: float
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a step: held, but in the last stage by a cosine down to 1e-6."""
        if self.stage != _LAST_STAGE:
            return self.learning_rate
        share = min(1.0, step / max(1, self.steps))
        lowest = min(_LOWEST_RATE, self.learning_rate)
        return lowest + (self.learning_rate - lowest) * 0.5 * (1.0 + math.cos(math.pi * share))


STAGE_PLANS = {
    1: StagePlan(1, 3000, 1e-4, 8, 2, 1.0),
    2: StagePlan(2, 2000, 5e-5, 4, 4, 1.0),
    3: StagePlan(3, 1000, 1e-5, 2, 8, 0.5),
}
