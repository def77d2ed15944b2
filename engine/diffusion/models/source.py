"""Where a checkpoint lies: a folder, a `.safetensors` file, or what was fetched from the hub.

Imports no torch, touches no network.
"""

from __future__ import annotations

import re
from pathlib import Path

from engine.diffusion.hub.cache import cache_root, cached_models, home_of, snapshot_of
from engine.diffusion.models.family import Family, family_of_folder
from engine.diffusion.models.single_file_family import family_of_file
from engine.errors import ModelLoadError
from engine.known_models import KnownModel, known_model, way_of
from engine.weights_file import PICKLES, pickle_words

_HUB_FILE = re.compile(r"([\w][\w.-]{0,95}/[\w][\w.-]{0,95})/([^/\\:]+\.safetensors)")


def checkpoint_path(name: str) -> Path:
    """Return the local folder or `.safetensors` file of a checkpoint. Raises `ModelLoadError`."""
    path = Path(name).expanduser()
    known = known_model(name)
    if known is None and path.is_dir():
        return path
    if path.is_file():
        if path.suffix.lower() in PICKLES:
            raise ModelLoadError(pickle_words(path))
        if path.suffix.lower() == ".safetensors":
            return path
        raise ModelLoadError(
            f"{name} is a file: give the folder that holds model_index.json, a .safetensors file, "
            "or a hub id"
        )
    if known is not None:
        return _fetched_known(known)
    inside = _HUB_FILE.fullmatch(name)
    if inside:
        return _fetched_file(inside.group(1), inside.group(2))
    if path.suffix.lower() == ".safetensors":
        raise ModelLoadError(f"there is no file {name}: check the path")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelLoadError(
            f"no model {name!r}: it is no known name, folder, file or hub id; "
            "`sonolume models list` shows what there is"
        )
    return _fetched(name, name)


def fetched_lora(word: str) -> Path | None:
    """Return the file or folder of a fetched LoRA by its short name or hub id; None: a path.

    Raises `ModelLoadError` for a short name that is not on this machine or is no LoRA.
    """
    if Path(word).expanduser().exists():
        return None
    known = known_model(word)
    if known is not None:
        if known.role != "lora":
            raise ModelLoadError(f"{way_of(known)}; --lora names a LoRA")
        folder = _fetched(known.hub_id, known.name)
        if known.file and not (folder / known.file).is_file():
            raise ModelLoadError(
                f"{known.name} is not on this machine: `sonolume models fetch {known.name}`"
            )
        return folder / known.file
    inside = _HUB_FILE.fullmatch(word)
    snapshot = snapshot_of(inside.group(1) if inside else word, cache_root())
    if snapshot is None:
        return None
    return snapshot / inside.group(2) if inside else snapshot


def checkpoint_family(path: Path) -> Family:
    """Return the family of a folder or file. Raises `ModelLoadError`."""
    return family_of_folder(path) if path.is_dir() else family_of_file(path)


def _fetched_known(known: KnownModel) -> Path:
    if known.role != "checkpoint":
        raise ModelLoadError(f"{way_of(known)}; --model names what paints")
    return _fetched(known.hub_id, known.name)


def _fetched(hub_id: str, name: str) -> Path:
    root = cache_root()
    snapshot = snapshot_of(hub_id, root)
    if snapshot is not None:
        return snapshot
    home = home_of(hub_id, root)
    half = any(model.home == home for model in cached_models(root))
    state = "was fetched only in part" if half else "is not on this machine"
    raise ModelLoadError(
        f"{name} {state}: fetch it with `sonolume models fetch {name}`, which needs the network "
        "once, or give a folder"
    )


def _fetched_file(hub_id: str, file: str) -> Path:
    path = _fetched(hub_id, f"{hub_id}/{file}") / file
    if not path.is_file():
        raise ModelLoadError(
            f"{file} of {hub_id} is not on this machine: "
            f"fetch it with `sonolume models fetch {hub_id}/{file}`"
        )
    return path
