"""Whether what moves is struck, or only swings."""

from __future__ import annotations

import numpy as np

from engine.analysis.strokes import StrokeMeter

HOP_S = 512 / 48_000
TIME_S = HOP_S * np.arange(round(10.0 / HOP_S))


def heard(levels: np.ndarray) -> list[float]:
    meter = StrokeMeter(HOP_S)
    values = []
    for level in levels.tolist():
        meter.step(level)
        values.append(meter.value)
    return values


def test_an_even_swing_as_fast_as_sixteenths_is_no_stroke() -> None:
    for swing_hz in (10.0, 15.0, 20.0):
        values = heard(0.5 + 0.2 * np.sin(2.0 * np.pi * swing_hz * TIME_S))
        assert max(values[round(1.0 / HOP_S) :]) == 0.0, swing_hz


def test_what_rises_at_once_and_falls_slowly_is_struck_however_fast() -> None:
    for strokes_hz in (8.0, 11.6):
        values = heard(0.5 * np.exp(-6.0 * (TIME_S * strokes_hz % 1.0)))
        assert min(values[round(1.0 / HOP_S) :]) == 1.0, strokes_hz


def test_what_moves_slowly_may_be_a_beat_however_softly() -> None:
    assert min(heard(0.5 + 0.2 * np.sin(2.0 * np.pi * 2.0 * TIME_S))) == 1.0


def test_the_coming_of_a_sound_and_a_gap_in_it_are_no_strokes() -> None:
    meter = StrokeMeter(HOP_S)
    for level in (0.5 + 0.05 * np.sin(2.0 * np.pi * 15.0 * TIME_S)).tolist():
        meter.step(level)
    assert meter.value == 0.0
    meter.rejoin(0.55)
    meter.step(0.55)
    assert meter.value == 0.0
