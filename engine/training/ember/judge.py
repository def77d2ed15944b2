"""Trains the judge, and measures it on painted pictures that it never saw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from engine.errors import TrainingError
from engine.scoring.judge import Judge, Reference, features_of
from engine.scoring.judge_network import JudgeConfig, JudgeNetwork
from engine.training.ember.checkpoint import TrainState
from engine.training.ember.judge_pictures import (
    JudgeFile,
    JudgeSource,
    style_indices,
    wear,
)
from engine.training.ember.number_format import fast_numbers
from engine.training.ember.rates import learning_rate

_LOOK_AT = 16


@dataclass(frozen=True, slots=True)
class JudgePlan:
    """How long and how to train."""

    budget_min: float
    max_steps: int | None = None
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: int = 100
    decay_from: float = 0.0
    floor: float = 0.005
    average_decay: float = 0.998


class JudgeTrainer:
    """One step at a time; everything random comes from the seed and the step number."""

    def __init__(
        self,
        config: JudgeConfig,
        source: JudgeSource,
        plan: JudgePlan,
        *,
        device: str,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.network = JudgeNetwork(config).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(
            self.network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay
        )
        self.state = TrainState(self.network, optimiser, plan.average_decay)
        self._plan = plan
        self._source = source
        self._device = device

    def averaged(self) -> JudgeNetwork:
        """A copy on the CPU with the averaged weights, rounded to float16 as they ship."""
        copy = JudgeNetwork(self.network.config)
        copy.load_state_dict(self.state.averaged_state())
        return copy.half().float().eval().requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs."""
        config = self.network.config
        classes = {"scenes": list(config.scenes), "styles": list(config.styles)}
        self.state.save(path, {"stage": "judge", **classes})

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped. Raises `TrainingError` where the data have changed."""
        note = self.state.restore(path)
        config = self.network.config
        stored = (tuple(note.get("scenes", ())), tuple(note.get("styles", ())))
        if stored != (config.scenes, config.styles):
            raise TrainingError(
                f"{path} was trained on other scenes or styles: delete it and train again"
            )

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch; `share` of the plan in [0, 1] sets the learning rate."""
        began = time.perf_counter()
        state = self.state
        state.set_rate(learning_rate(self._plan, state.step, share))
        self.network.train()
        batch = self._source.batch(state.step, self._plan.batch)
        pictures, scenes, styles = (part.to(self._device) for part in batch)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with fast_numbers(self._device):
            scene_scores, style_scores = self.network(pictures)
        figures = {"scene_loss": F.cross_entropy(scene_scores.float(), scenes)}
        if style_scores is not None:
            figures["style_loss"] = F.cross_entropy(style_scores.float(), styles)
        state.learn(torch.stack(list(figures.values())).sum(), most_norm=5.0)
        figures["scene_accuracy"] = _share_right(scene_scores, scenes)
        if style_scores is not None:
            figures["style_accuracy"] = _share_right(style_scores, styles)
        state.spend(time.perf_counter() - began)
        return {name: float(figure.detach()) for name, figure in figures.items()}


def look_at_held_out(network: JudgeNetwork, files: Sequence[JudgeFile]) -> Reference:
    """Features of the square held-out pictures, whole and unworn.

    Raises `TrainingError` where there are none.
    """
    config = network.config
    features, scenes, styles = [], [], []
    for file in files:
        rows = file.source.held_out_rows()
        if file.source.shape != "square" or not len(rows):
            continue
        indices = style_indices(file, config.styles)
        for first in range(0, len(rows), _LOOK_AT):
            part = rows[first : first + _LOOK_AT]
            features.append(features_of(network, np.asarray(file.source.pictures[part])))
        scenes += [config.scenes.index(file.scene)] * len(rows)
        styles += indices[rows].tolist()
    if not features:
        raise TrainingError("no held-out square pictures: paint at least 12 per scene")
    # As they will be read back, so that the figures below are those of what ships.
    stored = np.concatenate(features).astype(np.float16).astype(np.float32)
    return Reference(stored, np.array(scenes, np.int64), np.array(styles, np.int64))


def held_out_figures(
    judge: Judge, files: Sequence[JudgeFile], shrunk: Sequence[NDArray[np.uint8]], *, seed: int
) -> dict[str, Any]:
    """How often the judge is right about its reference, and about worn held-out pictures."""
    reference = judge.reference
    verdict = judge.look_again(reference.features)
    right = verdict.scenes == reference.scenes
    by_scene = {
        name: round(float(right[reference.scenes == index].mean()), 4)
        for index, name in enumerate(judge.scenes)
        if (reference.scenes == index).any()
    }
    figures: dict[str, Any] = {
        "held_out_pictures": len(right),
        "scene_accuracy": round(float(right.mean()), 4),
        "scene_accuracy_worn": round(_worn_accuracy(judge, files, shrunk, seed), 4),
        "style_accuracy": None,
        "by_scene": by_scene,
    }
    if verdict.styles is not None:
        style_right = verdict.styles == reference.styles
        figures["style_accuracy"] = round(float(style_right.mean()), 4)
    return figures


def _worn_accuracy(
    judge: Judge, files: Sequence[JudgeFile], shrunk: Sequence[NDArray[np.uint8]], seed: int
) -> float:
    """How often it is right about held-out pictures that are worn as in training."""
    rng = np.random.default_rng((seed, 2))
    right: list[bool] = []
    for file, small in zip(files, shrunk, strict=True):
        rows = file.source.held_out_rows()
        for first in range(0, len(rows), _LOOK_AT):
            worn = np.stack([wear(small[row], rng) for row in rows[first : first + _LOOK_AT]])
            found = judge.look(worn).scenes
            right += (found == judge.scenes.index(file.scene)).tolist()
    return float(np.mean(right))


def _share_right(scores: Tensor, classes: Tensor) -> Tensor:
    return (scores.argmax(dim=1) == classes).float().mean()
