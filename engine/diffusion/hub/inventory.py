"""What of the hub is on this machine and is of use here. Imports no torch, touches no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.diffusion.hub.cache import CachedModel, cached_models, licence_of
from engine.diffusion.models.family import family_of_folder, read_json
from engine.errors import ModelLoadError
from engine.known_models import KNOWN_MODELS, KnownModel
from engine.weights_file import read_weights_file

State = Literal["whole", "in part", "damaged"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """One fetched repository that Sonolume can use."""

    name: str
    """Its short names if it has any, else its hub id."""
    hub_id: str
    family: str
    """`SD 2.x`, `SDXL`, `small autoencoder`, `LoRA`, `listener`, ..."""
    licence: str
    size: int
    """Bytes."""
    state: State
    home: Path


def fetched_models(root: Path) -> tuple[list[Fetched], int]:
    """Return what is of use here, and how many other repositories the cache holds."""
    found: list[Fetched] = []
    others = 0
    for model in cached_models(root):
        entry = _look_at(model)
        if entry is None:
            others += 1
        else:
            found.append(entry)
    return found, others


def _look_at(model: CachedModel) -> Fetched | None:
    names = [known.name for known in KNOWN_MODELS if _is_here(known, model)]
    state: State = "in part" if model.half or model.snapshot is None else "whole"
    licence = licence_of(model.snapshot) if model.snapshot is not None else ""
    try:
        family = _family_words(model.snapshot) if model.snapshot is not None else ""
    except ModelLoadError:
        family, state = "", "in part" if state == "in part" else "damaged"
    if not family and not names:
        return None
    return Fetched(
        ", ".join(names) or model.hub_id,
        model.hub_id,
        family,
        licence,
        model.size,
        state,
        model.home,
    )


def known_here(root: Path) -> set[str]:
    """Return the short names of all recommended models that are whole on this machine."""
    models = [m for m in cached_models(root) if m.snapshot is not None and not m.half]
    return {known.name for known in KNOWN_MODELS for m in models if _is_here(known, m)}


def _is_here(known: KnownModel, model: CachedModel) -> bool:
    """Whether a repository is the one a short name means, with the one file it may mean."""
    if known.hub_id != model.hub_id:
        return False
    return not (known.file and model.snapshot) or (model.snapshot / known.file).is_file()


def _family_words(snapshot: Path) -> str:
    """What a snapshot is; empty for what is of no use here. Raises `ModelLoadError`."""
    if (snapshot / "model_index.json").is_file():
        return family_of_folder(snapshot).label
    if (snapshot / "config.json").is_file():
        config = read_json(snapshot / "config.json", "it is needed")
        if config.get("_class_name") == "AutoencoderTiny":
            return "small autoencoder"
        if config.get("_class_name") == "ControlNetModel":
            return "ControlNet"
        return "listener" if config.get("model_type") == "clap" else ""
    for path in sorted(snapshot.glob("*.safetensors")):
        if any("lora" in tensor for tensor in read_weights_file(path).tensors):
            return "LoRA"
    return ""
