"""A folder with one table of its own: columns `file`, and `caption` or `category`.

What the listener is trained from is one (`engine.training.listener.clips`). Optional columns:
`fold`, and `group` or `freesound_id` for the recording a clip was cut from.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.errors import TrainingError
from engine.training.sound_datasets.captions import caption_of_category
from engine.training.sound_datasets.pairs import (
    PairList,
    SoundPair,
    collected,
    pair_or_line,
    table_rows,
)


def is_labelled_folder(data: Path) -> bool:
    """Whether a table in the folder has a column `file`."""
    return _table(data) is not None


def read_labelled_folder(data: Path) -> PairList:
    """Pairs of clip and caption. Raises `TrainingError`."""
    return collected(_pairs(data), data)


def _pairs(data: Path) -> Iterator[SoundPair | str]:
    table = _table(data)
    if table is None:
        raise TrainingError(
            f"{data} has no table of clips: a CSV with the columns file, and caption or category"
        )
    for row in table_rows(table, ("file",)):
        caption = row.get("caption") or caption_of_category(row.get("category", ""))
        group = row.get("group") or row.get("freesound_id") or _recording(row["file"])
        yield pair_or_line([data / row["file"]], caption, group, row.get("fold", ""))


def _recording(file: str) -> str:
    """`{fold}-{id}-{take}` is cut from `{id}`; any other file stands for itself."""
    parts = Path(file).stem.split("-")
    return parts[1] if len(parts) >= 3 else file


def _table(data: Path) -> Path | None:
    for path in sorted(data.glob("*.csv")):
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            columns = [name.strip() for name in file.readline().split(",")]
        if "file" in columns and {"caption", "category"} & set(columns):
            return path
    return None
