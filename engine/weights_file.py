"""What a safetensors file says it holds, without reading the weights. Imports no torch."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelLoadError

PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl", ".pickle")
LONGEST_HEADER_BYTES = 100_000_000
"""The limit of the format's own reader."""


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One tensor of a file."""

    dtype: str
    """As safetensors writes it: `F16`, `BF16`, `F32`, ..."""
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the tensors of a safetensors file."""

    tensors: Mapping[str, TensorFacts]
    metadata: Mapping[str, str]
    end: int
    """Bytes of all tensors together."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One safetensors file whose size agrees with its header."""

    path: Path
    tensors: Mapping[str, TensorFacts]
    metadata: Mapping[str, str]
    size: int
    """Bytes."""


def read_weights_file(path: Path) -> WeightsFile:
    """Read the header of a safetensors file.

    Layout: 8 bytes, little endian, length of a JSON header; the header, with the place of every
    tensor; the tensors (github.com/huggingface/safetensors, README "Format"). Raises
    `ModelLoadError` for a pickle, for a file that is no safetensors and for a half-fetched one.
    """
    if path.suffix.lower() in PICKLES:
        raise ModelLoadError(pickle_words(path))
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= LONGEST_HEADER_BYTES:
                raise ModelLoadError(
                    f"{path} is no safetensors file ({size} bytes): fetch it again"
                )
            text = file.read(length)
    except FileNotFoundError as error:
        raise ModelLoadError(f"there is no file {path}: check the path") from error
    except OSError as error:
        raise ModelLoadError(
            f"{path} cannot be read ({error.strerror}): fetch it again"
        ) from error
    if len(text) < length:
        raise ModelLoadError(_half(path, size, 8 + length))
    header = parse_header(text, str(path))
    if size < 8 + length + header.end:
        raise ModelLoadError(_half(path, size, 8 + length + header.end))
    return WeightsFile(path, header.tensors, header.metadata, size)


def parse_header(text: bytes, where: str) -> Header:
    """Read the JSON of a header; `where` names the file. Raises `ModelLoadError`."""
    try:
        table = json.loads(text)
        metadata = table.pop("__metadata__", {})
        tensors = {
            name: TensorFacts(str(entry["dtype"]), tuple(int(n) for n in entry["shape"]))
            for name, entry in table.items()
        }
        end = max((int(entry["data_offsets"][1]) for entry in table.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelLoadError(f"the header of {where} is damaged: fetch it again") from error
    return Header(tensors, metadata, end)


def pickle_words(path: Path) -> str:
    """Why a pickle is refused, and the remedy."""
    return (
        f"{path} is a pickle, which can run any code when it is opened: Sonolume reads "
        "safetensors only; fetch the same checkpoint as .safetensors"
    )


def _half(path: Path, size: int, whole: int) -> str:
    return (
        f"{path} was fetched only in part, {size / 1e6:.1f} of {whole / 1e6:.1f} MB: fetch it "
        "again (`sonolume models fetch` goes on where it stopped)"
    )


def component_files(folder: Path, stem: str, *, half: bool) -> list[Path]:
    """Return the weight files of a component folder: one, or the shards of an index.

    `stem` is `diffusion_pytorch_model` or `model`. Of a full and an fp16 variant the one that
    `half` asks for is taken, or the one there is. Raises `ModelLoadError`.
    """
    variants = (".fp16", "") if half else ("", ".fp16")
    for variant in variants:
        single = folder / f"{stem}{variant}.safetensors"
        if single.is_file():
            return [single]
        index = folder / f"{stem}.safetensors.index{variant}.json"
        if index.is_file():
            return _shards(index)
    pickled = sorted(p for p in folder.glob("*") if p.suffix.lower() in PICKLES)
    if pickled:
        raise ModelLoadError(pickle_words(pickled[0]))
    raise ModelLoadError(
        f"{folder} has no {stem}.safetensors: this part of the checkpoint is missing; fetch it "
        "again"
    )


def _shards(index: Path) -> list[Path]:
    try:
        table: Mapping[str, str] = json.loads(index.read_text("utf-8"))["weight_map"]
        names = sorted(set(table.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{index} is damaged: fetch the checkpoint again") from error
    paths = [index.parent / Path(name).name for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ModelLoadError(
            f"{index.parent} lacks {missing[0]}, one of {len(paths)} parts of its weights: "
            "fetch the checkpoint again"
        )
    return paths
