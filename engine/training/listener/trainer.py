"""Trains the listener: every window shall point where the words of its label point."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.messages import Float32
from engine.semantic.bank import Bank
from engine.semantic.embedded import TAUGHT_TEMPERATURE
from engine.semantic.text_space import TextSpace
from engine.training.ember.checkpoint import TrainState
from engine.training.ember.rates import learning_rate
from engine.training.listener.batches import WindowSource
from engine.training.listener.network import TrainableListener

_AVERAGE = 0.995


@dataclass(frozen=True, slots=True)
class ListenerPlan:
    """How long and how fast to learn."""

    budget_min: float
    max_steps: int | None = None
    batch: int = 64
    learning_rate: float = 3e-3
    warm_up: int = 100
    decay_from: float = 0.4
    floor: float = 0.02
    weight_decay: float = 0.02
    smoothing: float = 0.05


class ListenerTrainer:
    """Learns by contrast: cosines to one phrase of each label, drawn anew for every batch.

    So the network learns the directions of words and not numbers of classes, and is asked later
    for labels that it never heard of.
    """

    def __init__(
        self, source: WindowSource, bank: Bank, space: TextSpace, plan: ListenerPlan, *, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self._source = source
        self._plan = plan
        self._seed = seed
        self._phrases = [space.directions(label.phrases) for label in bank.labels]
        network = TrainableListener(space.width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        self.network: TrainableListener = network
        self.state = TrainState(network, optimiser, _AVERAGE)

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch, `share` of the plan being spent; return figures."""
        started_s = time.perf_counter()
        self.state.set_rate(learning_rate(self._plan, self.state.step, share))
        rng = np.random.default_rng((self._seed, self.state.step))
        torch.manual_seed(self._seed * 1_000_003 + self.state.step)
        batch = self._source.batch(rng, self._plan.batch)
        words = torch.from_numpy(self._words(rng))
        shares = torch.from_numpy(batch.shares)
        self.network.train()
        cosines = self.network(torch.from_numpy(batch.levels)) @ words.T
        loss = F.cross_entropy(
            cosines / TAUGHT_TEMPERATURE, shares, label_smoothing=self._plan.smoothing
        )
        self.state.learn(loss)
        self.state.spend(time.perf_counter() - started_s)
        named = (cosines.argmax(dim=1) == shares.argmax(dim=1)).float().mean()
        return {"loss": float(loss.detach()), "named": float(named)}

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs."""
        self.state.save(path, {"seed": self._seed})

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped."""
        self.state.restore(path)

    def averaged(self) -> TrainableListener:
        """The network with averaged weights, for evaluation."""
        network = TrainableListener(self.network.out.out_features)
        network.load_state_dict(self.state.averaged_state())
        return network.eval()

    def _words(self, rng: np.random.Generator) -> Float32:
        """One direction per label: a phrase of it, or the mean of all."""
        rows = []
        for phrases in self._phrases:
            pick = int(rng.integers(len(phrases) + 1))
            row = phrases.mean(axis=0) if pick == len(phrases) else phrases[pick]
            rows.append(row / (np.linalg.norm(row) + 1e-9))
        return np.stack(rows).astype(np.float32)


def label_directions(bank: Bank, space: TextSpace) -> Tensor:
    """Directions of the labels of a bank as they are listened for, `(labels, width)`."""
    means = np.stack([space.directions(label.phrases).mean(axis=0) for label in bank.labels])
    return torch.from_numpy(means / (np.linalg.norm(means, axis=1, keepdims=True) + 1e-9))
