"""What a repository is, from its configurations and the start of its file, before it is fetched.

A few kilobytes say whether gigabytes could be opened. Imports no torch.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.diffusion.hub.choice import pickle_words_of
from engine.diffusion.hub.client import Hub, Interrupted, RemoteFile, Repository
from engine.diffusion.hub.fetch import TRIES
from engine.diffusion.models.family import family_of_folder
from engine.diffusion.models.memory_need import FAMILY_PARTS, VAE_PART
from engine.diffusion.models.single_file_family import family_of_header
from engine.errors import FetchError, ModelLoadError
from engine.weights_file import LONGEST_HEADER_BYTES, parse_header

Use = Literal["checkpoint", "autoencoder", "lora", "listener", "controlnet", "ip-adapter"]

_CLASSES: dict[str, Use] = {"AutoencoderTiny": "autoencoder", "ControlNetModel": "controlnet"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a repository, or one file of it, is good for."""

    use: Use
    file: str = ""
    """The one file it is opened by; empty: the folder."""
    note: str = ""
    """One line on what it lacks."""


def look(hub: Hub, repository: Repository, files: Sequence[RemoteFile]) -> Found:
    """Say what the files that were chosen of a repository are good for.

    Raises `FetchError` where that is nothing, with what it is instead.
    """
    by_path = {file.path: file for file in files}
    try:
        if "model_index.json" in by_path:
            return _pipeline(hub, repository, files)
        if "config.json" in by_path:
            return Found(_component(hub, repository, by_path["config.json"]))
        weights = next(file for file in files if file.path.endswith(".safetensors"))
        return Found(_single(hub, repository, weights), weights.path)
    except FetchError:
        raise
    except ModelLoadError as error:
        raise FetchError(f"{error}; nothing was fetched") from error


def _pipeline(hub: Hub, repository: Repository, files: Sequence[RemoteFile]) -> Found:
    """A folder in diffusers layout; its family is read from copies of its configurations."""
    with tempfile.TemporaryDirectory(prefix="sonolume-look-") as name:
        folder = Path(name)
        for file in files:
            if file.path.endswith(("model_index.json", "config.json")):
                copy = folder / file.path
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(_start(hub, repository, file))
        try:
            family = family_of_folder(folder)
        except ModelLoadError as error:
            raise ModelLoadError(str(error).replace(name, repository.hub_id)) from error
    parts = FAMILY_PARTS.get(family.kind, ())
    for part, _ in parts:
        if not _has_weights(files, part):
            raise FetchError(pickle_words_of(repository, part))
    if not parts or _has_weights(files, VAE_PART[0]):
        return Found("checkpoint")
    return Found(
        "checkpoint",
        note=f"its own autoencoder is no safetensors: `sonolume models fetch {family.tiny}` "
        "(10 MB) brings the small one it paints with",
    )


def _has_weights(files: Sequence[RemoteFile], part: str) -> bool:
    return any(
        file.path.startswith(f"{part}/") and file.path.endswith(".safetensors") for file in files
    )


def _component(hub: Hub, repository: Repository, config: RemoteFile) -> Use:
    """One network alone, by the class that its configuration names."""
    try:
        table = json.loads(_start(hub, repository, config))
        name = str(table.get("_class_name") or table.get("model_type"))
    except (ValueError, AttributeError) as error:
        raise ModelLoadError(f"{config.path} of {repository.hub_id} is damaged") from error
    if name == "clap":
        return "listener"
    if name not in _CLASSES:
        raise ModelLoadError(
            f"{repository.hub_id} is a {name} alone: whole checkpoints, small autoencoders "
            "(AutoencoderTiny), ControlNets, LoRAs and CLAP are of use here"
        )
    return _CLASSES[name]


def _single(hub: Hub, repository: Repository, file: RemoteFile) -> Use:
    """One file of weights, by the names and shapes in its header."""
    where = f"{repository.hub_id}/{file.path}"
    data = _start(hub, repository, file, _header_bytes)
    length = _header_bytes(data)
    if not 10 <= length <= min(file.size, LONGEST_HEADER_BYTES):
        raise ModelLoadError(f"{where} is no safetensors file")
    header = parse_header(data[8:length], where)
    names = header.tensors
    if any(name.startswith(("image_proj.", "ip_adapter.")) for name in names):
        return "ip-adapter"
    if any(part in name for name in names for part in ("lora", "hada_", "lokr_")):
        return "lora"
    family_of_header(header, where)
    return "checkpoint"


def _header_bytes(data: bytes) -> int:
    """How far the header goes, once the first eight bytes are there."""
    return 8 + int(struct.unpack("<Q", data[:8])[0]) if len(data) >= 8 else 8


def _start(
    hub: Hub,
    repository: Repository,
    file: RemoteFile,
    wanted: Callable[[bytes], int] = lambda data: LONGEST_HEADER_BYTES,
) -> bytes:
    """Read a file until it has as many bytes as `wanted` says of its beginning, or ends."""
    data = bytearray()
    for _ in range(TRIES):
        try:
            for piece in hub.pieces(repository, file, len(data)):
                if not piece:  # the hub began anew
                    data.clear()
                    continue
                data += piece
                if len(data) >= min(wanted(bytes(data[:8])), LONGEST_HEADER_BYTES):
                    break
            return bytes(data)
        except Interrupted:
            continue
    raise FetchError(
        f"the connection broke while {file.path} of {repository.hub_id} was looked at: run the "
        "same command again"
    )
