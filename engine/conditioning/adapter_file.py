"""Files of trained adapters: safetensors whose metadata say what they turn into what.

A projector that heard CLAP says nothing to one that hears VGGish, and rows for 77 x 768 mean
nothing to a model of 77 x 1024: both load without an error and paint nonsense. So the card is in
the file, and who loads it compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.conditioning.sound_embedding import TargetSpec
from engine.errors import ModelLoadError
from engine.weights_file import read_weights_file

FORMAT_VERSION = 1
_KEY = "sonolume.adapter"


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """What a file turns into what."""

    kind: str
    """`projector` or `mapper`."""
    encoder: str
    """What it hears: `ear` (the listener that ships), `clap`, `vggish` or `vggish-quantised`."""
    input_width: int
    target: TargetSpec
    family: str
    """Whose prompt space: `ember`, or a family as `engine.diffusion.models.family` names it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Whatever its network needs to be built again: plain JSON values."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """How well it did where it was trained."""

    def check(self, encoder: str, input_width: int, target: TargetSpec, path: Path) -> None:
        """Raise `ModelLoadError` unless it hears this encoder and speaks to this model."""
        if (self.encoder, self.input_width) != (encoder, input_width):
            raise ModelLoadError(
                f"{path} hears {self.encoder} ({self.input_width} numbers), the listener is "
                f"{encoder} ({input_width}): choose that listener, or train one with "
                f"'sonolume train {self.kind} --encoder {encoder}'"
            )
        if self.target != target:
            raise ModelLoadError(
                f"{path} speaks to {self.family} ({self.target}), this model takes {target}: "
                f"choose that model, or train one with 'sonolume train {self.kind}'"
            )


def card_of(path: Path) -> AdapterCard:
    """Read the card alone; imports no torch.

    Raises `ModelLoadError` for a pickle, a damaged file, and a file that has no card.
    """
    text = read_weights_file(path).metadata.get(_KEY)
    if text is None:
        raise ModelLoadError(
            f"{path} does not say what it was trained for: it is no adapter of Sonolume "
            "(no metadata 'sonolume.adapter'); train one with 'sonolume train projector' or "
            "'sonolume train mapper'"
        )
    try:
        table = json.loads(text)
        version = table.pop("format_version")
        if version != FORMAT_VERSION:
            raise ModelLoadError(
                f"{path} has format version {version}, this program reads {FORMAT_VERSION}: "
                "train it again or take a newer Sonolume"
            )
        return AdapterCard(**{**table, "target": TargetSpec(**table["target"])})
    except (ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(f"the card of {path} is damaged: fetch or train it again") from error


def card_metadata(card: AdapterCard) -> dict[str, str]:
    """The `metadata` argument of `safetensors.torch.save_file`."""
    return {_KEY: json.dumps({"format_version": FORMAT_VERSION, **asdict(card)})}
