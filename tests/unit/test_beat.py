from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.beat import BeatTracker
from engine.analysis.report import beat_times_s, feature_arrays
from engine.analysis.tap import TapTempo
from engine.messages import AudioFeatures
from tests.signals import drums, noise, place

RATE = 24_000
HOP_S = 512 / 48_000


def heard(samples: np.ndarray) -> list[AudioFeatures]:
    return Analyzer(RATE).push(samples)


def beats(features: list[AudioFeatures]) -> np.ndarray:
    return np.array(beat_times_s(feature_arrays(features, RATE)))


def share_on_beat(times_s: np.ndarray, bpm: float, from_s: float) -> float:
    late = times_s[times_s > from_s]
    distance = np.abs((late * bpm / 60.0 + 0.5) % 1.0 - 0.5) * 60.0 / bpm
    return float(np.mean(distance < 0.05))


@pytest.mark.parametrize("bpm", [66.0, 84.0, 97.0, 120.0, 139.5, 168.0])
def test_tempo_and_phase_of_a_drum_loop_are_found(bpm: float) -> None:
    features = heard(drums(bpm, 14.0, RATE))
    assert features[-1].tempo_bpm == pytest.approx(bpm, rel=0.01)
    assert features[-1].tempo_confidence > 0.6
    times = beats(features)
    # Off-beat hats make slow loops sound twice as fast for the first seconds.
    assert share_on_beat(times, bpm, 9.5) == 1.0
    assert len(times[times > 9.5]) == pytest.approx(4.5 * bpm / 60.0, abs=1.5)


def test_the_first_lock_takes_at_most_four_seconds() -> None:
    times = beats(heard(drums(124.0, 6.0, RATE)))
    assert times[0] < 4.0
    assert share_on_beat(times, 124.0, 4.0) == 1.0


def test_a_new_tempo_is_followed_within_six_seconds() -> None:
    music = np.concatenate([drums(100.0, 12.0, RATE), drums(132.0, 10.0, RATE)])
    features = heard(music)
    late = [f.tempo_bpm for f in features if f.sample_index > 18 * RATE]
    np.testing.assert_allclose(late, 132.0, rtol=0.02)
    assert share_on_beat(beats(features) - 12.0, 132.0, 7.0) == 1.0


@pytest.mark.parametrize("sound", ["silence", "noise"])
def test_there_is_no_beat_in(sound: str) -> None:
    samples = noise(12.0, RATE) if sound == "noise" else np.zeros(12 * RATE, np.float32)
    last = heard(samples)[-1]
    assert last.beat_count == 0
    assert last.tempo_confidence < 0.2


@pytest.mark.parametrize("swing_hz", [10.0, 12.5, 13.7, 20.0])
def test_noise_that_swings_like_a_rotor_has_no_beat(swing_hz: float) -> None:
    time_s = np.arange(15 * RATE) / RATE
    swing = (0.55 + 0.45 * np.sin(2.0 * np.pi * swing_hz * time_s)).astype(np.float32)
    features = heard(swing * noise(15.0, RATE))
    assert features[-1].beat_count == 0
    assert max(f.tempo_confidence for f in features) < 0.2


@pytest.mark.parametrize("bpm", [120.0, 140.0])
def test_hats_alone_in_sixteenths_keep_their_beat(bpm: float) -> None:
    step_s = 15.0 / bpm
    hat = np.diff(noise(0.1, RATE, seed=4, level=0.3), prepend=np.float32(0.0))
    hat *= np.exp(-np.arange(hat.size) / (0.025 * RATE)).astype(np.float32)
    sixteenths = step_s * np.arange(int(14.0 / step_s))
    parts = [
        place(level * hat, sixteenths[place_in_beat::4], 14.0, RATE)
        for place_in_beat, level in enumerate(np.array([1.0, 0.4, 0.7, 0.4], np.float32))
    ]
    assert share_on_beat(beats(heard(np.sum(parts, axis=0))), bpm, 6.0) == 1.0


def test_the_phase_runs_smoothly_and_wraps_exactly_at_each_counted_beat() -> None:
    features = heard(np.concatenate([drums(110.0, 8.0, RATE), drums(110.0, 8.0, RATE, 0.2)]))
    phase = np.array([f.beat_phase for f in features])
    count = np.array([f.beat_count for f in features])
    tempo = np.array([f.tempo_bpm for f in features])
    assert np.all((phase >= 0.0) & (phase < 1.0))
    assert np.all(np.diff(count) >= 0)
    locked = np.flatnonzero(count > 0)[0]
    moved = np.diff(phase[locked:]) % 1.0
    expected = 256 / RATE * tempo[locked + 1 :] / 60.0
    assert np.all(moved > 0.5 * expected)
    assert np.all(moved < 1.5 * expected)
    wrapped = np.diff(phase[locked:]) < 0.0
    np.testing.assert_array_equal(wrapped, np.diff(count[locked:]) > 0)


def test_after_the_music_beats_stop_but_the_phase_runs_on() -> None:
    features = heard(np.concatenate([drums(120.0, 8.0, RATE), np.zeros(6 * RATE, np.float32)]))
    at_10_s = next(f for f in features if f.sample_index > 10 * RATE)
    last = features[-1]
    assert last.beat_count == at_10_s.beat_count
    assert last.tempo_confidence < 0.05
    assert last.tempo_bpm == pytest.approx(120.0, rel=0.01)
    assert last.beat_phase != features[-2].beat_phase


def test_a_pause_does_not_lose_the_tempo() -> None:
    music = drums(128.0, 8.0, RATE)
    features = heard(np.concatenate([music, np.zeros(5 * RATE, np.float32), music]))
    soon = next(f for f in features if f.sample_index > 14 * RATE)
    assert soon.tempo_bpm == pytest.approx(128.0, rel=0.02)
    assert soon.tempo_confidence > 0.4


def test_a_tempo_set_by_hand_holds_against_the_music() -> None:
    analyzer = Analyzer(RATE)
    analyzer.set_tempo(90.0)
    assert analyzer.push(drums(120.0, 6.0, RATE))[-1].tempo_bpm == pytest.approx(90.0)
    analyzer.set_tempo(0.0)
    assert analyzer.push(drums(120.0, 6.0, RATE))[-1].tempo_bpm == pytest.approx(120.0, rel=0.01)


def test_a_tempo_says_whether_a_hand_has_set_it() -> None:
    analyzer = Analyzer(RATE)
    quiet = np.zeros(RATE // 2, np.float32)
    assert not analyzer.push(quiet)[-1].tempo_by_hand
    analyzer.tap(RATE // 4)
    assert not analyzer.push(quiet)[-1].tempo_by_hand  # one tap is a beat, not a tempo
    analyzer.tap(3 * RATE // 4)
    tapped = analyzer.push(quiet)[-1]
    assert (tapped.tempo_by_hand, tapped.tempo_bpm) == (True, pytest.approx(120.0))
    analyzer.set_tempo(0.0)
    assert not analyzer.push(quiet)[-1].tempo_by_hand
    analyzer.set_tempo(90.0)
    assert analyzer.push(quiet)[-1].tempo_by_hand


def test_taps_set_tempo_and_phase() -> None:
    analyzer = Analyzer(RATE)
    quiet = noise(6.0, RATE, level=0.05)
    taps = [1.0, 1.5, 2.0, 2.5]
    features = []
    for second in range(len(quiet) // 256):
        block = quiet[second * 256 : (second + 1) * 256]
        features += analyzer.push(block)
        while taps and taps[0] * RATE <= features[-1].sample_index:
            analyzer.tap(round(taps.pop(0) * RATE))
    assert features[-1].tempo_bpm == pytest.approx(120.0, rel=0.001)
    times = beats(features)
    assert share_on_beat(times, 120.0, 2.5) == 1.0


def test_taps_beat_on_in_silence_until_something_sounds() -> None:
    analyzer = Analyzer(RATE)
    silence = np.zeros(RATE // 2, np.float32)
    analyzer.push(silence)
    assert analyzer.push(silence)[-1].silent
    for beat in range(4):
        analyzer.tap(RATE + beat * RATE // 2)
        features = analyzer.push(silence)
    begun = features[-1].beat_count
    assert begun >= 2
    later = [f for _ in range(8) for f in analyzer.push(silence)]
    assert later[-1].beat_count - begun == pytest.approx(8, abs=1)
    assert all(f.silent and f.beat_tapped for f in later)
    beats = [f.sample_index for f, g in pairwise(later) if g.beat_count > f.beat_count]
    off_s = np.array([index / RATE % 0.5 for index in beats])
    assert np.minimum(off_s, 0.5 - off_s).max() < 0.04
    analyzer.push(noise(1.0, RATE))
    quiet = [f for _ in range(8) for f in analyzer.push(silence)]
    ended = [f.beat_count for f in quiet if f.sample_index > quiet[0].sample_index + 2 * RATE]
    assert len(set(ended)) == 1
    assert not any(f.beat_tapped for f in quiet)


def test_a_tempo_given_back_in_silence_beats_no_more() -> None:
    tracker = BeatTracker(0.01)
    tracker.set_tempo(120.0)
    tracker.tap(0.0)
    counts = []
    for _ in range(400):
        tracker.step(None, silent=True)
        counts.append(tracker.count)
    tracker.set_tempo(0.0)
    assert counts[-1] >= 7
    for _ in range(400):
        tracker.step(None, silent=True)
    assert tracker.count == counts[-1]


def test_a_tap_never_turns_the_clock_back_nor_counts_a_beat_twice() -> None:
    tracker = BeatTracker(HOP_S)
    pulses(tracker, 120.0, 8.0)
    tracker.set_tempo(120.0)
    counted = []
    for k in range(8):
        tracker.tap(0.0 if k % 2 else 0.06)
        counted += pulses(tracker, 120.0, 0.6, 8.0 + 0.6 * k)
    assert np.diff(counted).min() > 0.3


def test_a_bouncing_key_and_a_long_pause_are_not_a_tempo() -> None:
    taps = TapTempo()
    assert taps.tap(1.0) == 0.0
    assert taps.tap(1.05) == 0.0
    assert taps.tap(1.5) == pytest.approx(120.0)
    assert taps.tap(9.0) == 0.0


def pulses(tracker: BeatTracker, bpm: float, seconds: float, start_s: float = 0.0) -> list[float]:
    """Feed sure beats at `bpm`; when the clock counted, seconds."""
    counted = []
    for hop in range(round(start_s / HOP_S), round((start_s + seconds) / HOP_S)):
        inside = (hop * HOP_S * bpm / 60.0 + 0.5) % 1.0 - 0.5
        if tracker.step(0.8 if abs(inside) * 60.0 / bpm < 0.012 else 0.01, silent=False):
            counted.append(hop * HOP_S)
    return counted


def offset_beats(times_s: list[float], bpm: float) -> float:
    return float(np.median((np.array(times_s) * bpm / 60.0 + 0.5) % 1.0 - 0.5))


def test_half_and_double_count_otherwise_and_the_clock_glides() -> None:
    tracker = BeatTracker(HOP_S)
    pulses(tracker, 120.0, 8.0)
    tracker.halve()
    before = tracker.phase
    tracker.step(0.01, silent=False)
    assert 0.0 <= (tracker.phase - before) % 1.0 < 2.0 * HOP_S
    slow = pulses(tracker, 120.0, 8.0, 8.0)
    assert tracker.tempo_bpm == pytest.approx(60.0, rel=0.01)
    assert np.median(np.diff(slow)) == pytest.approx(1.0, rel=0.03)
    tracker.double()
    tracker.double()
    fast = pulses(tracker, 120.0, 8.0, 16.0)
    assert tracker.tempo_bpm == pytest.approx(240.0, rel=0.01)
    assert np.median(np.diff(fast)) == pytest.approx(0.25, rel=0.05)
    tracker.set_tempo(0.0)
    pulses(tracker, 120.0, 4.0, 24.0)
    assert tracker.tempo_bpm == pytest.approx(120.0, rel=0.01)


@pytest.mark.parametrize(("first_bpm", "then_bpm"), [(120.0, 60.0), (70.0, 140.0)])
def test_half_by_hand_stays_where_the_tracker_changes_its_octave(
    first_bpm: float, then_bpm: float
) -> None:
    tracker = BeatTracker(HOP_S)
    pulses(tracker, first_bpm, 10.0)
    tracker.halve()
    pulses(tracker, then_bpm, 14.0, 10.0)
    assert tracker.tempo_bpm == pytest.approx(first_bpm / 2.0, rel=0.01)
    back = pulses(tracker, first_bpm, 14.0, 24.0)
    assert np.median(np.diff(back)) == pytest.approx(120.0 / first_bpm, rel=0.05)


def test_half_by_hand_ends_with_another_tempo() -> None:
    tracker = BeatTracker(HOP_S)
    pulses(tracker, 120.0, 10.0)
    tracker.halve()
    pulses(tracker, 165.0, 14.0, 10.0)
    assert tracker.tempo_bpm == pytest.approx(165.0, rel=0.01)


def test_a_nudged_beat_comes_earlier_until_the_tracker_has_it_back() -> None:
    tracker = BeatTracker(HOP_S)
    plain = offset_beats(pulses(tracker, 120.0, 10.0)[-6:], 120.0)
    tracker.nudge(0.1)
    nudged = offset_beats(pulses(tracker, 120.0, 6.0, 10.0)[-6:], 120.0)
    assert nudged - plain == pytest.approx(-0.1, abs=0.03)
    tracker.set_tempo(0.0)
    assert offset_beats(pulses(tracker, 120.0, 6.0, 16.0)[-6:], 120.0) == pytest.approx(
        plain, abs=0.03
    )


def test_a_tempo_by_hand_is_halved_and_doubled_within_its_range() -> None:
    tracker = BeatTracker(HOP_S)
    tracker.set_tempo(200.0)
    tracker.double()
    assert tracker.tempo_bpm == pytest.approx(200.0)  # 400 is nobody's tempo
    tracker.halve()
    assert tracker.tempo_bpm == pytest.approx(100.0)


def test_confidence_falls_where_the_time_is_free() -> None:
    tracker = BeatTracker(HOP_S)
    pulses(tracker, 110.0, 10.0)
    assert tracker.confidence > 0.6
    rng = np.random.default_rng(3)
    strokes = np.cumsum(rng.uniform(0.2, 1.1, 40))
    for hop in range(round(20.0 / HOP_S)):
        near = np.abs(strokes - hop * HOP_S).min() < 0.008
        tracker.step(0.8 if near else 0.01, silent=False)
    assert tracker.confidence < 0.4
