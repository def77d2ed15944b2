"""`sonolume train projector`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from app.train_command import PROJECTOR_STAGE_NAMES, TrainReport, print_figures
from engine.conditioning.encoder_names import VIEWED_ENCODERS
from engine.errors import UsageError


def train_projector(options: argparse.Namespace) -> int:
    """Train one stage of the projector, or convert files of SonicDiffusion."""
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
    if options.encoder not in VIEWED_ENCODERS:
        raise UsageError(
            f"--encoder {options.encoder} has no views to project: "
            f"{' or '.join(VIEWED_ENCODERS)}, or train a mapper"
        )
    _check_projector_numbers(options)
    from engine.diffusion.device import choose_device, set_threads
    from engine.training.projector.plan import STAGE_PLANS
    from engine.training.projector.stage import ProjectorRequest, run_projector, with_overrides

    device = choose_device(options.device_compute).type
    set_threads(options.threads)
    plan = with_overrides(
        STAGE_PLANS[int(options.stage)], steps=options.steps, batch=options.batch,
        seed=options.seed,
    )  # fmt: skip
    report = TrainReport(options)
    request = ProjectorRequest(
        options.data, work, plan, options.target, options.encoder,
        options.weights, options.decomposer, options.generator,
        options.routing, options.insertion, options.norm,
        options.precision, device, options.budget, options.resume,
    )  # fmt: skip
    figures = run_projector(request, print)
    print_figures(figures)
    report.tell(stage=options.stage, data=options.data, work=work, figures=figures)
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
