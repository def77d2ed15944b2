"""`sonolume train`: ember and the projector in stages, and the listener; all resumable."""

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
PROJECTOR_STAGE_NAMES = ("1", "2", "3")
PROJECTOR_ENCODERS = ("ear", "clap")


def run(options: argparse.Namespace) -> int:
    """Run one stage of ember, or train the listener, within its budget."""
    _check_numbers(options)
    if options.what == "listener":
        return _train_listener(options)
    if options.what == "projector":
        return _train_projector(options)
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
    clock = MonotonicClock()
    started_s = clock.now()
    request = ListenerRequest(
        options.data,
        options.work or Path("runs/listener"),
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
        done = {"data": str(options.data), "work": str(options.work), "seconds": spent_s,
                "seed": options.seed, "fold": options.fold, "figures": figures}  # fmt: skip
        print(json.dumps(done))
    return 0


def _train_projector(options: argparse.Namespace) -> int:
    work = options.work or Path("runs/projector")
    if options.convert:
        return _convert_projector(options.convert, work, as_json=options.json)
    if options.stage not in PROJECTOR_STAGE_NAMES:
        names = "|".join(PROJECTOR_STAGE_NAMES)
        raise UsageError(f"the projector is trained in stages: --stage {names}")
    if options.data is None:
        raise UsageError(
            "the projector learns from sounds with captions and pictures: --data DIR, a folder "
            "as AudioCaps is laid out ({split}/audio, {split}/frames, metadata.json)"
        )
    _check_projector_numbers(options)
    from engine.diffusion.device import choose_device, set_threads
    from engine.semantic.clap_folder import DEFAULT_CLAP
    from engine.training.projector.plan import STAGE_PLANS
    from engine.training.projector.stage import ProjectorRequest, run_projector, with_overrides

    device = choose_device(options.device_compute).type
    set_threads(options.threads)
    plan = with_overrides(
        STAGE_PLANS[int(options.stage)], steps=options.steps, batch=options.batch,
        seed=options.seed,
    )  # fmt: skip
    clock = MonotonicClock()
    started_s = clock.now()
    request = ProjectorRequest(
        options.data, work, plan, options.target, options.encoder, options.clap or DEFAULT_CLAP,
        options.decomposer, options.generator, options.routing, options.insertion, options.norm,
        options.precision, device, options.budget, options.resume,
    )  # fmt: skip
    figures = run_projector(request, print)
    for name, value in figures.items():
        print(f"{name:28} {value:10.4g}")
    if options.json:
        spent_s = round(clock.now() - started_s, 1)
        done = {"stage": options.stage, "data": str(options.data), "work": str(work),
                "seconds": spent_s, "seed": options.seed, "figures": figures}  # fmt: skip
        print(json.dumps(done))
    return 0


def _check_projector_numbers(options: argparse.Namespace) -> None:
    """Raise `UsageError` for numbers that no projector takes."""
    for name in ("steps", "batch"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value} is nothing: give 1 or more")
    if options.batch == 1 and options.stage == "1":
        raise UsageError("--batch 1 leaves nothing to tell a sound from: give 2 or more")
    if options.norm is not None and not 0.0 < options.norm <= 1000.0:
        raise UsageError(f"--norm {options.norm:g} is no length of rows: give more than 0, 10-200")


def _convert_projector(files: list[Path], work: Path, *, as_json: bool) -> int:
    from engine.training.projector.convert import convert

    out = work / f"{files[0].stem}.safetensors"
    card = convert(files, out)
    print(
        f"{out} hears {card.encoder} ({card.input_width} numbers) and speaks to {card.family} "
        f"({card.target})"
    )
    if as_json:
        print(json.dumps({"file": str(out), "encoder": card.encoder}))
    return 0
