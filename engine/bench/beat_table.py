"""The paired table of beat trackers: ours, aubio where it is installed, librosa (offline).

On the loops of `--data` and on 200 generated clips; re-locking after a tempo switch, the first
lock, beats where there are none, and downbeats. What a row means: engine/analysis/README.md.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from engine.bench.area import Result
from engine.bench.beat_clips import RATE_HZ, ClipName, clip_names
from engine.bench.beat_scores import (
    any_level_f,
    f_measure,
    lock_s,
    need_mir_eval,
    paired_interval,
    right_tempo,
)
from engine.bench.beat_trackers import trackers

_PROCESSES = 2
_SETS = ("loop", "generated")


@dataclass(frozen=True, slots=True)
class Score:
    """What one tracker made of one clip."""

    f: float = 0.0
    any_f: float = 0.0
    acc1: float = 0.0
    lock_s: float = math.inf
    """From the start, or from the tempo switch."""
    beats_per_minute: float = 0.0
    """Only of sounds without beats."""
    downbeat_f: float | None = None


Scores = dict[str, Score]
"""By the name of the tracker."""


def table_clips(data: Path) -> list[ClipName]:
    """Return the clips of the table; raise `EngineError` without mir_eval or without the loops."""
    need_mir_eval()
    return clip_names(data)


def beat_table(names: Sequence[ClipName]) -> list[Result]:
    """Score every tracker on every clip; return the rows of the table."""
    return rows(names, score_clips(names))


def score_clips(names: Sequence[ClipName]) -> list[Scores]:
    """Score the clips in two processes, in their order."""
    from tqdm import tqdm

    with (
        TemporaryDirectory() as scratch,
        ProcessPoolExecutor(_PROCESSES, get_context("spawn"), _own_cache, (scratch,)) as pool,
    ):
        done = pool.map(score_clip, names, chunksize=4)
        return list(tqdm(done, total=len(names), unit="clip", disable=None))


def _own_cache(scratch: str) -> None:
    """Give librosa's compiler a folder per process: what another one left crashes it."""
    os.environ["NUMBA_CACHE_DIR"] = str(Path(scratch) / str(os.getpid()))


def score_clip(name: ClipName) -> Scores:
    """Render one clip and give it to every tracker."""
    clip = name.render()
    scores = {}
    for tracker, find in trackers().items():
        beats, downbeats = find(clip.samples, RATE_HZ)
        if name.kind == "false":
            minutes = len(clip.samples) / RATE_HZ / 60.0
            scores[tracker] = Score(beats_per_minute=len(beats) / minutes)
        elif clip.switch_s is not None:
            scores[tracker] = Score(lock_s=lock_s(clip.beats_s, beats, clip.switch_s))
        else:
            scores[tracker] = Score(
                f=f_measure(clip.beats_s, beats),
                any_f=any_level_f(clip.beats_s, beats),
                acc1=float(right_tempo(clip.beats_s, beats)),
                lock_s=lock_s(clip.beats_s, beats),
                downbeat_f=f_measure(clip.downbeats_s, downbeats)
                if downbeats is not None and clip.downbeats_s
                else None,
            )
    return scores


def rows(names: Sequence[ClipName], scored: Sequence[Scores]) -> list[Result]:
    """Sum up: `hearing/<tracker>`, `hearing/paired/<set>`, `hearing/downbeats`."""
    by_kind = {
        kind: [scores for name, scores in zip(names, scored, strict=True) if name.kind == kind]
        for kind in (*_SETS, "switch", "false")
    }
    false = [name.what for name in names if name.kind == "false"]
    results: list[Result] = [
        _tracker_row(tracker, by_kind, false) for tracker in (scored[0] if scored else {})
    ]
    if scored and "aubio" in scored[0]:
        results += [
            _paired_row(kind, by_kind[kind]) for kind in _SETS if by_kind[kind]
        ]  # fmt: skip
    downbeats = [
        score.downbeat_f
        for scores in by_kind["generated"]
        if (score := scores["sonolume"]).downbeat_f is not None
    ]
    if downbeats:
        results.append({"name": "hearing/downbeats", "f": _mean(downbeats), "on": "generated"})
    return results


def _tracker_row(
    tracker: str, by_kind: dict[str, list[Scores]], false: Sequence[str]
) -> Result:  # fmt: skip
    both = [scores[tracker] for kind in _SETS for scores in by_kind[kind]]
    row: Result = {"name": f"hearing/{tracker}", **_means(both)}
    switches = [scores[tracker].lock_s for scores in by_kind["switch"]]
    row["relock_s"] = _median(switches)
    row["first_lock_s"] = _median([score.lock_s for score in both])
    for kind in _SETS:
        row[kind] = {**_means([scores[tracker] for scores in by_kind[kind]]),
                     "clips": len(by_kind[kind])}  # fmt: skip
    row["false_beats_per_minute"] = {
        sound: round(scores[tracker].beats_per_minute, 1)
        for sound, scores in zip(false, by_kind["false"], strict=True)
    }
    return row


def _paired_row(kind: str, scored: Sequence[Scores]) -> Result:
    row: Result = {"name": f"hearing/paired/{kind}", "clips": len(scored)}
    for key in ("f", "any_f", "acc1"):
        ours, theirs = (
            [float(getattr(scores[name], key)) for scores in scored]
            for name in ("sonolume", "aubio")
        )
        mean, low, high = paired_interval(ours, theirs)
        row[key] = {"ours_minus_aubio": round(mean, 3), "low": round(low, 3),
                    "high": round(high, 3)}  # fmt: skip
    return row


def _means(scores: Sequence[Score]) -> dict[str, object]:
    return {
        key: _mean([float(getattr(score, key)) for score in scores])
        for key in ("f", "any_f", "acc1")
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def _median(values: Sequence[float]) -> float | None:
    """None for never: JSON has no infinity."""
    middle = float(np.median(values)) if values else math.inf
    return round(middle, 2) if math.isfinite(middle) else None
