"""A tree of plain values and arrays as one file, written whole or not at all. Never a pickle."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ResumeError

_ARRAY = "array"
_SCALAR = "scalar"
_TREE = "tree"


def save_state(path: Path, tree: dict[str, Any]) -> None:
    """Write `tree`: dicts, lists, numbers, texts, None, numpy arrays and scalars.

    After a power loss there is the old file or the new one. Raises `OSError`.
    """
    arrays: list[NDArray[Any]] = []
    text = json.dumps(_without_arrays(tree, arrays))
    fresh = path.with_name(f"{path.name}.new")
    try:
        with fresh.open("wb") as file:
            named: dict[str, Any] = {f"{_ARRAY}{index}": part for index, part in enumerate(arrays)}
            named[_TREE] = np.frombuffer(text.encode(), np.uint8)
            np.savez(file, **named)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        fresh.unlink(missing_ok=True)  # half a state is of no use, and its space is needed
        raise
    fresh.replace(path)
    sync_folder(path.parent)


def load_state(path: Path) -> dict[str, Any] | None:
    """Read what `save_state` wrote; None when there is no file. Raises `ResumeError`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            tree: dict[str, Any] = _with_arrays(json.loads(bytes(file[_TREE])), file)
            return tree
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ResumeError(
            f"cannot continue: {path} is damaged ({error}); leave out --resume to begin anew"
        ) from error


def sync_file(path: Path) -> None:
    """Return when a closed file is on the disk and not only on its way there."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Return when the names in a folder are on the disk; where a system can tell."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _without_arrays(value: Any, arrays: list[NDArray[Any]]) -> Any:
    # A numpy scalar stays one: float32 arithmetic is not float64 arithmetic.
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.asarray(value))
        return {_SCALAR if isinstance(value, np.generic) else _ARRAY: len(arrays) - 1}
    if isinstance(value, dict):
        return {_TREE: [[key, _without_arrays(item, arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, arrays) for item in value]
    return value


def _with_arrays(value: Any, arrays: Any) -> Any:
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if _TREE in value:
        return {key: _with_arrays(item, arrays) for key, item in value[_TREE]}
    if _SCALAR in value:
        return arrays[f"{_ARRAY}{value[_SCALAR]}"][()]
    return arrays[f"{_ARRAY}{value[_ARRAY]}"]
