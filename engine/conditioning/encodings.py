"""Every way from sound to a prompt, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from engine.conditioning.raw_encoding import RawEncoding
from engine.conditioning.sound_embedding import SoundEncoding, TargetSpec
from engine.conditioning.text_statistics import TextStatistics
from engine.errors import ModelLoadError
from engine.sound_choices import RAW_ENCODINGS

SHIPPED = {("ember", "projector"): "ember_projector.safetensors",
           ("ember", "mapper"): "ember_mapper.safetensors"}  # fmt: skip
"""Adapters that come with Sonolume, in `resources/sound`, by model and encoding."""

AdapterOpener = Callable[[str, Path, TargetSpec], SoundEncoding]
"""Opens a trained adapter, by encoding and file, for a prompt space, with what hears for it.

Raises `ModelLoadError`.
"""


def _no_adapters(name: str, path: Path, target: TargetSpec) -> SoundEncoding:
    del path, target
    raise ModelLoadError(f"nothing here can listen for a {name}: choose a raw encoding")


@dataclass(frozen=True, slots=True)
class AdapterShelf:
    """Which adapters there are and how they are opened."""

    files: Mapping[str, Path] = field(default_factory=dict)
    """The user's own, by encoding; they come before those that ship."""
    opener: AdapterOpener = _no_adapters

    def exchanged(self, name: str, path: Path | None) -> AdapterShelf:
        """The same with another file for an encoding; None: with the one that ships."""
        files = {encoding: file for encoding, file in self.files.items() if encoding != name}
        if path is not None:
            files[name] = path
        return replace(self, files=files)

    def file_of(self, name: str, model: str) -> Path | None:
        """The file of an adapter for a model, by the model's name; None: there is none."""
        own = self.files.get(name)
        if own is not None:
            return own
        shipped = SHIPPED.get((model, name))
        return None if shipped is None else Path(str(files("resources") / "sound" / shipped))


def open_encoding(
    name: str,
    checkpoint: Path | None,
    target: TargetSpec,
    *,
    scale: str,
    text: Callable[[], TextStatistics],
    opener: AdapterOpener = _no_adapters,
) -> SoundEncoding:
    """Open an encoding for a model. Raises `ModelLoadError`.

    `scale` and `text`, how that model's encoder writes, are asked by raw encodings only.
    """
    if name in RAW_ENCODINGS:
        return RawEncoding(name, scale, text())
    if checkpoint is None:
        raise ModelLoadError(
            f"no {name} is loaded for this model: give its file, train one with 'sonolume train "
            f"{name} --target MODEL', or choose {', '.join(RAW_ENCODINGS[:-1])} or "
            f"{RAW_ENCODINGS[-1]}"
        )
    return opener(name, checkpoint, target)
