"""AudioCaps (Kim et al. 2019) on disk: `{split}/audio/<id>.wav` and captions.

Captions are in `metadata.json`, `{"samples": [{id, audio, caption, split}]}`, or in `{split}.csv`
with the published columns `audiocap_id,youtube_id,start_time,caption`. A clip has up to five.
"""

from __future__ import annotations

import json
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

SPLITS = ("train", "val", "test")
_ENDINGS = (".wav", ".flac", ".ogg", ".mp3")
_JSON = "metadata.json"
_COLUMNS = ("youtube_id", "start_time", "caption")


def is_audiocaps(data: Path) -> bool:
    """Whether the folder has a `metadata.json`, or tables and folders of splits."""
    return (data / _JSON).is_file() or any(
        (data / f"{split}.csv").is_file() and (data / split).is_dir() for split in SPLITS
    )


def read_audiocaps(data: Path) -> PairList:
    """Pairs of all splits; the split is the fold. Raises `TrainingError`."""
    found = _from_json(data) if (data / _JSON).is_file() else _from_tables(data)
    return collected(found, data)


def _from_json(data: Path) -> Iterator[SoundPair | str]:
    path = data / _JSON
    try:
        samples = json.loads(path.read_text("utf-8"))["samples"]
        rows = [{key: str(value) for key, value in sample.items()} for sample in samples]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f'{path} is not {{"samples": [{{id, audio, caption, split}}]}}: write it anew'
        ) from error
    for row in rows:
        name, split = row.get("id", ""), row.get("split", "")
        candidates = _named(data / split / "audio", name)
        if row.get("audio"):
            candidates = [data / row["audio"], data / split / "audio" / row["audio"], *candidates]
        yield pair_or_line(candidates, row.get("caption", ""), _recording(name), split)


def _from_tables(data: Path) -> Iterator[SoundPair | str]:
    for split in SPLITS:
        path = data / f"{split}.csv"
        if not path.is_file():
            continue
        folder = data / split / "audio"
        for row in table_rows(path, _COLUMNS):
            video, start = row["youtube_id"], row["start_time"]
            candidates = _named(folder, f"{video}_{start}") + _named(folder, video)
            if row.get("audiocap_id"):
                candidates += _named(folder, row["audiocap_id"])
            yield pair_or_line(candidates, row["caption"], video, split)


def _named(folder: Path, name: str) -> list[Path]:
    return [folder / f"{name}{ending}" for ending in _ENDINGS]


def _recording(name: str) -> str:
    """The video of `<ytid>_<start>`; ids themselves may hold underscores."""
    head, _, tail = name.rpartition("_")
    return head if head and tail.replace(".", "", 1).isdigit() else name
