"""`sonolume train mapper` and `sonolume train vggish`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from app.train_command import TrainReport
from engine.errors import UsageError

_COLUMNS = ("mse", "cosine", "combined", "centred_cosine", "retrieval_at_1")


def train_mapper(options: argparse.Namespace) -> int:
    """Train a mapper, print what was missing and how well it does."""
    if options.data is None and options.captions is None:
        raise UsageError(
            "a mapper learns from clips with captions, --data DIR, or from captions alone, "
            "--captions FILE"
        )
    if options.captions is not None and options.encoder != "clap":
        raise UsageError("--captions needs an encoder that reads texts too: --encoder clap")
    if options.synthesised < 0:
        raise UsageError(f"--synthesised {options.synthesised} is below 0: give 0 or more")
    if options.fold < 0:
        raise UsageError(f"there is no fold {options.fold}: 1 or more, or 0 for none")
    from engine.diffusion.device import choose_device
    from engine.training.mapper.stage import MapperRequest, run_mapper

    work = options.work or Path("runs/mapper")
    request = MapperRequest(
        out_dir=work,
        data=options.data,
        format_name=options.format,
        synthesised=options.synthesised,
        captions=options.captions,
        encoder=options.encoder,
        weights=options.weights,
        target=options.target,
        network=options.network,
        fold=options.fold,
        budget_min=options.budget,
        resume=options.resume,
        seed=options.seed,
        threads=options.threads or 1,
        device=choose_device(options.device_compute).type,
    )
    report = TrainReport(options)
    figures, missing = run_mapper(request)
    for line in missing:
        print(line)
    if figures:
        print(f"{'':22}" + "".join(f"{name:>16}" for name in _COLUMNS))
    for name, row in figures.items():
        print(f"{name:22}" + "".join(f"{row[column]:16.4f}" for column in _COLUMNS))
    print(work / "mapper.safetensors")
    report.tell(
        file=work / "mapper.safetensors", encoder=options.encoder, target=options.target,
        network=options.network, missing=missing, figures=figures,
    )  # fmt: skip
    return 0


def convert(options: argparse.Namespace) -> int:
    """Turn the published VGGish pickles in `--data` into one safetensors file."""
    from engine.conditioning.vggish_file import FILE_NAME, SOURCE, convert_vggish, default_vggish

    if options.data is None:
        raise UsageError(
            f"VGGish is not trained, but converted: --data DIR with files of {SOURCE}"
        )
    target = default_vggish() if options.work is None else options.work / FILE_NAME
    written = convert_vggish(options.data, target)
    print(written)
    if options.json:
        print(json.dumps({"file": str(written)}))
    return 0
