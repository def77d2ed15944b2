"""Every way from sound to a prompt, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from engine.conditioning.raw_encoding import RawEncoding
from engine.conditioning.sound_embedding import SoundEncoding, TargetSpec
from engine.conditioning.text_statistics import TextStatistics
from engine.errors import ModelLoadError

RAW_ENCODINGS = ("waveform", "fft", "mel", "mfcc")
"""The first of `engine.messages.SOUND_ENCODINGS`; the others are adapters from a file."""

AdapterOpener = Callable[[Path, TargetSpec], SoundEncoding]
"""Opens a trained adapter for a prompt space. Raises `ModelLoadError`."""

ADAPTERS: Mapping[str, AdapterOpener] = MappingProxyType({})
"""Adapters that can be opened, by name."""


def open_encoding(
    name: str,
    checkpoint: Path | None,
    target: TargetSpec,
    *,
    scale: str,
    text: Callable[[], TextStatistics],
) -> SoundEncoding:
    """Open an encoding for a model. Raises `ModelLoadError`.

    `scale` and `text`, how that model's encoder writes, are asked by raw encodings only.
    """
    if name in RAW_ENCODINGS:
        return RawEncoding(name, scale, text())
    opener = ADAPTERS.get(name)
    if opener is None:
        raise ModelLoadError(
            f"this version has no {name}: choose {', '.join(RAW_ENCODINGS[:-1])} or "
            f"{RAW_ENCODINGS[-1]}"
        )
    if checkpoint is None:
        raise ModelLoadError(
            f"no {name} is loaded: give its file, or train one with 'sonolume train {name}'"
        )
    return opener(checkpoint, target)
