"""A whole course of lessons: what is learned, what is checked meanwhile, what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.conditioning.mapper_shape import MapperShape
from engine.messages import Float32
from engine.semantic.sound_vectors import SoundVectors
from engine.training.mapper.lessons import HeardClips, Lessons, clip_lessons, hear_clips
from engine.training.sound_datasets.formats import read_pairs
from engine.training.sound_datasets.pairs import (
    PairList,
    SoundPair,
    Split,
    split_by_fold,
    split_by_group,
)

_CHECKED_SHARE, _HELD_OUT_SHARE = 0.15, 0.2
_NAMED_FOLDS = ("test", "val", "eval_segments")


@dataclass(frozen=True, slots=True)
class Course:
    """Everything that training needs of its data."""

    captions: tuple[str, ...]
    """The distinct ones; lessons count in them."""
    learned: Lessons
    checked: Lessons
    """Decides when it is enough, of other recordings than `learned`."""
    held_out: dict[str, Lessons]
    """By what they are; of recordings that neither of the others has."""
    gap: Float32
    """`(width,)`: by how much sounds lie beside what was learned from."""
    facts: dict[str, Any]
    """For the card."""
    missing: list[str]


def clip_course(
    data: Path, format_name: str, encoder: SoundVectors, shape: MapperShape, cache: Path,
    fold: int, seed: int, synthesised: Sequence[SoundPair] = (),
) -> Course:  # fmt: skip
    """A course of sounds, `synthesised` ones beside those in `data`. Raises `TrainingError`."""
    found = read_pairs(data, format_name)
    found = replace(found, pairs=(*found.pairs, *synthesised))
    heard = hear_clips(found.pairs, encoder, cache)
    pairs = tuple(pair for pair in found.pairs if pair.sound in heard.rows)
    captions = tuple(dict.fromkeys(pair.caption for pair in pairs))
    outer, name = held_out_split(pairs, fold, seed)
    inner = split_by_group(outer.learned, _CHECKED_SHARE, seed=seed)
    parts = [
        clip_lessons(part, heard, captions, patches=shape.patches, unit=shape.unit)
        for part in (inner.learned, inner.held_out)
    ]
    held_out = {}
    if outer.held_out:
        asked = clip_lessons(
            outer.held_out, heard, captions, patches=shape.patches, unit=shape.unit
        )
        held_out["clips"] = _chosen(asked, whole=True)
        if not asked.whole.all():
            held_out["windows"] = _chosen(asked, whole=False)
    facts = {"pairs": len(pairs), "captions": len(captions), "missing": _missing(found, heard),
             "held_out": name, "seed": seed}  # fmt: skip
    return Course(
        captions, parts[0], parts[1], held_out, np.zeros(encoder.width, np.float32), facts,
        [*found.report(), *unreadable_lines(heard)],
    )  # fmt: skip


def held_out_split(pairs: Sequence[SoundPair], fold: int, seed: int) -> tuple[Split, str]:
    """What is tested on and its name.

    0: nothing. A numbered fold; where folds have names, the one for tests; where there are none,
    a fifth of the recordings. Raises `TrainingError` for a fold that there is not.
    """
    if fold == 0:
        return Split(tuple(pairs), ()), "none"
    folds = {pair.fold for pair in pairs}
    named = next((name for name in _NAMED_FOLDS if name in folds), None)
    if named is not None:
        return split_by_fold(pairs, named), named
    if any(name.isdigit() for name in folds):
        return split_by_fold(pairs, str(fold)), f"fold {fold}"
    return split_by_group(pairs, _HELD_OUT_SHARE, seed=seed + 1), "a fifth of the recordings"


def unreadable_lines(heard: HeardClips) -> list[str]:
    """Lines about clips that are there but cannot be read."""
    if not heard.unreadable:
        return []
    lines = [f"unreadable: {line}" for line in heard.unreadable[:20]]
    return [*lines, f"{len(heard.unreadable)} clips cannot be read and were skipped"]


def _missing(found: PairList, heard: HeardClips) -> int:
    return len(found.missing) + sum(pair.sound not in heard.rows for pair in found.pairs)


def _chosen(lessons: Lessons, *, whole: bool) -> Lessons:
    rows = lessons.whole == whole
    return replace(
        lessons, heard=lessons.heard[rows], prompt=lessons.prompt[rows], whole=lessons.whole[rows]
    )
