"""Pitch classes."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.analyzer import Analyzer
from engine.messages import Tonal
from tests.signals import drums, in_blocks, noise, sine

RATE = 24_000
C, E, G, A = 0, 4, 7, 9


def tonal(samples: np.ndarray, rate: int = RATE) -> Tonal:
    return Analyzer(rate).push(samples)[-1].tonal


def tones(*frequencies_hz: float, seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    return np.sum([sine(hz, seconds, rate, 0.1) for hz in frequencies_hz], axis=0)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_a_tone_of_440_hz_is_an_a_at_every_rate(rate: int) -> None:
    chroma = tonal(sine(440.0, 1.0, rate), rate).chroma
    assert chroma[A] == 1.0
    assert np.delete(chroma, A).max() < 0.05


@pytest.mark.parametrize("octave", [0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("pitch_class", range(12))
def test_a_tone_of_any_octave_is_its_pitch_class(pitch_class: int, octave: float) -> None:
    chroma = tonal(sine(octave * 440.0 * 2.0 ** ((pitch_class - A) / 12.0), 1.0, RATE)).chroma
    assert int(chroma.argmax()) == pitch_class


def test_a_chord_is_its_three_notes() -> None:
    chroma = tonal(tones(261.63, 329.63, 392.0)).chroma
    assert chroma[[C, E, G]].min() > 0.8
    assert np.delete(chroma, [C, E, G]).max() < 0.05


@pytest.mark.parametrize("cents", [-40.0, -25.0, 25.0, 40.0])
def test_an_instrument_out_of_tune_plays_the_same_notes(cents: float) -> None:
    detuned = [hz * 2.0 ** (cents / 1200.0) for hz in (261.63, 329.63, 392.0)]
    chroma = tonal(tones(*detuned, seconds=4.0)).chroma
    assert set(np.argsort(chroma)[-3:]) == {C, E, G}
    assert np.sort(chroma)[-4] < 0.3


@pytest.mark.parametrize("sound", ["noise", "drums", "silence"])
def test_what_has_no_tone_has_no_pitch_class(sound: str) -> None:
    samples = {
        "noise": noise(4.0, RATE), "drums": drums(120.0, 4.0, RATE),
        "silence": np.zeros(4 * RATE, np.float32),
    }[sound]  # fmt: skip
    features = Analyzer(RATE).push(samples)
    assert np.mean([f.tonal.chroma.any() for f in features]) < 0.1


def test_a_chord_is_heard_through_drums() -> None:
    music = tones(261.63, 329.63, 392.0, seconds=4.0) + 0.7 * drums(120.0, 4.0, RATE)
    assert set(np.argsort(tonal(music).chroma)[-3:]) == {C, E, G}


def test_a_new_note_takes_over_within_a_second() -> None:
    music = np.concatenate([sine(440.0, 3.0, RATE), sine(523.25, 1.0, RATE)])
    assert int(tonal(music).chroma.argmax()) == C


def test_loudness_changes_nothing() -> None:
    music = tones(261.63, 329.63, 440.0) + noise(2.0, RATE, level=0.01)
    np.testing.assert_allclose(tonal(0.1 * music).chroma, tonal(music).chroma, atol=0.01)


def test_two_sample_rates_hear_the_same_tones() -> None:
    from soxr import resample

    music = tones(220.0, 277.18, 329.63, seconds=4.0, rate=48_000) + drums(120.0, 4.0, 48_000)
    ours = tonal(music.astype(np.float32), 48_000)
    other = tonal(resample(music, 48_000, 44_100).astype(np.float32), 44_100)
    np.testing.assert_allclose(other.chroma, ours.chroma, atol=0.1)
    assert other.key == ours.key
    assert other.key_confidence == pytest.approx(ours.key_confidence, abs=0.05)


def test_chroma_key_and_pitch_do_not_depend_on_the_blocks() -> None:
    music = tones(220.0, 261.63, 329.63, seconds=3.0) + drums(110.0, 3.0, RATE)
    whole = Analyzer(RATE).push(music)
    analyzer = Analyzer(RATE)
    parts = [f for block in in_blocks(music, 777) for f in analyzer.push(block)]
    for ours, theirs in zip(parts, whole, strict=False):
        np.testing.assert_array_equal(ours.tonal.chroma, theirs.tonal.chroma)
        assert ours.tonal.key == theirs.tonal.key
        assert ours.tonal.key_confidence == theirs.tonal.key_confidence
        assert ours.tonal.pitch_hz == theirs.tonal.pitch_hz


def test_silence_holds_everything_but_the_confidence_of_the_pitch() -> None:
    music = tones(220.0, 277.18, 329.63, seconds=4.0)
    features = Analyzer(RATE).push(np.concatenate([music, np.zeros(4 * RATE, np.float32)]))
    held = next(f for f in features if f.silent and f.sample_index > 4 * RATE).tonal
    last = features[-1].tonal
    np.testing.assert_array_equal(last.chroma, held.chroma)
    assert (last.key, last.key_confidence, last.pitch_hz) == (
        held.key, held.key_confidence, held.pitch_hz,
    )  # fmt: skip
    assert last.key >= 0
    assert last.pitch_confidence == 0.0


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_damaged_sound_leaves_only_numbers(rate: int) -> None:
    music = 30.0 * sine(440.0, 2.0, rate) + 1.0
    music[3000:3100] = np.nan
    music[9000] = np.inf
    for features in Analyzer(rate).push(music):
        heard = features.tonal
        assert np.isfinite(heard.chroma).all()
        assert np.isfinite([heard.key_confidence, heard.pitch_hz, heard.pitch_confidence]).all()


def test_the_published_chroma_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        tonal(sine(440.0, 0.5, RATE)).chroma[0] = 1.0
