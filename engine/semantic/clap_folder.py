"""Where a CLAP checkpoint lies, and whether it is one that may be read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from engine.errors import ModelLoadError

DEFAULT_CLAP = "laion/clap-htsat-unfused"
USUAL_WIDTH = 512
"""Of a direction, where a configuration does not say (transformers, `ClapConfig`)."""
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_TOKENS = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")


def clap_folder(name: str) -> Path:
    """Return the folder of `name`: itself one, or a hub id that was fetched before.

    Never touches the network. Raises `ModelLoadError` with the remedy when it is not there, not
    whole, or holds pickles instead of safetensors.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if name.count("/") != 1 or name.startswith((".", "/", "~")):
            raise ModelLoadError(
                f"no listener {name!r}: it is no known name, folder or hub id; "
                f"CLAP is a folder or hub id in the layout of {DEFAULT_CLAP}"
            )
        folder = _fetched(name)
    _check(folder, name)
    return folder


def clap_digest(folder: Path) -> str:
    """Return a hash over all that text vectors depend on: weights, configuration, tokenizer."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json"]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    for name in _TOKENS:
        path = folder / name
        digest.update(path.read_bytes() if path.is_file() else b"-")
    return digest.hexdigest()


def clap_width(folder: Path) -> int:
    """Return how many numbers a direction has, by the configuration of a checked folder.

    Raises `ModelLoadError`.
    """
    config = folder / "config.json"
    try:
        return int(json.loads(config.read_text("utf-8")).get("projection_dim", USUAL_WIDTH))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{config} is damaged: {_remedy(str(folder))}") from error


def _fetched(hub_id: str) -> Path:
    """Look where the hub's cache has it: importing all of its client takes a second."""
    from huggingface_hub import constants

    home = Path(constants.HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (home / "refs" / "main").read_text("utf-8").strip()
    except (OSError, ValueError):
        commit = ""
    if not commit or not (home / "snapshots" / commit).is_dir():
        raise ModelLoadError(
            f"CLAP {hub_id} is not on this machine: {_remedy(hub_id)}, or choose what "
            "ships: the listener embedded, adapters that hear ear (train: --encoder ear)"
        )
    return home / "snapshots" / commit


def _check(folder: Path, name: str) -> None:
    config = folder / "config.json"
    try:
        kind = json.loads(config.read_text("utf-8")).get("model_type")
    except FileNotFoundError as error:
        raise ModelLoadError(
            f"{folder} has no config.json: it is not in CLAP's layout; {_remedy(name)}"
        ) from error
    except (OSError, ValueError, AttributeError) as error:
        raise ModelLoadError(f"{config} is damaged: {_remedy(name)}") from error
    if kind != "clap":
        raise ModelLoadError(f"{folder} is a {kind!s:.40} model, not clap; {_remedy(name)}")
    if not any((folder / f"model.safetensors{end}").is_file() for end in ("", ".index.json")):
        pickles = sorted(path.name for end in _PICKLES for path in folder.glob(end))
        if pickles:
            raise ModelLoadError(
                f"{folder} holds its weights as a pickle ({pickles[0]}), which could run any "
                "code: Sonolume reads model.safetensors only; fetch the checkpoint in that format"
            )
        raise ModelLoadError(f"{folder} has no model.safetensors: {_remedy(name)}")
    if not (folder / "preprocessor_config.json").is_file():
        raise ModelLoadError(f"{folder} has no preprocessor_config.json: {_remedy(name)}")
    if not any((folder / file).is_file() for file in ("tokenizer.json", "vocab.json")):
        raise ModelLoadError(f"{folder} has no tokenizer.json: {_remedy(name)}")


def _remedy(name: str) -> str:
    hub_id = DEFAULT_CLAP if Path(name).expanduser().is_dir() else name
    return f"fetch it once with `hf download {hub_id} --exclude '*.bin'` (0.6 GB)"
