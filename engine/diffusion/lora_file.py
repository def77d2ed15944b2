"""LoRA files: safetensors only, looked through before one weight is read; no torch at import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ModelLoadError

if TYPE_CHECKING:
    from torch import Tensor

FOLDER_FILES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
"""What diffusers and peft call the file when a folder is given."""

_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")
"""How files begin that `torch.save` has written, now and before torch 1.6."""

_LONGEST_HEADER_BYTES = 100_000_000
"""The limit of the safetensors format."""


@dataclass(frozen=True, slots=True)
class LoraFile:
    """What one file holds, not yet compared with any model."""

    path: Path
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    """The file's own notes: trainers write anything or nothing into them."""
    config: Mapping[str, Any]
    """peft's `adapter_config.json` beside it; empty where there is none."""

    @property
    def name(self) -> str:
        """The file, or the folder it is the only LoRA of, as people know it."""
        return self.path.parent.name if self.path.name in FOLDER_FILES else self.path.name


def lora_path(path: Path) -> Path:
    """Return the file that `path`, a file or a folder in diffusers or peft layout, stands for.

    Raises `ModelLoadError` where there is none.
    """
    path = path.expanduser()
    if path.is_dir():
        for name in FOLDER_FILES:
            if (path / name).is_file():
                return path / name
        files = sorted(path.glob("*.safetensors"))
        if len(files) == 1:
            return files[0]
        if files:
            raise ModelLoadError(
                f"{path} holds {len(files)} LoRAs: give one of its files, such as {files[0].name}"
            )
        raise ModelLoadError(
            f"{path} holds no LoRA, neither {' nor '.join(FOLDER_FILES)}: give a .safetensors "
            "file, or a folder with one"
        )
    if not path.is_file():
        raise ModelLoadError(
            f"there is no LoRA {str(path)[:200]}: check the path, or fetch one with "
            "`sonolume models fetch`"
        )
    return path


def check_lora(path: Path) -> Mapping[str, str]:
    """Look at the header of a LoRA and return its metadata. Raises `ModelLoadError`.

    Finds a missing file, a pickle, a half-downloaded file and what is no safetensors at all,
    without reading weights.
    """
    path = lora_path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start.startswith(_PICKLES):
            raise ModelLoadError(
                f"{path.name} is a pickle, which can run code: get the LoRA as .safetensors"
            )
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= _LONGEST_HEADER_BYTES:
            raise ModelLoadError(f"{path.name} is no safetensors file: is it a LoRA?")
        if length > size - 8:
            raise _half(path, size, 8 + length)
        header = _json(file.read(length), path)
    ends = [
        int(entry["data_offsets"][1])
        for name, entry in header.items()
        if name != "__metadata__" and isinstance(entry, dict) and "data_offsets" in entry
    ]
    if size < 8 + length + max(ends, default=0):
        raise _half(path, size, 8 + length + max(ends))
    metadata = header.get("__metadata__") or {}
    return {str(name): str(value) for name, value in metadata.items()}


def read_lora(path: Path) -> LoraFile:
    """Read a LoRA into memory, float32, on the CPU. Raises `ModelLoadError`. Diffusion thread."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = lora_path(path)
    metadata = check_lora(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or ["?"])[0][:120]
        raise ModelLoadError(f"{path.name} is damaged ({reason}): get it again") from error
    full = {name: tensor.float() for name, tensor in tensors.items()}
    for name, tensor in full.items():
        if not tensor.numel():
            raise ModelLoadError(f"{path.name}: {name} is empty: get the LoRA again")
        if not tensor.isfinite().all():
            raise ModelLoadError(f"{path.name}: {name} holds values that are no numbers")
    return LoraFile(path, full, metadata, _adapter_config(path))


def _adapter_config(path: Path) -> Mapping[str, Any]:
    beside = path.parent / "adapter_config.json"
    if path.name != FOLDER_FILES[1] or not beside.is_file():
        return {}
    return _json(beside.read_bytes(), beside)


def _json(data: bytes, path: Path) -> dict[str, Any]:
    try:
        table = json.loads(data)
    except ValueError as error:
        raise ModelLoadError(f"{path.name} is damaged: get it again") from error
    if not isinstance(table, dict):
        raise ModelLoadError(f"{path.name} is damaged: get it again")
    return table


def _half(path: Path, size: int, whole: int) -> ModelLoadError:
    return ModelLoadError(
        f"{path.name} is cut off ({size / 1e6:.1f} of {whole / 1e6:.1f} MB): download it again"
    )
