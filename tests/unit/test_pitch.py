"""The pitch of the leading voice."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.analysis.pitch import PitchTracker
from engine.synthesis.lead import lead_note
from engine.synthesis.oscillator import midi_hz
from tests.signals import drums, noise, sine, sweep

RATE = 24_000


def cents(found_hz: float, truth_hz: float) -> float:
    return 1200.0 * abs(float(np.log2(max(found_hz, 1.0) / truth_hz)))


def heard(samples: np.ndarray, rate: int = RATE) -> tuple[float, float]:
    last = Analyzer(rate).push(samples)[-1].tonal
    return last.pitch_hz, last.pitch_confidence


def buzz(pitch_hz: float, seconds: float, rate: int, harmonics: range) -> np.ndarray:
    parts = [sine(k * pitch_hz, seconds, rate, 0.1) for k in harmonics if k * pitch_hz < rate / 2]
    return np.sum(parts, axis=0)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("pitch_hz", [196.0, 440.0, 932.3])
def test_the_pitch_of_a_pure_tone_is_found_at_every_rate(rate: int, pitch_hz: float) -> None:
    found_hz, confidence = heard(sine(pitch_hz, 0.5, rate), rate)
    assert cents(found_hz, pitch_hz) < 15.0
    assert confidence > 0.9


@pytest.mark.parametrize("pitch_hz", [65.4, 82.4, 110.0, 146.8, 220.0, 329.6, 523.3, 880.0])
def test_the_pitch_of_a_buzz_is_its_fundamental_from_60_to_1000_hz(pitch_hz: float) -> None:
    found_hz, confidence = heard(buzz(pitch_hz, 0.5, RATE, range(1, 20)))
    assert cents(found_hz, pitch_hz) < 15.0
    assert confidence > 0.8


def test_a_missing_fundamental_is_heard() -> None:
    found_hz, _ = heard(buzz(200.0, 0.5, RATE, range(3, 9)))
    assert cents(found_hz, 200.0) < 15.0


def test_noise_has_no_pitch() -> None:
    features = Analyzer(RATE).push(noise(3.0, RATE))
    assert np.mean([f.tonal.pitch_confidence > 0.5 for f in features]) < 0.02


def test_silence_has_no_pitch() -> None:
    assert heard(np.zeros(RATE, np.float32)) == (0.0, 0.0)


def test_a_pitch_is_held_while_nothing_has_one() -> None:
    found_hz, confidence = heard(np.concatenate([sine(440.0, 1.0, RATE), noise(1.0, RATE)]))
    assert cents(found_hz, 440.0) < 50.0
    assert confidence < 0.5


def test_a_melody_is_followed_over_drums() -> None:
    notes = (69, 72, 76, 74, 71, 69)
    melody = np.concatenate([lead_note(note, 0.5)[:22_050] for note in notes])
    mixed = 0.3 * melody + 0.5 * drums(120.0, 3.0, 44_100)
    near = []
    for features in Analyzer(44_100).push(mixed.astype(np.float32)):
        time_s = features.sample_index / 44_100 - 0.07
        index = min(int(time_s / 0.5), len(notes) - 1)
        if time_s % 0.5 > 0.1 and time_s > 0.0:
            near.append(cents(features.tonal.pitch_hz, midi_hz(notes[index])) < 50.0)
    assert np.mean(near) > 0.85


def test_one_wrong_estimate_does_not_show() -> None:
    tracker = PitchTracker(RATE)
    right = sine(440.0, 0.2, RATE)[-tracker.length :]
    wrong = sine(622.0, 0.2, RATE)[-tracker.length :]
    for samples in (right, right, right, wrong):
        tracker.step(samples)
    assert cents(tracker.pitch_hz, 440.0) < 15.0


def test_a_glide_of_an_octave_moves_without_a_jump() -> None:
    features = Analyzer(RATE).push(sweep(220.0, 440.0, 3.0, RATE))
    pitches = np.array([f.tonal.pitch_hz for f in features if f.sample_index > 0.3 * RATE])
    assert np.abs(1200.0 * np.diff(np.log2(pitches))).max() < 30.0
