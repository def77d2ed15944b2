"""An outer beat clock leads: tempo, beat and bar follow it, smoothly, until it is given up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.beat import BeatTracker
from engine.analysis.outer_bar import OuterBar
from engine.control.steady import SteadyTempo
from engine.messages import AudioFeatures, Bar, TempoReading, TempoState
from tests.signals import drums, noise

RATE = 24_000
DT_S = 256 / RATE
MAX_SLEW = 0.35


def led(samples: np.ndarray, clock: Callable[[int], TempoReading]) -> list[AudioFeatures]:
    analyzer = Analyzer(RATE)
    analyzer.outer_clock = clock
    return analyzer.push(samples)


def steady(bpm: float, start_s: float = 0.0) -> Callable[[int], TempoReading]:
    tempo = SteadyTempo(bpm, start_s)
    return lambda sample_index: tempo.state_at(sample_index / RATE)


def apart(phase: float, other: float) -> float:
    return abs((phase - other + 0.5) % 1.0 - 0.5)


def test_beat_bar_and_tempo_are_those_of_the_clock_and_not_of_the_music() -> None:
    features = led(drums(128.0, 10.0, RATE), steady(97.0, 0.13))
    for heard in features:
        beats = (heard.sample_index / RATE - 0.13) * 97.0 / 60.0
        assert heard.tempo_bpm == pytest.approx(97.0)
        assert apart(heard.beat_phase, beats) < 1e-6
        assert apart(heard.bar.phase, beats / 4.0) < 1e-6
    last = features[-1]
    assert (last.tempo_source, last.tempo_by_hand) == ("midi", False)
    assert last.beat_count == int(9.87 * 97.0 / 60.0) + 1  # and the one at 0.13 s
    assert last.bar.count == int(9.87 * 97.0 / 240.0) + 1
    assert last.bar.confidence == 1.0


def test_taking_over_from_the_music_the_phase_glides_and_arrives_within_four_beats() -> None:
    analyzer = Analyzer(RATE)
    music = drums(120.0, 14.0, RATE)
    before = analyzer.push(music[: 8 * RATE])
    assert before[-1].tempo_source == "sound"
    analyzer.outer_clock = steady(120.0, 0.25)  # half a beat apart: the farthest there is
    after = analyzer.push(music[8 * RATE :])
    phase = np.array([f.beat_phase for f in [before[-1], *after]])
    moved = np.diff(phase) % 1.0
    assert moved.max() < 2.0 * DT_S * (1.0 + MAX_SLEW) * 1.001
    assert moved.min() > 2.0 * DT_S * (1.0 - MAX_SLEW) * 0.999
    arrived = [f for f in after if f.sample_index > 10 * RATE]
    for heard in arrived:
        assert apart(heard.beat_phase, (heard.sample_index / RATE - 0.25) * 2.0) < 0.01
    count = np.array([f.beat_count for f in [before[-1], *after]])
    np.testing.assert_array_equal(np.diff(phase) < 0.0, np.diff(count) == 1)


def test_given_up_the_tracker_finds_the_music_again() -> None:
    analyzer = Analyzer(RATE)
    music = drums(128.0, 20.0, RATE)
    analyzer.outer_clock = steady(97.0)
    analyzer.push(music[: 8 * RATE])
    analyzer.outer_clock = None
    last = analyzer.push(music[8 * RATE :])[-1]
    assert (last.tempo_source, last.tempo_bpm) == ("sound", pytest.approx(128.0, rel=0.01))
    assert last.bar.count > 0


def test_a_tempo_set_by_hand_waits_behind_the_clock() -> None:
    analyzer = Analyzer(RATE)
    quiet = noise(1.0, RATE, level=0.05)
    analyzer.outer_clock = steady(97.0)
    analyzer.push(quiet)
    analyzer.set_tempo(140.0)
    led_by_clock = analyzer.push(quiet)[-1]
    assert (led_by_clock.tempo_bpm, led_by_clock.tempo_source) == (pytest.approx(97.0), "midi")
    analyzer.outer_clock = None
    by_hand = analyzer.push(quiet)[-1]
    assert (by_hand.tempo_bpm, by_hand.tempo_source) == (pytest.approx(140.0), "hand")
    assert by_hand.tempo_by_hand


def test_a_tap_does_not_move_the_beat_of_a_clock_that_says_where_it_is() -> None:
    analyzer = Analyzer(RATE)
    analyzer.outer_clock = steady(97.0)
    analyzer.push(noise(1.0, RATE, level=0.05))
    analyzer.tap(RATE)
    last = analyzer.push(noise(0.1, RATE, level=0.05))[-1]
    assert apart(last.beat_phase, last.sample_index / RATE * 97.0 / 60.0) < 1e-6


def test_a_tap_places_the_beat_of_a_clock_that_has_a_tempo_only() -> None:
    reading = TempoReading(bpm=120.0, state=TempoState.RUNNING)
    analyzer = Analyzer(RATE)
    analyzer.outer_clock = lambda sample_index: reading
    analyzer.push(np.zeros(RATE, np.float32))
    analyzer.tap(round(0.9 * RATE))
    last = analyzer.push(np.zeros(RATE // 2, np.float32))[-1]
    assert apart(last.beat_phase, (last.sample_index / RATE - 0.9) * 2.0) < 0.02


def test_beats_are_counted_in_silence_while_the_clock_runs_and_not_while_it_stands() -> None:
    analyzer = Analyzer(RATE)
    silence = np.zeros(6 * RATE, np.float32)
    analyzer.outer_clock = steady(120.0)
    running = analyzer.push(silence)[-1]
    assert running.silent
    assert running.beat_count == 11
    stopped = TempoReading(120.0, 0.5, 0.5, 4, TempoState.STOPPED)
    analyzer.outer_clock = lambda sample_index: stopped
    assert analyzer.push(silence)[-1].beat_count == 11


def test_a_clock_that_knows_no_tempo_yet_leaves_the_lead_to_the_sound() -> None:
    last = led(drums(124.0, 8.0, RATE), lambda sample_index: TempoReading(message="waiting"))[-1]
    assert (last.tempo_source, last.tempo_bpm) == ("sound", pytest.approx(124.0, rel=0.01))


def test_a_clock_with_a_tempo_only_takes_the_beat_from_the_sound() -> None:
    reading = TempoReading(bpm=124.0, state=TempoState.RUNNING)
    features = led(drums(124.0, 12.0, RATE), lambda sample_index: reading)
    for heard in features[len(features) * 2 // 3 :]:
        beats = heard.sample_index / RATE * 124.0 / 60.0
        assert heard.tempo_bpm == pytest.approx(124.0)
        assert apart(heard.beat_phase, beats) * 60.0 / 124.0 < 0.05


def test_the_first_reading_sets_the_phase_as_nobody_has_followed_it_before() -> None:
    tracker = BeatTracker(DT_S)
    tracker.follow(TempoReading(120.0, 0.7, 0.7, 4, TempoState.RUNNING))
    tracker.step(0.0, silent=False)
    assert tracker.phase == pytest.approx(0.7)


def test_the_count_of_bars_never_decreases_whoever_leads() -> None:
    bar = OuterBar()
    assert bar.step(Bar(count=3), None, 0.0).count == 3
    leading = [
        TempoReading(120.0, beats % 1.0, beats / 4.0 % 1.0, 4, TempoState.RUNNING)
        for beats in np.arange(0.5, 9.0, 0.25).tolist()
    ]
    heard = Bar(count=3)
    counts = [bar.step(heard, reading, reading.beat_phase or 0.0).count for reading in leading]
    assert counts[-1] == 5
    assert bar.step(Bar(count=4), None, 0.0).count == 6
    assert np.all(np.diff(counts) >= 0)


def test_the_bar_turns_over_with_the_beat_even_while_the_phase_still_glides() -> None:
    bar = OuterBar()
    seen = []
    for own in np.arange(0.0, 12.0, 0.05).tolist():
        outer = own + 0.3  # the clock is ahead, the tracker not there yet
        reading = TempoReading(120.0, outer % 1.0, outer / 4.0 % 1.0, 4, TempoState.RUNNING)
        seen.append(bar.step(Bar(), reading, own % 1.0).phase * 4.0)
    moved = np.diff(seen) % 4.0
    np.testing.assert_allclose(moved, 0.05, atol=1e-9)
