from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.bar import BarTracker
from engine.messages import Bar

HOPS = 50  # per beat


def run(first: int, per_bar: int, beats: int, strength: float = 0.8) -> list[Bar]:
    """Beats of 50 hops; each `per_bar`-th from `first` on sounds like the first of a bar."""
    tracker = BarTracker()
    seen = []
    for hop in range(beats * HOPS):
        beat, inside = divmod(hop, HOPS)
        nearest = beat + (inside > HOPS // 2)
        loud = nearest % per_bar == first and min(inside, HOPS - inside) <= 2
        tracker.step(strength if loud else 0.02, inside / HOPS, counted=inside == 0, paused=False)
        seen.append(tracker.bar)
    return seen


@pytest.mark.parametrize(("first", "per_bar"), [(0, 4), (2, 4), (1, 3)])
def test_the_first_beat_and_the_length_of_the_bar_are_found(first: int, per_bar: int) -> None:
    seen = run(first, per_bar, 48)
    late = seen[24 * HOPS :]
    assert {bar.beats for bar in late} == {per_bar}
    begins = [24 + i // HOPS for i, bar in enumerate(late) if bar.phase == 0.0]
    assert {beat % per_bar for beat in begins} == {first}
    assert late[-1].confidence > 0.7
    assert late[-1].count - late[0].count == pytest.approx(24 / per_bar, abs=1)


def test_the_phase_of_the_bar_rises_evenly_and_counts_once_around() -> None:
    late = run(0, 4, 48)[24 * HOPS :]
    phase = np.array([bar.phase for bar in late])
    count = np.array([bar.count for bar in late])
    np.testing.assert_allclose(np.diff(phase) % 1.0, 1.0 / (4 * HOPS), atol=1e-9)
    np.testing.assert_array_equal(np.diff(phase) < 0.0, np.diff(count) > 0)


def test_without_any_first_beat_there_is_no_confidence() -> None:
    assert run(0, 4, 48, strength=0.02)[-1].confidence < 0.1


def test_a_clock_that_runs_in_silence_counts_no_bars() -> None:
    tracker = BarTracker()
    for hop in range(20 * HOPS):
        tracker.step(0.5, hop % HOPS / HOPS, counted=False, paused=True)
    assert tracker.bar.count == 0
    assert tracker.bar.confidence == 0.0
