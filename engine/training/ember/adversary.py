"""What every critic here has in common: the hinge loss, its optimiser, where it is kept.

A critic judges each place of its maps; positive means painted. What it judges follows its
gradient, scaled to that of the error so that neither has to be balanced by hand (Esser et al.
2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.ember.checkpoint import TrainState


class Adversary:
    """Trains a critic; it is kept beside the checkpoint of what it judges."""

    def __init__(self, critic: nn.Module, learning_rate: float) -> None:
        optimiser = torch.optim.AdamW(
            critic.parameters(), learning_rate, betas=(0.5, 0.98), weight_decay=1e-3
        )
        self.state = TrainState(critic, optimiser, 0.99)

    def learn(self, on_painted: Sequence[Tensor], on_made: Sequence[Tensor]) -> float:
        """One step of the hinge loss on judgements with gradient; return the loss."""
        loss = mean_opinion([F.relu(1 - x) for x in on_painted])
        loss = loss + mean_opinion([F.relu(1 + x) for x in on_made])
        self.state.learn(loss)
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """Write the critic of the checkpoint at `path`."""
        self.state.save(_beside(path), {"stage": "critic"})

    def restore(self, path: Path) -> None:
        """Read the critic of the checkpoint at `path`."""
        self.state.restore(_beside(path))


def mean_opinion(maps: Sequence[Tensor]) -> Tensor:
    """Every map counts the same, however many places it has."""
    return torch.stack([judgement.mean() for judgement in maps]).mean()


def pushed(pull: Tensor, push: Tensor, weight: float) -> Tensor:
    """The gradient `pull` of the error, and `weight` times as much of the critic's."""
    scale = weight * pull.norm() / push.norm().clamp_min(1e-12)
    both: Tensor = pull + scale * push
    return both


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}_critic{path.suffix}")
