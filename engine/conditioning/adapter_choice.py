"""Which adapter a path means: its card says for which encoding it is."""

from __future__ import annotations

from pathlib import Path

from engine.commands import LoadAdapter
from engine.conditioning.adapter_file import card_of
from engine.errors import ModelLoadError


def adapter_choice(text: str) -> LoadAdapter:
    """Read the path of a file, or `projector` or `mapper` alone for the one that ships.

    Raises `ModelLoadError` for what is no adapter. Any thread; reads the head of the file only.
    """
    if text == "projector" or text == "mapper":
        return LoadAdapter(text)
    path = Path(text).expanduser().absolute()
    kind = card_of(path).kind
    if kind == "projector" or kind == "mapper":
        return LoadAdapter(kind, path)
    raise ModelLoadError(
        f"{path} is a {kind!r}: this program knows projectors and mappers; take a newer Sonolume"
    )
