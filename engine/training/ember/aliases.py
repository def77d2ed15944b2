"""Other ways to name a scene or a style: what people type who never saw the painters' phrases.

A painter's `phrases` are what it paints, said well; these are broader. They teach the text encoder
which words live near which picture, so that words that are in no caption at all land there too.
The prompts that ember is judged by (`engine.scoring.held_out_phrases`) are none of them: a test
holds the two apart.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType


def _read(table: str) -> Mapping[str, tuple[str, ...]]:
    text = files(__package__).joinpath("aliases.toml").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            name: tuple(" ".join(phrase.split()) for phrase in phrases.split(","))
            for name, phrases in tomllib.loads(text)[table].items()
        }
    )


ALIASES = _read("scenes")
"""Scene -> noun phrases in lower case."""

STYLE_ALIASES = _read("styles")
"""Style -> what is said behind a description, or before it where it ends in "of", "with"..."""

REMARKS = _read("asides")["remarks"]
"""What people add that cannot be seen."""

BEFORE = (" of", " with", " showing")
"""Endings of what is said before a description."""
