"""The loop that the training stages share: steps, figures, checkpoints, sheets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tqdm import tqdm

from engine.training.ember.checkpoint import TrainState
from engine.training.ember.metrics import CsvLog

_SAVE_EVERY_S = 120.0
_SHEET_EVERY_S = 600.0
_LOG_EVERY = 25


class Trainer(Protocol):
    """Something that learns in steps."""

    state: TrainState

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch, `share` of the plan being spent; return figures."""
        ...

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs."""
        ...

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped."""
        ...


class Plan(Protocol):
    """How long a run lasts."""

    @property
    def budget_min(self) -> float:
        """Minutes of work, earlier runs included."""
        ...

    @property
    def max_steps(self) -> int | None:
        """Steps instead of minutes, where given."""
        ...


def run_training(
    trainer: Trainer, plan: Plan, path: Path, *, resume: bool, show: Callable[[], None]
) -> None:
    """Train until the plan is spent; checkpoints go to `path`, figures beside it as CSV.

    `show` writes contact sheets; it is called every few minutes and at the end.
    """
    resume = resume and path.exists()
    if resume:
        trainer.restore(path)
    log = CsvLog(path.with_suffix(".csv"), resume=resume)
    state = trainer.state
    saved_s = shown_s = state.seconds
    sums: dict[str, float] = {}
    with tqdm(initial=state.step, desc=path.stem, unit="step", disable=None) as bar:
        while (share := spent_share(state, plan)) < 1:
            for key, value in trainer.step(share).items():
                sums[key] = sums.get(key, 0.0) + value
            bar.update()
            if state.step % _LOG_EVERY == 0:
                means = {key: value / _LOG_EVERY for key, value in sums.items()}
                sums = {}
                bar.set_postfix({key: f"{value:.4f}" for key, value in means.items()})
                log.write({"step": state.step, "seconds": state.seconds, **means})
            if state.seconds - saved_s >= _SAVE_EVERY_S:
                saved_s = state.seconds
                trainer.save(path)
            if state.seconds - shown_s >= _SHEET_EVERY_S:
                shown_s = state.seconds
                show()
    trainer.save(path)
    show()


def spent_share(state: TrainState, plan: Plan) -> float:
    """Spent share of the plan: of the steps where they are given, else of training time."""
    if plan.max_steps is not None:
        return min(1.0, state.step / plan.max_steps)
    return min(1.0, state.seconds / (60 * plan.budget_min))
