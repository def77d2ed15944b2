"""AudioSet (Gemmeke et al. 2017): tables of video ids and labels, and a folder of clips.

*_segments.csv             # YTID, start_seconds, end_seconds, positive_labels
class_labels_indices.csv   index,mid,display_name
audio/                     <ytid>.wav, <ytid>_<start>.wav or Y<ytid>.wav; or beside the tables
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from engine.errors import TrainingError
from engine.training.sound_datasets.pairs import (
    PairList,
    SoundPair,
    collected,
    pair_or_line,
    table_rows,
)

NAMES = "class_labels_indices.csv"
_ENDINGS = (".wav", ".flac", ".ogg", ".mp3")
_MOST_LABELS = 3
"""Of a clip's labels, so that a caption stays one."""


def is_audioset(data: Path) -> bool:
    """Whether the folder has the table of AudioSet's classes."""
    return (data / NAMES).is_file()


def read_audioset(data: Path) -> PairList:
    """Pairs of clip and the names of its first labels; a table's name is the fold.

    Raises `TrainingError`.
    """
    return collected(_pairs(data), data)


def _pairs(data: Path) -> Iterator[SoundPair | str]:
    rows = table_rows(data / NAMES, ("mid", "display_name"))
    names = {row["mid"]: row["display_name"] for row in rows}
    tables = [path for path in sorted(data.glob("*.csv")) if path.name != NAMES]
    if not tables:
        raise TrainingError(f"{data} has no table of clips, such as balanced_train_segments.csv")
    for table in tables:
        for video, start_s, labels in _segments(table):
            heard = [names[mid].split(",")[0].lower() for mid in labels if mid in names]
            caption = " and ".join(heard[:_MOST_LABELS])
            yield pair_or_line(_files(data, video, start_s), caption, video, table.stem)


def _segments(table: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Rows of a table of segments: its comments begin with #, labels are quoted."""
    try:
        text = table.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"{table} cannot be read as a table ({error})") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for number, row in enumerate(csv.reader(lines, skipinitialspace=True), 1):
        if len(row) < 4:
            raise TrainingError(
                f"{table}, row {number}: {len(row)} of 4 columns (YTID, start_seconds, "
                "end_seconds, positive_labels)"
            )
        yield row[0], row[1], ",".join(row[3:]).replace('"', "").split(",")


def _files(data: Path, video: str, start_s: str) -> list[Path]:
    whole = start_s.removesuffix(".000").removesuffix(".0")
    names = (video, f"{video}_{start_s}", f"{video}_{whole}", f"Y{video}")
    return [
        home / f"{name}{ending}" for home in (data / "audio", data) for name in names
        for ending in _ENDINGS
    ]  # fmt: skip
