"""Sounds with captions and pictures on disk, as AudioCaps is laid out.

    DIR/{split}/audio/<id>.wav
    DIR/{split}/frames/<id>.jpg or .png
    DIR/metadata.json or DIR/{split}/metadata.json
        {"samples": [{"id": ..., "audio": ..., "caption": ..., "split": ...}]}
    or DIR/{split}.csv, the official table: audiocap_id,youtube_id,start_time,caption

Sounds of the official table lie under its `audiocap_id`, `<youtube_id>_<start_time>` or
`<youtube_id>`, whichever is there. Latents of others (`latents/<id>.pt`) are pickles and not read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import TrainingError

_SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
_FRAMES = (".jpg", ".jpeg", ".png", ".webp")
_OFFICIAL = {"audiocap_id", "youtube_id", "start_time", "caption"}
_LAYOUT = (
    "a folder as AudioCaps is laid out: {split}/audio/<id>.wav, {split}/frames/<id>.jpg, and "
    "metadata.json or {split}.csv"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One sound, what it is called, and what it looks like."""

    id: str
    caption: str
    audio: Path
    frame: Path | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A row of the table that cannot be learned from."""

    id: str
    what: str
    """`audio`, `frame` or `caption`."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a folder holds."""

    found: tuple[Pair, ...]
    missing: tuple[Missing, ...]

    def write_missing(self, path: Path) -> str:
        """List what is missing in a CSV; return one line for people, empty if nothing is."""
        if not self.missing:
            path.unlink(missing_ok=True)
            return ""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "missing"))
            writer.writerows((row.id, row.what) for row in self.missing)
        rows = len(self.found) + len(self.missing)
        first = ", ".join(f"{row.id} ({row.what})" for row in self.missing[:3])
        return (
            f"{len(self.missing)} of {rows} pairs are not whole and left out: {first}"
            f"{', ...' if len(self.missing) > 3 else ''}; all are listed in {path}"
        )


def read_pairs(data: Path, split: str, *, frames: bool) -> Pairs:
    """Return the pairs of a split; with `frames`, only those that have a picture.

    Raises `TrainingError` where there is no table, a damaged one, or no pair at all.
    """
    found, missing = [], []
    audio, pictures = _by_stem(data / split / "audio"), _by_stem(data / split / "frames")
    for ids, caption in _rows(data, split):
        sound = _first(audio, ids, _SOUNDS)
        picture = _first(pictures, ids, _FRAMES)
        if not caption:
            missing.append(Missing(ids[0], "caption"))
        elif sound is None:
            missing.append(Missing(ids[0], "audio"))
        elif picture is None and frames:
            missing.append(Missing(ids[0], "frame"))
        else:
            found.append(Pair(ids[0], caption, sound, picture))
    if not found:
        what = "sounds with captions and pictures" if frames else "sounds with captions"
        raise TrainingError(
            f"{data} has no {what} in its split {split!r} ({len(missing)} rows of its table lack "
            f"something): --data takes {_LAYOUT}"
        )
    return Pairs(tuple(found), tuple(missing))


def has_split(data: Path, split: str) -> bool:
    """Whether there are sounds of this split at all."""
    return (data / split / "audio").is_dir()


def _rows(data: Path, split: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Names that a row's files may have, and its caption."""
    for path in (data / split / "metadata.json", data / "metadata.json"):
        if path.is_file():
            yield from _metadata_rows(path, split)
            return
    for path in (data / f"{split}.csv", data / split / f"{split}.csv"):
        if path.is_file():
            yield from _official_rows(path)
            return
    raise TrainingError(f"{data} has no table of captions: --data takes {_LAYOUT}")


def _metadata_rows(path: Path, split: str) -> Iterator[tuple[tuple[str, ...], str]]:
    try:
        samples: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["samples"]
        for sample in samples:
            if sample.get("split", split) == split:
                stem = Path(str(sample.get("audio") or sample["id"])).stem
                yield (str(sample["id"]), stem), str(sample.get("caption") or "").strip()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path} is damaged ({type(error).__name__}: {error}): it is to hold "
            '{"samples": [{"id", "audio", "caption", "split"}]}'
        ) from error


def _official_rows(path: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            lacking = _OFFICIAL - set(rows.fieldnames or ())
            if lacking:
                raise TrainingError(
                    f"{path} has no column {', '.join(sorted(lacking))}: it is to have "
                    "audiocap_id, youtube_id, start_time and caption"
                )
            for row in rows:
                video, start = row["youtube_id"] or "", row["start_time"] or ""
                names = (row["audiocap_id"] or "", f"{video}_{start}", video)
                yield names, (row["caption"] or "").strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"{path} cannot be read ({error}): save it as UTF-8") from error


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """All files of a folder; listed once, for a table has 50,000 rows."""
    table: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            table.setdefault(path.stem, []).append(path)
    return table


def _first(
    files: dict[str, list[Path]], names: tuple[str, ...], suffixes: tuple[str, ...]
) -> Path | None:
    for name in names:
        for path in files.get(name, ()):
            if path.suffix.lower() in suffixes:
                return path
    return None
