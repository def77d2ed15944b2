"""ESC-50 (Piczak 2015): `meta/esc50.csv`, `audio/{fold}-{id}-{take}-{class}.wav`.

Takes of one recording share its id and are in one fold.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.training.sound_datasets.captions import caption_of_category
from engine.training.sound_datasets.pairs import PairList, SoundPair, collected, pair_or_line
from engine.training.sound_datasets.pairs import table_rows as rows_of

TABLE = Path("meta") / "esc50.csv"


def is_esc50(data: Path) -> bool:
    """Whether the folder has ESC-50's table."""
    return (data / TABLE).is_file()


def read_esc50(data: Path) -> PairList:
    """Pairs of clip and class. Raises `TrainingError`."""
    return collected(_pairs(data), data)


def _pairs(data: Path) -> Iterator[SoundPair | str]:
    for row in rows_of(data / TABLE, ("filename", "fold", "category")):
        name = row["filename"]
        parts = name.split("-")
        group = row.get("src_file") or (parts[1] if len(parts) == 4 else name)
        caption = caption_of_category(row["category"])
        yield pair_or_line([data / "audio" / name], caption, group, row["fold"])
