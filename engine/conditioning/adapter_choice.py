"""Which adapter a path means: its card says for which encoding it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from engine.commands import LoadAdapter
from engine.conditioning.adapter_file import card_of
from engine.errors import ModelLoadError

_KINDS: Mapping[str, Literal["projector", "mapper"]] = {
    "projector": "projector", "mapper": "mapper",
}  # fmt: skip


def adapter_choice(text: str) -> LoadAdapter:
    """Read the path of a file, or `projector` or `mapper` alone for the one that ships.

    Raises `ModelLoadError` for what is no adapter. Any thread; reads the head of the file only.
    """
    if text in _KINDS:
        return LoadAdapter(_KINDS[text])
    path = Path(text).expanduser().absolute()
    kind = card_of(path).kind
    if kind in _KINDS:
        return LoadAdapter(_KINDS[kind], path)
    raise ModelLoadError(
        f"{path} is a {kind!r}: this program knows projectors and mappers; take a newer Sonolume"
    )
