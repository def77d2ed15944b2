"""How the learning rate goes through a run."""

from __future__ import annotations

import math
from typing import Protocol


class RatePlan(Protocol):
    """What a plan says of its rate."""

    @property
    def learning_rate(self) -> float:
        """The rate between warm-up and decay."""
        ...

    @property
    def warm_up(self) -> int:
        """Steps until the rate is reached."""
        ...

    @property
    def decay_from(self) -> float:
        """Share of the plan from which on the rate falls."""
        ...

    @property
    def floor(self) -> float:
        """What is left of the rate at the end."""
        ...


def learning_rate(plan: RatePlan, step: int, share: float) -> float:
    """Linear warm-up, constant, then cosine to `floor` over the last part of the plan."""
    return plan.learning_rate * rate_share(plan, step, share)


def rate_share(plan: RatePlan, step: int, share: float) -> float:
    """`learning_rate` as a share of the plan's rate, for plans with more rates than one."""
    warm = min(1.0, (step + 1) / plan.warm_up)
    late = max(0.0, share - plan.decay_from) / max(1e-6, 1 - plan.decay_from)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, late)))
    return warm * (plan.floor + (1 - plan.floor) * cosine)
