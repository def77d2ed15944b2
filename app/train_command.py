"""`sonolume train`: one command per stage, resumable."""

from __future__ import annotations

import argparse

from engine.errors import TrainingError


def run(options: argparse.Namespace) -> int:
    """Run one stage within its budget."""
    from engine.diffusion.device import choose_device, set_threads
    from engine.training.ember.stages import STAGES

    stage = STAGES.get(options.stage)
    if stage is None:
        raise TrainingError(f"no stage {options.stage!r}; there are {', '.join(STAGES)}")
    stage(
        options.out,
        budget_min=options.budget,
        resume=options.resume,
        device=choose_device(options.device_compute).type,
        seed=options.seed,
        threads=set_threads(options.threads),
    )
    return 0
