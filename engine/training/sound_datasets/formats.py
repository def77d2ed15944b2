"""Datasets by format, told or recognised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from engine.errors import TrainingError
from engine.training.sound_datasets.audiocaps import is_audiocaps, read_audiocaps
from engine.training.sound_datasets.audioset import is_audioset, read_audioset
from engine.training.sound_datasets.esc50 import is_esc50, read_esc50
from engine.training.sound_datasets.format_names import AUTO
from engine.training.sound_datasets.labelled_folder import (
    is_labelled_folder,
    read_labelled_folder,
)
from engine.training.sound_datasets.pairs import PairList

_READERS: Mapping[str, tuple[Callable[[Path], bool], Callable[[Path], PairList]]] = {
    "esc50": (is_esc50, read_esc50),
    "audiocaps": (is_audiocaps, read_audiocaps),
    "audioset": (is_audioset, read_audioset),
    "folder": (is_labelled_folder, read_labelled_folder),
}


def read_pairs(data: Path, format_name: str = AUTO) -> PairList:
    """Return the pairs of a folder in one of `FORMAT_NAMES`.

    Raises `TrainingError` for what is no folder, not recognised, or has no pair.
    """
    if not data.is_dir():
        raise TrainingError(f"{data} is no folder: give one with --data")
    if format_name != AUTO:
        return _READERS[format_name][1](data)
    for known, read in _READERS.values():
        if known(data):
            return read(data)
    raise TrainingError(
        f"{data} is in no known format: ESC-50 has meta/esc50.csv, AudioCaps metadata.json or "
        "train.csv beside train/audio, AudioSet class_labels_indices.csv, any other folder a CSV "
        "with file, and caption or category"
    )
