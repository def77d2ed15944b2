"""`sonolume train`: one command per stage, resumable."""

from __future__ import annotations

import argparse

from engine.errors import TrainingError


def run(options: argparse.Namespace) -> int:
    """Run one stage within its budget."""
    from engine.training.ember.stages import STAGES

    stage = STAGES.get(options.stage)
    if stage is None:
        raise TrainingError(f"no stage {options.stage!r}; there are {', '.join(STAGES)}")
    stage(
        options.out,
        budget_min=options.budget,
        resume=options.resume,
        device=options.device_compute,
        seed=options.seed,
        threads=options.threads,
    )
    return 0
