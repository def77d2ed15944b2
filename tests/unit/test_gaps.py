"""Sound that the analysis is too late for: counted, said, and musical time stays right."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.bar import BarTracker
from engine.analysis.framer import Framer
from engine.analysis.outer_bar import OuterBar
from engine.analysis.pointer import BeatPointer
from engine.analysis.report import feature_arrays
from engine.clock import ManualClock
from engine.control.steady import SteadyTempo
from engine.messages import AudioFeatures, Bar, TempoReading, TempoState
from engine.runtime.pump import MOST_BEHIND_S, Pump
from engine.runtime.skips import WINDOW_S, Skips
from tests.scripted_source import ScriptedSource
from tests.signals import clicks, drums, noise

RATE = 24_000
HOP = 256
PERIOD_S = 0.5


def clicks_at_120_bpm(seconds: float) -> np.ndarray:
    return clicks(np.arange(0.0, seconds, PERIOD_S), seconds, RATE)


def with_gap(samples: np.ndarray, first: int, count: int) -> list[AudioFeatures]:
    analyzer = Analyzer(RATE)
    before = analyzer.push(samples[:first])
    analyzer.skip(count)
    return before + analyzer.push(samples[first + count :])


def error_ms(features: AudioFeatures) -> float:
    """How early the beat clock is in clicks at 120 BPM."""
    beats = features.beat_phase - features.sample_index / RATE / PERIOD_S
    return ((beats + 0.5) % 1.0 - 0.5) * 1000.0 * PERIOD_S


# -- the framer -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "count"), [(1000, 7), (1000, 24), (1024, 256), (1001, 12_345)])
def test_after_a_gap_hops_end_where_they_would_have_and_hold_the_same_samples(
    first: int, count: int
) -> None:
    samples = noise(1.0, RATE)
    whole, gapped = Framer(HOP, 2 * HOP), Framer(HOP, 2 * HOP)
    expected = {index: whole.newest(2 * HOP).copy() for index in whole.push(samples)}
    for _ in gapped.push(samples[:first]):
        assert gapped.unbroken >= 2 * HOP
    indices = [HOP * k for k in range(1, gapped.skip(count) + 1)]
    assert gapped.sample_index == (first + count) // HOP * HOP
    assert len(indices) == (first + count) // HOP - first // HOP
    known = 0
    for index in gapped.push(samples[first + count :]):
        if gapped.unbroken >= 2 * HOP:
            assert index >= first + count + 2 * HOP
            np.testing.assert_array_equal(gapped.newest(2 * HOP), expected[index])
            known += 1
    assert known == sum(index >= first + count + 2 * HOP for index in expected)


# -- the beat -------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_s", [10.0, 10.13, 10.27, 10.49])
def test_half_a_second_that_nobody_heard_does_not_move_the_beat(first_s: float) -> None:
    samples = clicks_at_120_bpm(16.0)
    whole = Analyzer(RATE).push(samples)
    gapped = with_gap(samples, round(first_s * RATE), RATE // 2)
    usual_ms = max(abs(error_ms(f)) for f in whole if f.sample_index > 8 * RATE)
    assert usual_ms < 9.0
    after = [f for f in gapped if f.sample_index > first_s * RATE]
    assert after[0].sample_index > (first_s + 0.5) * RATE
    assert max(abs(error_ms(f)) for f in after) < usual_ms + 3.0
    assert gapped[-1].beat_count == whole[-1].beat_count
    assert gapped[-1].tempo_bpm == pytest.approx(120.0, rel=0.003)


def test_gaps_again_and_again_cost_neither_tempo_nor_beats() -> None:
    samples = drums(120.0, 24.0, RATE)
    analyzer = Analyzer(RATE)
    features = analyzer.push(samples[: 8 * RATE])
    lost, again = round(0.13 * RATE), round(0.43 * RATE)  # an overloaded machine's pace
    for start in range(8 * RATE, samples.shape[0] - again, again):
        analyzer.skip(lost)
        features += analyzer.push(samples[start + lost : start + again])
    late = [f for f in features if f.sample_index > 8 * RATE]
    assert max(abs(error_ms(f)) for f in late) < 20.0
    assert all(f.tempo_bpm == pytest.approx(120.0, rel=0.02) for f in late)
    beats = late[-1].beat_count - late[0].beat_count
    assert beats == pytest.approx((late[-1].sample_index - 8 * RATE) / RATE / PERIOD_S, abs=1)


@pytest.mark.parametrize("gap_s", [1.0, 3600.0, 1e6])
def test_a_gap_of_any_length_costs_the_same_and_the_clock_runs_on(
    gap_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyzer = Analyzer(RATE)
    before = analyzer.push(clicks_at_120_bpm(10.0))[-1]
    steps = 0
    step = BeatPointer.step

    def counted(self: BeatPointer, beat: float | None) -> None:
        nonlocal steps
        steps += 1
        step(self, beat)

    monkeypatch.setattr(BeatPointer, "step", counted)
    analyzer.skip(round(gap_s * RATE))
    assert 90 <= steps <= 100
    after = analyzer.push(np.zeros(4 * HOP, np.float32))[0]
    passed = (after.sample_index - before.sample_index) / RATE
    beats = after.beat_count + after.beat_phase - before.beat_count - before.beat_phase
    assert beats == pytest.approx(passed * before.tempo_bpm / 60.0, rel=1e-3)
    assert after.bar.count - before.bar.count == pytest.approx(beats / before.bar.beats, abs=1.0)


def test_an_outer_clock_leads_on_after_a_gap() -> None:
    tempo = SteadyTempo(97.0, 0.0)
    analyzer = Analyzer(RATE)
    analyzer.outer_clock = lambda index: tempo.state_at(index / RATE)
    analyzer.push(noise(3.0, RATE))
    analyzer.skip(round(2.345 * RATE))
    for features in analyzer.push(noise(2.0, RATE)):
        beats = features.sample_index / RATE * 97.0 / 60.0
        assert abs((features.beat_phase - beats + 0.5) % 1.0 - 0.5) < 1e-6
        assert features.beat_count == pytest.approx(beats, abs=1.01)


def test_bars_run_through_a_gap_as_if_each_beat_had_been_heard() -> None:
    stepped, skipped = BarTracker(), BarTracker()
    for bars in (stepped, skipped):
        bars.step(0.0, 0.5, counted=False, paused=False)
    for _ in range(11):
        stepped.step(0.0, 0.0, counted=True, paused=True)
        stepped.step(0.0, 0.5, counted=False, paused=True)
    skipped.skip(11, 0.5, counted=True)
    assert skipped.bar == stepped.bar
    assert skipped.bar.count == 2
    skipped.skip(4, 0.5, counted=False)
    assert skipped.bar.count == 2


def test_the_bar_of_an_outer_clock_runs_through_a_gap_and_counts_each_bar_once() -> None:
    def at(beats: float) -> TempoReading:
        return TempoReading(120.0, beats % 1.0, beats % 4.0 / 4.0, 4, TempoState.RUNNING)

    outer = OuterBar()
    assert outer.step(Bar(), at(2.5), 0.5).count == 0
    outer.skip(11, counted=True)  # to 13.5
    assert outer.step(Bar(), at(13.5), 0.5) == Bar(4, 3, 1.5 / 4.0, 1.0)


def test_nothing_strikes_in_a_gap_and_the_rest_is_held() -> None:
    samples = drums(120.0, 12.0, RATE)
    first = round(10.02 * RATE)  # in the middle of a kick
    analyzer = Analyzer(RATE)
    before = analyzer.push(samples[:first])[-1]
    assert before.band_hit.max() > 0.3
    analyzer.skip(RATE // 4)
    after = analyzer.push(samples[first + RATE // 4 :])
    for features in after[:2]:
        assert not features.band_hit.any()
        assert not features.lanes.hit.any()
        assert (features.onset_count, features.onset_strength) == (before.onset_count, 0.0)
        np.testing.assert_array_equal(features.band_level, before.band_level)
        assert features.beat_phase != before.beat_phase
    assert after[-1].onset_count > before.onset_count
    assert after[-1].lanes.count[0] > before.lanes.count[0]


# -- the pump -------------------------------------------------------------------------------------


def test_a_pump_that_keeps_up_hears_what_an_analyzer_hears_and_skips_nothing() -> None:
    samples = np.repeat(drums(126.0, 6.0, RATE)[:, None], 2, axis=1)
    clock, source = ManualClock(5.0), ScriptedSource(RATE)
    pump = Pump(source, clock, 0.0)
    heard: list[AudioFeatures] = []
    lengths = np.random.default_rng(1).integers(300, round(MOST_BEHIND_S * RATE), 200)
    start = 0
    for length in lengths.tolist():
        source.feed(samples[start : start + length])
        start += length
        heard += pump.hear(pump.next_block())
        assert pump.skipped == 0
        if start >= samples.shape[0]:
            break
    expected = feature_arrays(Analyzer(RATE).push(samples), RATE)
    for name, values in feature_arrays(heard, RATE).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.mark.parametrize("stall_s", [1.6, 2.0, 2.9, 40.0])
def test_a_stall_of_the_analysis_is_counted_to_the_sample_and_the_beat_stays(
    stall_s: float,
) -> None:
    samples = clicks_at_120_bpm(12.0 + stall_s)
    clock, source = ManualClock(5.0), ScriptedSource(RATE)
    pump = Pump(source, clock, 3.0)
    heard: list[AudioFeatures] = []
    stall = range(round(10.0 * RATE), round((10.0 + stall_s) * RATE))
    skipped = 0
    for start in range(0, samples.shape[0], 480):
        clock.advance(480 / RATE)
        source.feed(samples[start : start + 480])
        if start in stall:
            continue
        heard += pump.hear(pump.next_block())
        skipped += pump.skipped
        assert pump.heard == source.ring.written
        assert pump.show_s == pytest.approx(3.0 + source.ring.written / RATE)
        assert pump.ring_index(heard[-1].sample_index if heard else 0) == (
            heard[-1].sample_index if heard else 0
        )
    jumps = [b.sample_index - a.sample_index for a, b in pairwise(heard)]
    assert skipped <= max(jumps) <= skipped + 2 * HOP
    assert skipped == pytest.approx((stall_s + 480 / RATE - MOST_BEHIND_S) * RATE, abs=480)
    if stall_s < 3.0:
        assert max(abs(error_ms(f)) for f in heard[-100:]) < 15.0


def test_the_show_makes_up_for_a_gap_and_for_no_more_than_a_second() -> None:
    clock, source = ManualClock(5.0), ScriptedSource(RATE)
    pump = Pump(source, clock, 0.0)
    steps_s: list[float] = []
    for length_s in (0.1, 2.0, 0.1, 2.9):
        source.feed(noise(length_s, RATE))
        steps_s += [pump.step_s(features) for features in pump.hear(pump.next_block())]
    usual = [step for step in steps_s if step == HOP / RATE]
    first, second = (step for step in steps_s if step != HOP / RATE)
    assert len(usual) == len(steps_s) - 2
    assert first == pytest.approx(2.0 - MOST_BEHIND_S, abs=2 * HOP / RATE)
    assert second == 1.0


# -- what is said ---------------------------------------------------------------------------------


def test_one_gap_is_counted_and_gaps_that_go_on_are_said_seldom_with_the_figure() -> None:
    said: list[str] = []
    skips = Skips(said.append)
    skips.note(0.2, 100.0)
    skips.note(0.2, 100.0 + WINDOW_S + 1.0)
    assert (skips.count, skips.message(100.0 + WINDOW_S + 1.0)) == (2, "")
    for k in range(1, 120):
        skips.note(0.1, 200.0 + 0.5 * k)
    assert skips.count == 121
    assert len(said) == 2  # in a minute
    assert "300 ms of sound skipped" in said[0]
    assert "2100 ms of sound skipped" in said[1]
    assert skips.message(260.0) == said[1]
    assert skips.message(260.0 + WINDOW_S) == ""
