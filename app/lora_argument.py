"""`--lora`: which LoRAs are merged into the model, and how the word is read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelLoadError, UsageError

if TYPE_CHECKING:  # it imports NumPy, which the help does without
    from engine.messages import LoraChoice


def add_loras(parser: argparse.ArgumentParser) -> None:
    """`--lora`."""
    parser.add_argument(
        "--lora",
        action="append",
        type=as_lora,
        metavar="PATH[:WEIGHT]",
        help="LoRA to merge into the model, a .safetensors file, a folder or the name of a "
        "fetched one, with its weight, -4 to 4; repeat it for up to four; lora/1 to lora/4 scale "
        "them live (default: the preset's)",
    )


def as_lora(text: str) -> LoraChoice:
    """Read `style.safetensors:0.8`; without a number the weight is 1."""
    from engine.messages import LoraChoice

    path, separator, number = text.rpartition(":")
    try:
        weight = float(number)
    except ValueError:  # no number, or the colon of a drive
        path, weight = text, 1.0
    if not separator:
        path, weight = text, 1.0
    if not path:
        raise argparse.ArgumentTypeError(f"{text!r} is no LoRA; write PATH or PATH:0.8, -4 to 4")
    if not -4.0 <= weight <= 4.0:
        raise argparse.ArgumentTypeError(
            f"the weight of {text!r} is outside -4 to 4; write PATH or PATH:0.8"
        )
    return LoraChoice(_place(path), weight)


def _place(word: str) -> str:
    """Where a LoRA lies, for a path, a short name or a hub id; a name that is not here stays."""
    from engine.diffusion.models.source import fetched_lora

    try:
        found = fetched_lora(word)
    except ModelLoadError:  # said by `chosen_loras`: it is no wrong usage
        return word
    return str((found or Path(word).expanduser()).absolute())


def chosen_loras(options: argparse.Namespace) -> tuple[LoraChoice, ...] | None:
    """Return what `--lora` names, looked at from outside; None: what the preset names.

    Raises `ModelLoadError` for a file that is missing, cut off or no LoRA file at all,
    `UsageError` for too many.
    """
    from engine.diffusion.lora_file import check_lora
    from engine.diffusion.models.source import fetched_lora
    from engine.messages import LORA_SLOTS

    if not options.lora:
        return None
    if len(options.lora) > LORA_SLOTS:
        raise UsageError(
            f"{len(options.lora)} LoRAs are given; {LORA_SLOTS} at once are possible: leave "
            f"{len(options.lora) - LORA_SLOTS} out"
        )
    for choice in options.lora:
        fetched_lora(choice.path)  # raises for a name that is not here
        check_lora(Path(choice.path))
    return tuple(options.lora)
