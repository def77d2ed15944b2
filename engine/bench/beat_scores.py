"""Scores of found beats against the truth, and what a difference of scores is worth.

F after mir_eval (70 ms, the first 5 s left out), as the field reports it. Lists in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from engine.errors import EngineError

BEAT_WINDOW_S = 0.07
TRIM_S = 5.0
_SAME_TEMPO = 0.04
_RUN = 4
_RUN_TEMPO = 0.1
_RESAMPLES = 10_000


def need_mir_eval() -> None:
    """Raise `EngineError` where the yardstick is not installed."""
    if find_spec("mir_eval") is None:
        raise EngineError("beats are scored by mir_eval, which is missing: pip install mir_eval")


def f_measure(truth_s: Sequence[float], found_s: Sequence[float], trim_s: float = TRIM_S) -> float:
    """F of beats within 70 ms, each truth matched once."""
    from mir_eval import beat

    truth = beat.trim_beats(np.array(sorted(truth_s), float), trim_s)
    found = beat.trim_beats(np.array(sorted(found_s), float), trim_s)
    if len(truth) == 0 or len(found) == 0:
        return 0.0
    return float(beat.f_measure(truth, found, BEAT_WINDOW_S))


def any_level_f(truth_s: Sequence[float], found_s: Sequence[float]) -> float:
    """The best F over the truth, its off-beats, twice and half its tempo (both halves)."""
    truth = np.array(sorted(truth_s), float)
    between = 0.5 * (truth[1:] + truth[:-1])
    double = np.sort(np.concatenate([truth, between]))
    levels = (truth, between, double, truth[::2], truth[1::2])
    return max(f_measure(level.tolist(), found_s) for level in levels)


def right_tempo(truth_s: Sequence[float], found_s: Sequence[float]) -> bool:
    """Acc1: the median interval after the first 5 s is within 4 % of the truth."""
    late = [beat for beat in found_s if beat >= TRIM_S]
    true = [beat for beat in truth_s if beat >= TRIM_S]
    if len(late) < 3 or len(true) < 3:
        return False
    ratio = float(np.median(np.diff(late)) / np.median(np.diff(true)))
    return abs(1.0 / ratio - 1.0) <= _SAME_TEMPO


def lock_s(truth_s: Sequence[float], found_s: Sequence[float], from_s: float = 0.0) -> float:
    """Seconds from `from_s` to the first of 4 beats in a row that are right; inf if never.

    Right is within 70 ms of four beats in a row of the truth, at its tempo within 10 %.
    """
    truth = np.array(sorted(truth_s), float)
    found = [beat for beat in sorted(found_s) if beat >= from_s - BEAT_WINDOW_S]
    for start in range(len(found) - _RUN + 1):
        run = np.array(found[start : start + _RUN])
        nearest = np.abs(truth[None, :] - run[:, None]).argmin(axis=1)
        step = np.diff(run) / np.maximum(np.diff(truth[nearest]), 1e-9)
        if (
            np.all(np.abs(truth[nearest] - run) <= BEAT_WINDOW_S)
            and np.all(np.diff(nearest) == 1)
            and abs(float(np.mean(step)) - 1.0) <= _RUN_TEMPO
        ):
            return max(0.0, float(run[0]) - from_s)
    return math.inf


def paired_interval(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Mean of `ours - theirs`, and its 95 % bootstrap interval over the clips."""
    difference = np.array(ours, float) - np.array(theirs, float)
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(difference), (_RESAMPLES, len(difference)))
    low, high = np.percentile(difference[draws].mean(axis=1), (2.5, 97.5))
    return float(difference.mean()), float(low), float(high)
