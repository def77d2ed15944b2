"""Kick, snare and hat, told apart in music with exact truth."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.report import analyze
from engine.bench.lanes import bleed, lane_f
from engine.messages import LANE_NAMES
from engine.synthesis.bass import bass_note
from engine.synthesis.drums import make_kit
from engine.synthesis.loop import render_loop
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.pads import pad_chord
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
