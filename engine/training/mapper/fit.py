"""How mappers learn: V2D's losses on centred prompts, early stop, resumable to the last bit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from engine.conditioning.mapper_embedding import EmbeddingMapper
from engine.errors import TrainingError
from engine.training.ember.checkpoint import TrainState, stored_part
from engine.training.ember.metrics import CsvLog
from engine.training.mapper.figures import POOLED_COSINE, POOLED_MSE
from engine.training.mapper.lessons import Lessons

_AVERAGE = 0.99
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class FitPlan:
    """How long and how fast to learn."""

    budget_min: float
    max_epochs: int = 200
    patience: int = 12
    """Epochs without a better answer to what is checked, after which it is enough."""
    batch: int = 128
    learning_rate: float = 5e-4
    weight_decay: float = 0.02
    noise: float = 0.0
    """Standard deviation of what is added to directions, whose length is 1 again afterwards."""


def set_scalings(mapper: EmbeddingMapper, lessons: Lessons, prompts: Tensor) -> None:
    """Have the mapper read and write about the mean of what it learns from.

    Raises `TrainingError` where all prompts are the same: there is nothing to learn.
    """
    heard = torch.from_numpy(lessons.heard).flatten(0, -2)
    mapper.input_mean.copy_(heard.mean(dim=0))
    deviation = heard.std(dim=0, correction=0)
    floor = 0.05 * float(deviation.square().mean().sqrt()) + _TINY
    mapper.input_scale.copy_((deviation.square() + floor**2).sqrt())
    counts = torch.bincount(torch.from_numpy(lessons.prompt), minlength=len(prompts)).double()
    share = counts / counts.sum()
    mean = share @ prompts.double()  # exact where all are the same
    scale = (share @ (prompts - mean).square()).sqrt()
    rms = float(scale.square().mean().sqrt())
    if rms < _TINY:
        raise TrainingError(
            f"all {len(counts)} captions to learn from become one prompt: there is nothing to "
            "learn; give more that differ, or leave no clips out (--fold 0)"
        )
    mapper.output_mean.copy_(mean)
    mapper.output_scale.copy_(torch.where(scale < 1e-4 * rms, 0.0, scale))


def centred_loss(mapper: EmbeddingMapper, written: Tensor, right: Tensor) -> Tensor:
    """V2D's loss about the mean prompt, in units of how much prompts differ.

    About the mean, because prompts of one model resemble each other and the mean alone has a
    cosine near 1 to each. One vector: 0.7 (1 - cos) + 0.3 MSE; a sequence: the sum of the MSEs
    of its parts + (1 - their mean cosine).
    """
    rms = mapper.output_scale.square().mean().sqrt()
    found, wanted = ((x - mapper.output_mean) / rms for x in (written, right))
    if not mapper.shape.patches:
        return POOLED_COSINE * _lack(found, wanted) + POOLED_MSE * F.mse_loss(found, wanted)
    sizes = [block.rows * block.columns for block in mapper.shape.blocks]
    sizes += [mapper.target.pooled_width] if mapper.target.pooled_width else []
    parts = list(zip(torch.split(found, sizes, 1), torch.split(wanted, sizes, 1), strict=True))
    lack = torch.stack([_lack(a, b) for a, b in parts]).mean()
    return torch.stack([F.mse_loss(a, b) for a, b in parts]).sum() + lack


def _lack(a: Tensor, b: Tensor) -> Tensor:
    return 1.0 - F.cosine_similarity(a, b, dim=1).mean()


class MapperTrainer:
    """Learns in epochs; `mapper` ends as it was when it answered best what is checked."""

    def __init__(
        self, mapper: EmbeddingMapper, learned: Lessons, checked: Lessons, prompts: Tensor,
        plan: FitPlan, *, seed: int, device: str = "cpu",
    ) -> None:  # fmt: skip
        torch.manual_seed(seed)
        self.mapper = mapper.to(device)
        self._learned, self._checked = _on(learned, device), _on(checked, device)
        self._prompts = prompts.to(device)
        self._plan, self._seed = plan, seed
        optimiser = torch.optim.AdamW(
            mapper.network.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        self.state = TrainState(mapper.network, optimiser, _AVERAGE)
        self.epochs = self.best_epoch = 0
        self.best_loss = float("inf")
        self._best = self.state.averaged_state()

    @property
    def done(self) -> bool:
        """Whether time, epochs or patience are spent."""
        waited = self.epochs - self.best_epoch
        spent = self.state.seconds >= 60.0 * self._plan.budget_min
        return spent or self.epochs >= self._plan.max_epochs or waited >= self._plan.patience

    def epoch(self) -> dict[str, float]:
        """Go once through what is learned; return figures."""
        started_s = time.perf_counter()
        self.epochs += 1
        torch.manual_seed(self._seed * 1_000_003 + self.epochs)
        heard, prompt = self._learned
        order = np.random.default_rng((self._seed, self.epochs)).permutation(len(heard))
        self.mapper.train()
        total = 0.0
        for rows in torch.split(torch.from_numpy(order).to(heard.device), self._plan.batch):
            written = self.mapper(self._noisy(heard[rows]))
            loss = centred_loss(self.mapper, written, self._prompts[prompt[rows]])
            total += float(loss.detach()) * len(rows)
            self.state.learn(loss)
        checked = self._check()
        self.state.spend(time.perf_counter() - started_s)
        return {"epoch": self.epochs, "seconds": self.state.seconds, "loss": total / len(heard),
                "checked_loss": checked, "best_loss": self.best_loss}  # fmt: skip

    def take_best(self) -> EmbeddingMapper:
        """Return the mapper as it was at its best, on the CPU."""
        self.mapper.network.load_state_dict(self._best)
        return self.mapper.to("cpu").eval()

    def save(self, path: Path, facts: Mapping[str, Any]) -> None:
        """Write everything that `restore` needs."""
        note = {"epochs": self.epochs, "best_epoch": self.best_epoch, "facts": dict(facts),
                "best_loss": self.best_loss}  # fmt: skip
        self.state.save(path, note, {f"best.{name}": v for name, v in self._best.items()})

    def restore(self, path: Path, facts: Mapping[str, Any]) -> None:
        """Take up where `save` stopped. Raises `TrainingError` for a run of other settings."""
        note = self.state.restore(path)
        if note.get("facts") != dict(facts):
            raise TrainingError(
                f"{path} is of another run ({note.get('facts')}): repeat its settings, or leave "
                "--resume out to begin anew"
            )
        self.epochs, self.best_epoch = int(note["epochs"]), int(note["best_epoch"])
        self.best_loss = float(note["best_loss"])
        self._best = stored_part(path, "best.")

    @torch.no_grad()
    def _check(self) -> float:
        kept = {name: v.detach().clone() for name, v in self.mapper.network.state_dict().items()}
        self.mapper.network.load_state_dict(self.state.averaged_state())
        self.mapper.eval()
        heard, prompt = self._checked
        loss = float(centred_loss(self.mapper, self.mapper(heard), self._prompts[prompt]))
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epochs
            self._best = {
                k: v.detach().clone() for k, v in self.mapper.network.state_dict().items()
            }
        self.mapper.network.load_state_dict(kept)
        return loss

    def _noisy(self, heard: Tensor) -> Tensor:
        if not self._plan.noise:
            return heard
        moved = heard + self._plan.noise * torch.randn_like(heard)
        return F.normalize(moved, dim=-1) if self.mapper.shape.unit else moved


def fit(trainer: MapperTrainer, path: Path, facts: Mapping[str, Any], *, resume: bool) -> None:
    """Train until it is done; checkpoint to `path` after every epoch, figures beside it as CSV."""
    resume = resume and path.exists()
    if resume:
        trainer.restore(path, facts)
    log = CsvLog(path.with_suffix(".csv"), resume=resume)
    with tqdm(initial=trainer.epochs, desc="mapper", unit="epoch", disable=None) as bar:
        while not trainer.done:
            figures = trainer.epoch()
            log.write(figures)
            bar.update()
            bar.set_postfix(checked=f"{figures['checked_loss']:.4f}")
            trainer.save(path, facts)


def ridge(
    mapper: EmbeddingMapper, learned: Lessons, checked: Lessons, prompts: Tensor
) -> EmbeddingMapper:
    """Fill a `linear` mapper by ridge regression; the penalty is what answers `checked` best.

    W = (X'X + n l I)^-1 X'Y on scaled vectors; sums per prompt, so that Y is never written out.
    """
    x = (torch.from_numpy(learned.heard) - mapper.input_mean) / mapper.input_scale
    index = torch.from_numpy(learned.prompt)
    sums = torch.zeros(len(prompts), x.shape[1], dtype=torch.float64)
    sums.index_add_(0, index, x.double())
    across = (sums.T @ (prompts - mapper.output_mean).double()) / len(x)  # (width, flat)
    covariance = x.double().T @ x.double() / len(x)
    scale = mapper.output_scale.double()
    across = torch.where(scale > 0, across / scale.clamp_min(1e-30), 0.0)
    best: tuple[float, Tensor] | None = None
    for penalty in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
        eye = torch.eye(len(covariance), dtype=torch.float64)
        weight = torch.linalg.solve(covariance + penalty * eye, across).T.float().contiguous()
        loss = _linear_loss(mapper, weight, checked, prompts)
        if best is None or loss < best[0]:
            best = (loss, weight)
    assert best is not None
    _set_linear(mapper, best[1])
    return mapper.eval()


@torch.no_grad()
def _linear_loss(
    mapper: EmbeddingMapper, weight: Tensor, checked: Lessons, prompts: Tensor
) -> float:
    _set_linear(mapper, weight)
    right = prompts[torch.from_numpy(checked.prompt)]
    return float(centred_loss(mapper, mapper(torch.from_numpy(checked.heard)), right))


@torch.no_grad()
def _set_linear(mapper: EmbeddingMapper, weight: Tensor) -> None:
    mapper.network.get_parameter("weight").copy_(weight)
    mapper.network.get_parameter("bias").zero_()


def _on(lessons: Lessons, device: str) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(lessons.heard).to(device), torch.from_numpy(lessons.prompt).to(device)
