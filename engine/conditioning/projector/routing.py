"""Which part of a U-Net hears which level, and how loud rows are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.conditioning.projector.plan import ROUTINGS, STAGES


class LevelToUNetRouter(nn.Module):
    """Twelve numbers: three levels by three stages of a U-Net, and a gate for each stage."""

    def __init__(self, routing: str = "published") -> None:
        super().__init__()
        # The softmax of the logarithm is the table itself.
        self.routing = nn.Parameter(torch.tensor(ROUTINGS[routing]).log())
        self.gates = nn.Parameter(torch.zeros(len(STAGES)))

    @property
    def table(self) -> Tensor:
        """Levels by stages, rows sum to 1."""
        return torch.softmax(self.routing, dim=-1)

    def shares(self, assignment: Tensor, weights: Tensor) -> Tensor:
        """How much of each token each stage hears, `(b, 10, 3)`, rows sum to 1.

        R = norm(A w) softmax(routing), from `assignment` `(b, 10, 3)` and `weights` `(b, 3)`.
        """
        weighted = assignment * weights[:, None]
        weighted = weighted / weighted.sum(dim=-1, keepdim=True).clamp_min(1e-8)
        shares: Tensor = weighted @ self.table
        return shares

    def stage_gates(self) -> Tensor:
        """How open each stage is, `(3,)` in (0, 1)."""
        return torch.sigmoid(self.gates)


def with_norm(tokens: Tensor, norm: float) -> Tensor:
    """Scale the rows `(b, n, d)` of each sound by one number, so that their mean length is `norm`.

    No gradient flows through the length: a network cannot grow its way out of the scaling.
    """
    with torch.no_grad():
        length = tokens.norm(dim=-1).mean(dim=-1).clamp_min(1e-8)
    scale: Tensor = norm / length
    return tokens * scale[:, None, None]
