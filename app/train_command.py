"""`sonolume train`: ember and the projector in stages, the listener, mappers; all resumable."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.clock import MonotonicClock
from engine.errors import UsageError

STAGE_NAMES = (
    "start", "scenes", "text", "autoencoder", "flow", "reading", "lessons", "distill",
    "distill-lessons", "decoder", "judge", "export", "sheets",
)  # fmt: skip
"""In the order in which they build on each other; named here so that help imports no torch."""
BEAT_STAGE_NAMES = ("pulse",)
SIGHTS_STAGE_NAMES = ("pictures", "heads", "adapter")
PROJECTOR_STAGE_NAMES = ("1", "2", "3")
PROJECTOR_ENCODERS = ("ear", "clap")


def run(options: argparse.Namespace) -> int:
    """Run one stage of ember, or train the listener or a mapper, within its budget."""
    _check_numbers(options)
    if options.what == "listener":
        return _train_listener(options)
    if options.what == "projector":
        from app.train_projector_command import train_projector

        return train_projector(options)
    if options.what == "sights":
        return _train_sights(options)
    if options.what in ("mapper", "vggish"):
        from app.train_mapper_command import convert, train_mapper

        return train_mapper(options) if options.what == "mapper" else convert(options)
    if options.stage is None:
        names = STAGE_NAMES if options.what == "ember" else BEAT_STAGE_NAMES
        raise UsageError(f"{options.what} is trained in stages: --stage {'|'.join(names)}")
    from engine.diffusion.device import choose_device, set_threads

    stages = _stages(options.what)
    stage = stages.get(options.stage)
    if stage is None:
        raise UsageError(f"no stage {options.stage!r}; there are {', '.join(stages)}")
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


def _check_numbers(options: argparse.Namespace) -> None:
    """Raise `UsageError` for numbers that no training takes."""
    if not options.budget > 0.0:
        raise UsageError(f"--budget {options.budget:g} is no time: give more than 0 minutes")
    if options.seed < 0:
        raise UsageError(f"--seed {options.seed} is below 0: give 0 or more")
    from engine.runtime.limits import check_threads

    check_threads(options.threads)


def _stages(what: str) -> Mapping[str, Any]:
    if what == "beat":
        from engine.training.beat.pulse_stage import run_pulse

        return {"pulse": run_pulse}
    from engine.training.ember.stages import STAGES

    return STAGES


def _train_listener(options: argparse.Namespace) -> int:
    from engine.training.listener.stage import ListenerRequest, run_listener

    if options.stage is not None:
        raise UsageError("the listener has no stages: leave out --stage")
    if options.data is None:
        raise UsageError(
            "the listener learns from licensed clips: --data DIR, a folder with their table"
        )
    work = options.work or Path("runs/listener")
    clock = MonotonicClock()
    started_s = clock.now()
    request = ListenerRequest(
        options.data,
        work,
        options.budget,
        options.resume,
        options.seed,
        options.threads or 1,
        options.fold,
    )
    figures = run_listener(request)
    for name, value in figures.items():
        print(f"{name:28} {100.0 * value:5.1f} %")
    if options.json:
        spent_s = round(clock.now() - started_s, 1)
        done = {"data": str(options.data), "work": str(work), "seconds": spent_s,
                "seed": options.seed, "fold": options.fold, "figures": figures}  # fmt: skip
        print(json.dumps(done))
    return 0


def _train_sights(options: argparse.Namespace) -> int:
    if options.stage not in SIGHTS_STAGE_NAMES:
        names = "|".join(SIGHTS_STAGE_NAMES)
        raise UsageError(f"sights are trained in stages: --stage {names}")
    if options.data is None:
        raise UsageError(
            "ember learns to hear from licensed clips: --data DIR, a folder with their table"
        )
    from engine.training.sights.stage import STAGES, SightsRequest

    work = options.work or Path("runs/sights")
    clock = MonotonicClock()
    started_s = clock.now()
    request = SightsRequest(
        options.data, work, options.budget, options.resume, options.seed, options.threads or 1
    )
    figures = STAGES[options.stage](request)
    for name, value in figures.items():
        print(f"{name:28} {value:10.4g}")
    if options.json:
        spent_s = round(clock.now() - started_s, 1)
        done = {"stage": options.stage, "data": str(options.data), "work": str(work),
                "seconds": spent_s, "seed": options.seed, "figures": figures}  # fmt: skip
        print(json.dumps(done))
    return 0
