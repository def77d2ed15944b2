"""`--lora`: which LoRAs are merged into the model, and how the word is read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelLoadError

if TYPE_CHECKING:  # it imports NumPy, which the help does without
    from engine.messages import LoraChoice


def add_loras(parser: argparse.ArgumentParser) -> None:
    """`--lora`."""
    parser.add_argument(
        "--lora",
        action="append",
        type=as_lora,
        metavar="PATH[:WEIGHT]",
        help="LoRA to merge into the model, a .safetensors file or a folder, with its weight, "
        "-4 to 4; repeat it for up to four; lora/1 to lora/4 scale them live (default: the "
        "preset's)",
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
    if not path or not -4.0 <= weight <= 4.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no LoRA; write PATH or PATH:0.8, -4 to 4")
    return LoraChoice(str(Path(path).expanduser().absolute()), weight)


def chosen_loras(options: argparse.Namespace) -> tuple[LoraChoice, ...] | None:
    """Return what `--lora` names, looked at from outside; None: what the preset names.

    Raises `ModelLoadError` for a file that is missing, cut off or no LoRA file at all.
    """
    from engine.diffusion.lora_file import check_lora
    from engine.messages import LORA_SLOTS

    if not options.lora:
        return None
    if len(options.lora) > LORA_SLOTS:
        raise ModelLoadError(
            f"{len(options.lora)} LoRAs are given; {LORA_SLOTS} at once are possible"
        )
    for choice in options.lora:
        check_lora(Path(choice.path))
    return tuple(options.lora)
