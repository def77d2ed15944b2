"""A mapper that hears by itself: the encoder that its file names, opened beside it."""

from __future__ import annotations

from pathlib import Path

from engine.conditioning.adapter_file import card_of
from engine.conditioning.mapper import SEQUENCE_S, MapperEncoding
from engine.conditioning.sound_embedding import TargetSpec
from engine.semantic.sound_vectors import open_sound_vectors


def hearing_mapper(
    path: Path, target: TargetSpec, weights: Path | None = None, device: str = "cpu"
) -> MapperEncoding:
    """Return a mapper that needs samples alone: for pictures of files, and for VGGish.

    `weights` as `open_sound_vectors` takes it. Raises `ModelLoadError`: another model than
    `target`, or an encoder whose weights are not there.
    """
    card = card_of(path)
    vectors = open_sound_vectors(card.encoder, weights, device)
    card.check(card.encoder, vectors.width, target, path)
    if card.settings.get("patches"):
        return MapperEncoding(path, target, hear=vectors.sequence, window_s=SEQUENCE_S)
    return MapperEncoding(path, target, hear=vectors.encode, window_s=vectors.window_s)
