"""The bank: which labels are listened for, in which words, and what each lets be painted.

    [[labels]]
    label = "rain"                     # the name in OSC, tables and the window
    phrases = ["rain", "pouring rain"] # what it means; the mean of them is listened for
    prompt = "rain on a window at night"

Without phrases the label's own name is listened for; without a prompt the first phrase is painted.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.errors import BankError

MOST_LABELS = 200
_KEYS = ("label", "phrases", "prompt")
_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Label:
    """One thing that can be heard."""

    label: str
    phrases: tuple[str, ...]
    """Not empty."""
    prompt: str


@dataclass(frozen=True, slots=True)
class Bank:
    """All of them, in the order of the file; at least two, no name twice."""

    labels: tuple[Label, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the labels."""
        return tuple(label.label for label in self.labels)


def open_bank(path: Path | None) -> Bank:
    """Return the bank in a file, or without one the bank that ships. Raises `BankError`."""
    return default_bank() if path is None else read_bank(path)


def default_bank() -> Bank:
    """Return the bank that ships: what ember paints well."""
    return parse_bank((files("resources") / "listener" / "bank.toml").read_text("utf-8"), "bank")


def read_bank(path: Path) -> Bank:
    """Read a bank file. Raises `BankError` with file, key and remedy."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise BankError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BankError(
            f"{path} cannot be read as text (byte {error.start} is not UTF-8); is it a bank?"
        ) from error
    return parse_bank(text, path.name)


def parse_bank(text: str, name: str) -> Bank:
    """Check TOML text; `name` is the file's. Raises `BankError`."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BankError(f"{name}: not valid TOML: {error}") from error
    for key in table:
        if key != "labels":
            raise BankError(f"{name}: unknown key {key!r}; a bank is tables [[labels]]")
    rows = table.get("labels")
    if not isinstance(rows, list) or not 2 <= len(rows) <= MOST_LABELS:
        raise BankError(f"{name}: needs 2 to {MOST_LABELS} tables that begin with [[labels]]")
    labels = tuple(_label(row, f"{name}: label {index}") for index, row in enumerate(rows, 1))
    seen: set[str] = set()
    for label in labels:
        if label.label in seen:
            raise BankError(f"{name}: {label.label!r} is there twice; give one another name")
        seen.add(label.label)
    return Bank(labels)


def _label(row: Any, where: str) -> Label:
    if not isinstance(row, dict):
        raise BankError(f"{where}: must be a table that begins with [[labels]]")
    for key in row:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, n=1)
            raise BankError(
                f"{where}: unknown key {key!r}"
                + (f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(_KEYS)}")
            )
    label = _text(row.get("label"), f"{where}: label")
    if not _LABEL.fullmatch(label):
        raise BankError(
            f"{where}: {label!r} is no name; lower-case letters, digits, - and _ make one"
        )
    phrases = row.get("phrases", [label.replace("_", " ").replace("-", " ")])
    if not isinstance(phrases, list) or not phrases:
        raise BankError(f"{where}: phrases must be a list of texts, not empty")
    meant = tuple(_text(phrase, f"{where}: phrases") for phrase in phrases)
    return Label(label, meant, _text(row.get("prompt", meant[0]), f"{where}: prompt"))


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BankError(f"{where} must be a text, not {value!r:.40}")
    return value.strip()
