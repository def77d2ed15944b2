"""`sonolume train`: one command per stage, resumable."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.clock import MonotonicClock
from engine.errors import TrainingError

STAGE_NAMES = (
    "start", "scenes", "text", "autoencoder", "flow", "reading", "lessons", "distill",
    "distill-lessons", "decoder", "judge", "export", "sheets",
)  # fmt: skip
"""In the order in which they build on each other; named here so that help imports no torch."""


def run(options: argparse.Namespace) -> int:
    """Run one stage within its budget."""
    from engine.diffusion.device import choose_device, set_threads

    stages = _stages(options.what)
    stage = stages.get(options.stage)
    if stage is None:
        raise TrainingError(f"no stage {options.stage!r}; there are {', '.join(stages)}")
    data = options.data or Path("runs") / options.what
    device = choose_device(options.device_compute).type
    threads = set_threads(options.threads)
    clock = MonotonicClock()
    started_s = clock.now()
    stage(
        data,
        budget_min=options.budget,
        resume=options.resume,
        device=device,
        seed=options.seed,
        threads=threads,
    )
    if options.json:
        spent_s = round(clock.now() - started_s, 1)
        done = {"stage": options.stage, "data": str(data), "seconds": spent_s,
                "device": device, "threads": threads, "seed": options.seed}  # fmt: skip
        print(json.dumps(done))
    return 0


def _stages(what: str) -> Mapping[str, Any]:
    if what == "beat":
        from engine.training.beat.pulse_stage import run_pulse

        return {"pulse": run_pulse}
    from engine.training.ember.stages import STAGES

    return STAGES
