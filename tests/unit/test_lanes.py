"""Kick, snare and hat, told apart in music with exact truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.report import analyze
from engine.bench.lanes import STROKE_WINDOW_S, bleed, lane_f
from engine.bench.matching import matched
from engine.bench.stray_strokes import chords
from engine.messages import LANE_NAMES
from engine.synthesis.bass import bass_note
from engine.synthesis.drums import make_kit
from engine.synthesis.lead import pluck_note
from engine.synthesis.loop import render_loop
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.pads import pad_chord
from engine.synthesis.song import render_song
from engine.synthesis.sounds.weather import rain, waves, wind
from tests.signals import noise, place, sine

KIT = make_kit(np.random.default_rng(3))
BEATS_S = np.arange(0.5, 6.0, 0.5)


def counts(samples: np.ndarray, rate: int = SAMPLE_RATE_HZ) -> tuple[int, ...]:
    return Analyzer(rate).push(samples)[-1].lanes.count


@pytest.mark.parametrize(
    ("sound", "lane"),
    [("kick", 0), ("snare", 1), ("clap", 1), ("hat", 2), ("open_hat", 2)],
)
def test_a_stroke_alone_is_heard_in_its_own_lane(sound: str, lane: int) -> None:
    strokes = place(np.float32(0.4) * KIT.sound(sound), BEATS_S, 6.5, SAMPLE_RATE_HZ)
    heard = counts(strokes)
    assert heard[lane] == len(BEATS_S)
    assert sum(heard) - heard[lane] <= 3


@pytest.mark.parametrize(
    ("groove", "bpm", "seed"), [("rock", 104.0, 1), ("dnb", 172.0, 2), ("hiphop", 88.0, 3)]
)
def test_lanes_are_told_apart_under_bass_and_pads(groove: str, bpm: float, seed: int) -> None:
    samples, truth = render_loop(groove=groove, bpm=bpm, bars=6, seed=seed, kit_variation=0.5)
    found = analyze([samples], SAMPLE_RATE_HZ)[0]["lanes"]
    for lane in LANE_NAMES:
        assert lane_f(found, truth.lanes, lane) > 0.85, lane
        assert bleed(found, truth.lanes, lane) < 0.15, lane


def test_a_stroke_is_reported_at_its_time() -> None:
    samples, truth = render_loop(groove="rock", bpm=110.0, bars=6, seed=4)
    found = analyze([samples], SAMPLE_RATE_HZ)[0]["lanes"]
    for lane in LANE_NAMES:
        true_s = np.array(truth.lanes[lane])
        late_s = [t - true_s[np.abs(true_s - t).argmin()] for t in found[lane]]
        assert abs(float(np.median(late_s))) < 0.008, lane


def test_bass_and_pads_alone_are_no_drums() -> None:
    notes_s = np.arange(0.5, 8.0, 0.25)
    bass = place(np.float32(0.3) * bass_note(36, 0.2), notes_s, 9.0, SAMPLE_RATE_HZ)
    pad = pad_chord([48, 55, 60], 8.5, np.random.default_rng(2)).mean(axis=1)
    music = bass + np.float32(0.2) * np.resize(pad, bass.shape)
    assert sum(counts(music)) <= 4


def _in_silence(sound: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(SAMPLE_RATE_HZ, np.float32), sound])


@pytest.mark.parametrize("peak", [0.5, 0.02])
@pytest.mark.parametrize(
    ("attack_s", "held_s", "bright_hz"),
    [(0.6, 4.0, None), (0.25, 2.0, 4000.0), (0.02, 1.0, 1400.0), (0.004, 0.4, None)],
)
def test_changing_chords_without_drums_have_no_strokes(
    attack_s: float, held_s: float, bright_hz: float | None, peak: float
) -> None:
    sound = chords(
        np.random.default_rng(11), 15.0, attack_s=attack_s, held_s=held_s, bright_hz=bright_hz
    )
    assert sum(counts(_in_silence(np.float32(peak / np.abs(sound).max()) * sound))) <= 1


def test_an_arpeggio_of_plucks_is_no_snare() -> None:
    rng = np.random.default_rng(12)
    sound = np.zeros(15 * SAMPLE_RATE_HZ, np.float32)
    for at_s in np.arange(0.5, 14.0, 0.15):
        pluck = np.float32(0.3) * pluck_note(int(rng.integers(52, 76)))
        start = round(at_s * SAMPLE_RATE_HZ)
        sound[start : start + pluck.size] += pluck
    assert sum(counts(sound)) <= 2


@pytest.mark.parametrize("weather_of", [rain, waves, wind])
def test_weather_has_next_to_no_strokes(
    weather_of: Callable[[np.random.Generator, float], np.ndarray],
) -> None:
    assert sum(counts(_in_silence(weather_of(np.random.default_rng(13), 20.0)))) <= 4


def test_pads_before_and_after_a_beat_are_silent_in_all_lanes() -> None:
    rng = np.random.default_rng(14)
    pads = 0.3 * chords(rng, 12.0, attack_s=0.3, held_s=2.0)
    beat, truth = render_loop(groove="rock", bpm=110.0, bars=4, seed=5)
    beat_s = beat.shape[0] / SAMPLE_RATE_HZ
    found = analyze([np.concatenate([pads, beat.mean(axis=1), pads])], SAMPLE_RATE_HZ)[0]["lanes"]
    for lane in LANE_NAMES:
        outside = [t for t in found[lane] if not 11.9 < t < 12.1 + beat_s]
        assert len(outside) <= 1, lane
        inside = [t - 12.0 for t in found[lane] if 11.9 < t < 12.1 + beat_s]
        assert lane_f({lane: inside}, truth.lanes, lane) > 0.85, lane


def test_on_a_finished_mix_the_snare_is_mostly_right() -> None:
    samples, truth = render_song(np.random.default_rng(100))
    found = analyze([samples], SAMPLE_RATE_HZ)[0]["lanes"]
    assert lane_f(found, truth.lanes, "snare") > 0.5
    hits = matched(found["snare"], truth.lanes["snare"], STROKE_WINDOW_S)
    assert len(hits) > 0.7 * len(found["snare"])


@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_steady_sound_and_silence_have_no_strokes(rate: int) -> None:
    assert counts(np.zeros(3 * rate, np.float32), rate) == (0, 0, 0)
    assert max(counts(noise(6.0, rate), rate)) <= 6
    assert max(counts(sine(60.0, 4.0, rate), rate)) <= 1


def test_a_hit_jumps_and_is_gone_after_a_quarter_of_a_second() -> None:
    features = Analyzer(SAMPLE_RATE_HZ).push(
        place(np.float32(0.5) * KIT.kick, np.array([1.0, 2.0]), 3.0, SAMPLE_RATE_HZ)
    )
    kick = np.array([f.lanes.hit[0] for f in features])
    assert kick[round(2.0 * 93.75) : round(2.06 * 93.75)].max() > 0.8
    assert kick[round(2.3 * 93.75) :].max() < 0.1
