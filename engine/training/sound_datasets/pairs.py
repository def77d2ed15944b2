"""Pairs of a clip and its caption, as every dataset's reader returns them, and grouped splits."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.errors import TrainingError

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class SoundPair:
    """A clip and what is to be painted of it."""

    sound: Path
    caption: str
    group: str
    """The recording that the clip was cut from: clips of one recording are never split."""
    fold: str = ""
    """Fold or split as the dataset has it; empty: it has none."""


@dataclass(frozen=True, slots=True)
class PairList:
    """What a folder holds."""

    pairs: tuple[SoundPair, ...]
    missing: tuple[str, ...]
    """Of its table, what is not there or has no caption: skipped, one line each."""

    def report(self) -> list[str]:
        """Lines about what is missing: each of the first, and how many there are."""
        if not self.missing:
            return []
        lines = [f"missing: {line}" for line in self.missing[:_SHOWN]]
        if len(self.missing) > _SHOWN:
            lines.append(f"missing: and {len(self.missing) - _SHOWN} more")
        total = len(self.pairs) + len(self.missing)
        return [*lines, f"{len(self.missing)} of {total} pairs are missing and were skipped"]


class Split(NamedTuple):
    """Pairs to learn from and pairs to be asked about; no group is in both."""

    learned: tuple[SoundPair, ...]
    held_out: tuple[SoundPair, ...]


def collected(found: Iterable[SoundPair | str], where: Path) -> PairList:
    """Sort a reader's findings, pairs and lines about missing ones.

    Raises `TrainingError` where no pair is left.
    """
    rows = list(found)
    pairs = tuple(row for row in rows if isinstance(row, SoundPair))
    missing = tuple(row for row in rows if isinstance(row, str))
    if not pairs:
        first = f"; the first missing one is {missing[0]}" if missing else ""
        raise TrainingError(
            f"{where} has no pair of a clip and a caption ({len(missing)} are missing{first}): "
            "put the sound files where the table says"
        )
    return PairList(pairs, missing)


def pair_or_line(
    candidates: Sequence[Path], caption: str, group: str, fold: str = ""
) -> SoundPair | str:
    """The pair with the first file that is there, or a line that says what is missing."""
    caption = " ".join(caption.split())
    if not caption:
        return f"{candidates[0]} has no caption"
    for path in candidates:
        if path.is_file():
            return SoundPair(path, caption, group, fold)
    return str(candidates[0])


def split_by_fold(pairs: Sequence[SoundPair], fold: str) -> Split:
    """Hold one fold out; what shares a recording with it is not learned from either.

    Raises `TrainingError` for a fold that there is not.
    """
    held_out = tuple(pair for pair in pairs if pair.fold == fold)
    folds = sorted({pair.fold for pair in pairs if pair.fold})
    if not held_out:
        raise TrainingError(
            f"there is no fold {fold!r} to hold out; the dataset has {', '.join(folds) or 'none'}"
        )
    taken = {pair.group for pair in held_out}
    learned = tuple(p for p in pairs if p.fold != fold and p.group not in taken)
    return _both(learned, held_out)


def split_by_group(pairs: Sequence[SoundPair], share: float, *, seed: int) -> Split:
    """Hold out about `share` of the recordings, drawn by `seed`, at least one.

    Raises `TrainingError` where there is but one recording.
    """
    groups = sorted({pair.group for pair in pairs})
    rng = np.random.default_rng(seed)
    count = max(1, round(share * len(groups)))
    taken = {groups[i] for i in rng.permutation(len(groups))[:count]}
    learned = tuple(pair for pair in pairs if pair.group not in taken)
    return _both(learned, tuple(pair for pair in pairs if pair.group in taken))


def table_rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV file that has all the `needed` columns. Raises `TrainingError`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"{path} cannot be read as a table ({error})") from error
    missing = [name for name in needed if rows and name not in rows[0]]
    if not rows or missing:
        lacks = f"no column {missing[0]!r}" if missing else "no rows"
        raise TrainingError(f"{path} has {lacks}; needed are {', '.join(needed)}")
    return [{key: value or "" for key, value in row.items() if key} for row in rows]


def _both(learned: tuple[SoundPair, ...], held_out: tuple[SoundPair, ...]) -> Split:
    if not learned:
        raise TrainingError(
            f"all {len(held_out)} pairs were held out: there are too few recordings to learn from"
        )
    return Split(learned, held_out)
