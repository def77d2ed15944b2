"""`--projector` and `--mapper`: files of trained adapters between sound and prompt."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.errors import ModelLoadError

ADAPTERS = ("projector", "mapper")
"""Encodings that are files, and their flags."""


def add_adapters(parser: argparse.ArgumentParser) -> None:
    """`--projector` and `--mapper`."""
    for name in ADAPTERS:
        parser.add_argument(
            f"--{name}",
            type=Path,
            metavar="FILE",
            help=f"trained {name} between sound and prompt, .safetensors, heard as much as "
            f"sound/mix says where sound/encoding is {name} (default: the one that ships with "
            "the model, if there is one)",
        )


def chosen_adapters(options: argparse.Namespace) -> dict[str, Path]:
    """Return the files that are named, by encoding, looked at from outside.

    Raises `ModelLoadError` for a file that is missing, cut off or an adapter of another kind.
    """
    from engine.conditioning.adapter_choice import adapter_choice

    chosen: dict[str, Path] = {}
    for name in ADAPTERS:
        path: Path | None = getattr(options, name)
        if path is None:
            continue
        choice = adapter_choice(str(path.expanduser().absolute()))
        if choice.encoding != name or choice.path is None:
            raise ModelLoadError(
                f"{path} is a {choice.encoding}, not a {name}: give it as --{choice.encoding}"
            )
        chosen[name] = choice.path
    return chosen
