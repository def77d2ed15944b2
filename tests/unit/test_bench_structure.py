"""The yardstick for sections, recurrences and drops counts what it says."""

from __future__ import annotations

import numpy as np
import pytest

from engine.bench.structure import Hearing, Tally, figures, judge, song
from engine.synthesis.truth import Section

ABAB = tuple(Section(16.0 * i, 16.0 * (i + 1), "AB"[i % 2]) for i in range(4))
TIMES_S = np.arange(0.0, 64.0, 0.01)


def hearing(*changes: tuple[float, int], drops_s: tuple[float, ...] = ()) -> Hearing:
    """Section numbers from the times on at which they were told, 3 s after they began."""
    numbers = np.full(TIMES_S.shape, -1)
    for time_s, number in changes:
        numbers[time_s <= TIMES_S] = number
    starts_s = tuple(time_s - 3.0 for time_s, _ in changes[1:])
    return Hearing(TIMES_S, numbers, starts_s, drops_s)


def judged(heard: Hearing, sections=ABAB, drops_s=()) -> dict[str, object]:
    tally = Tally()
    judge(heard, sections, drops_s, tally)
    return figures(tally)


def test_to_say_everything_three_seconds_late_is_right():
    result = judged(hearing((4.0, 0), (19.0, 1), (35.0, 0), (51.0, 1)))
    assert result["boundary_f"] == result["recall_f"] == result["sections_right"] == 1.0
    assert result["recall_delay_s"] == pytest.approx(3.0)


def test_to_say_nothing_recalls_nothing():
    result = judged(hearing((4.0, 0)))
    assert result["boundary_recall"] == 0.0
    assert result["recall_f"] == 0.0
    assert result["sections_right"] == 0.0


def test_a_return_told_too_late_or_not_held_or_as_new_is_not_recalled():
    late = judged(hearing((4.0, 0), (19.0, 1), (40.0, 0), (51.0, 1)))
    lost = judged(hearing((4.0, 0), (19.0, 1), (35.0, 0), (45.0, 2), (51.0, 1)))
    new = judged(hearing((4.0, 0), (19.0, 1), (35.0, 2), (51.0, 1)))
    assert late["recall_recall"] == lost["recall_recall"] == new["recall_recall"] == 0.5
    assert new["recall_precision"] == 1.0
    assert late["recall_precision"] == 0.5


def test_neighbours_of_one_letter_are_one_section():
    twice = tuple(
        Section(s.start_s, s.end_s, label) for s, label in zip(ABAB, "AABB", strict=True)
    )
    result = judged(hearing((4.0, 0), (35.0, 1)), twice)
    assert result["boundary_f"] == result["sections_right"] == 1.0


def test_drops_are_matched_once_and_the_others_are_false():
    result = judged(hearing((4.0, 0), drops_s=(32.1, 32.3, 50.0)), drops_s=(32.0, 60.0))
    assert result["drop_recall"] == 0.5
    assert result["false_drops_per_min"] == pytest.approx(2 / (64.0 / 60.0), abs=1e-3)


def test_the_songs_of_the_benchmark_are_always_the_same_and_differ():
    assert song(5003) == song(5003)
    assert len({song(seed).bpm for seed in range(5000, 5060)}) == 60
