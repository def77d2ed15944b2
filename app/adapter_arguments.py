"""`--projector` and `--mapper`: files of trained adapters between sound and prompt."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelLoadError
from engine.sound_choices import ADAPTER_ENCODINGS, SOUND_ENCODINGS

if TYPE_CHECKING:  # they import NumPy, which the help does without
    from engine.presets import Preset


def add_adapters(parser: argparse.ArgumentParser) -> None:
    """`--projector` and `--mapper`."""
    for name in ADAPTER_ENCODINGS:
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
    for name in ADAPTER_ENCODINGS:
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


def unheard_adapters(preset: Preset, names: Iterable[str]) -> list[str]:
    """One line for every file given that a render of this preset never hears by."""
    from engine.params import PARAMS

    def value(name: str) -> float:
        return preset.params.get(name, PARAMS[name].default)

    chosen = SOUND_ENCODINGS[int(value("sound/encoding"))]
    silent = not value("sound/mix") and all(r.target != "sound/mix" for r in preset.routes)
    lines = []
    for name in names:
        if silent:
            why = "its sound/mix is 0"
        elif name != chosen:
            why = f"its sound/encoding is {chosen}"
        else:
            continue
        lines.append(f"--{name} changes nothing with the preset {preset.name}: {why}")
    return lines
