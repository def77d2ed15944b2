"""Other ways to name a scene: what people type who do not think of the painters' own phrases.

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


def _read() -> Mapping[str, tuple[str, ...]]:
    text = files(__package__).joinpath("aliases.toml").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            scene: tuple(" ".join(phrase.split()) for phrase in phrases.split(","))
            for scene, phrases in tomllib.loads(text).items()
        }
    )


ALIASES = _read()
"""Scene -> noun phrases in lower case."""
