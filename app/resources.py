"""The one way to what ships inside the `resources` package: text, bytes, and where they lie."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath


def resource(name: str) -> Traversable:
    """Return the resource `name`, a relative path with `/` such as `icons/record.svg`.

    Raises `ValueError` for absolute paths and for paths that climb out (`..`).
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise ValueError(f"{name!r} is not a path inside resources/")
    return files("resources").joinpath(*path.parts)


def read_text(name: str) -> str:
    """Return a resource as text (UTF-8). Raises `FileNotFoundError` when it does not ship."""
    return resource(name).read_text("utf-8")


def read_bytes_if_shipped(name: str) -> bytes | None:
    """Return a resource as bytes, None when it does not ship."""
    entry = resource(name)
    return entry.read_bytes() if entry.is_file() else None
