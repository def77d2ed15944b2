from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.pointer import BeatPointer

DT_S = 512 / 48_000


def follow(beats_s: np.ndarray, seconds: float, floor: float = 0.02) -> list[BeatPointer]:
    """Run a pointer over hops that say `beat` near the given times; it, with its last values."""
    pointer = BeatPointer(DT_S)
    for hop in range(1, round(seconds / DT_S) + 1):
        near = np.abs(beats_s - hop * DT_S).min(initial=1.0) < 0.75 * DT_S
        pointer.step(0.7 if near else floor)
    return [pointer]


@pytest.mark.parametrize("bpm", [61.0, 96.7, 120.0, 173.3, 208.0])
def test_tempo_between_whole_hops_and_phase_are_found(bpm: float) -> None:
    (pointer,) = follow(np.arange(0.1, 12.0, 60.0 / bpm), 12.0)
    assert 60.0 / (pointer.period * DT_S) == pytest.approx(bpm, rel=0.01)
    true = (12.0 - 0.1) * bpm / 60.0
    assert abs((pointer.phase - true + 0.5) % 1.0 - 0.5) < 0.06
    assert pointer.clarity > 0.5
    assert pointer.evidence > 1.5


def test_what_has_no_beat_is_not_clear() -> None:
    rng = np.random.default_rng(4)
    (pointer,) = follow(np.sort(rng.uniform(0.0, 12.0, 22)), 12.0)
    assert pointer.evidence < 0.5
    (pointer,) = follow(np.array([]), 6.0)
    assert pointer.clarity < 0.2


def test_another_tempo_is_followed() -> None:
    early, late = np.arange(0.0, 8.0, 0.6), np.arange(8.0, 14.0, 0.44)
    (pointer,) = follow(np.concatenate([early, late]), 14.0)
    assert pointer.period * DT_S == pytest.approx(0.44, rel=0.02)
