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


class TrainReport:
    """Times a training from its making on."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._clock = MonotonicClock()
        self._started_s = self._clock.now()

    def tell(self, **facts: object) -> None:
        """With `--json`, print facts, seconds and seed as the last line; paths as text."""
        if self._options.json:
            plain = {k: str(v) if isinstance(v, Path) else v for k, v in facts.items()}
            seconds = round(self._clock.now() - self._started_s, 1)
            print(json.dumps({**plain, "seconds": seconds, "seed": self._options.seed}))


def print_figures(figures: Mapping[str, float], form: str = "10.4g") -> None:
    """One figure a line."""
    for name, value in figures.items():
        print(f"{name:28} {value:{form}}")


def run(options: argparse.Namespace) -> int:
    """Run one stage of ember, or train the listener or a mapper, within its budget."""
    from app.train_options import unread_words

    if words := unread_words(options.what, getattr(options, "unread", ())):
        raise UsageError(words)
    if options.what == "vggish":
        from app.train_mapper_command import convert

        return convert(options)
    _check_numbers(options)
    if options.what == "listener":
        return _train_listener(options)
    if options.what == "projector":
        from app.train_projector_command import train_projector

        return train_projector(options)
    if options.what == "sights":
        return _train_sights(options)
    if options.what == "mapper":
        from app.train_mapper_command import train_mapper

        return train_mapper(options)
    return _train_stage(options)


def _train_stage(options: argparse.Namespace) -> int:
    """Run a stage of ember or of the network that hears beats."""
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
    report = TrainReport(options)
    stage(
        data,
        budget_min=options.budget,
        resume=options.resume,
        device=device,
        seed=options.seed,
        threads=threads,
    )
    report.tell(stage=options.stage, data=data, device=device, threads=threads)
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

    if options.data is None:
        raise UsageError(
            "the listener learns from licensed clips: --data DIR, a folder with their table"
        )
    work = options.work or Path("runs/listener")
    report = TrainReport(options)
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
    report.tell(data=options.data, work=work, fold=options.fold, figures=figures)
    return 0


def _train_sights(options: argparse.Namespace) -> int:
    if options.stage not in SIGHTS_STAGE_NAMES:
        names = "|".join(SIGHTS_STAGE_NAMES)
        raise UsageError(f"sights are trained in stages: --stage {names}")
    if options.stage == "adapter" and options.data is None:
        raise UsageError(
            "ember learns to hear from licensed clips: --data DIR, a folder with their table"
        )
    from engine.training.sights.stage import STAGES, SightsRequest

    work = options.work or Path("runs/sights")
    report = TrainReport(options)
    request = SightsRequest(
        options.data, work, options.budget, options.resume, options.seed, options.threads or 1
    )
    figures = STAGES[options.stage](request)
    print_figures(figures)
    report.tell(stage=options.stage, data=options.data, work=work, figures=figures)
    return 0
