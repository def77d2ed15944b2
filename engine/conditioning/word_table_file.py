"""Ember's shipped word table, read without torch: for whoever has to know what words mean."""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from engine.conditioning.word_table import WordTable
from engine.errors import ModelLoadError


def shipped_word_table() -> WordTable:
    """Open the table in `resources/ember/text`; 9 MB, some 50 ms.

    Raises `ModelLoadError` where a file is missing or damaged.
    """
    folder = files("resources") / "ember" / "text"
    return open_word_table(folder)


def open_word_table(folder: Traversable) -> WordTable:
    """Open the table in the `text` folder of ember's weights. Raises `ModelLoadError`."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))["word_table"]
        pieces = (folder / "vocab.txt").read_text("utf-8").splitlines()
        tensors = load((folder / "word_table.safetensors").read_bytes())
        return WordTable(
            pieces,
            tensors["vectors"],
            tensors["weights"].astype(np.float32),
            tuple(config["known_words"]),
            float(config["known_similarity"]),
        )
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ModelLoadError(
            f"ember's word table in {folder} cannot be read ({error}): install Sonolume again"
        ) from error
