"""Keys: their names and places, and how the key of music is found and held."""

from __future__ import annotations

import numpy as np
import pytest

from engine.analysis.chords import ChordFollower
from engine.analysis.key import KeyFinder
from engine.analysis.report import analyze, global_key
from engine.bench.progressions import Progression, render_progression
from engine.bench.tonal import mirex_score
from engine.keys import KEY_NAMES, TONICS, fifths, is_minor, key_scores
from engine.synthesis.loop import render_loop
from tests.signals import drums, in_blocks, noise, sine

STEP_S = 0.064
MAJOR = np.array([1.0, 0, 0.6, 0, 0.9, 0.6, 0, 1.0, 0, 0.6, 0, 0.5])
MINOR = np.array([1.0, 0, 0.6, 0.9, 0, 0.6, 0, 1.0, 0.6, 0, 0.5, 0])


def held(finder: KeyFinder, evidence: np.ndarray, seconds: float) -> list[int]:
    keys = []
    for _ in range(round(seconds / STEP_S)):
        finder.step(evidence, tonal=True)
        keys.append(finder.key)
    return keys


@pytest.mark.parametrize("tonic", range(12))
def test_the_notes_of_a_key_are_most_like_that_key(tonic: int) -> None:
    for key, notes in ((tonic, MAJOR), (tonic + 12, MINOR)):
        scores = key_scores(np.roll(notes, tonic))
        assert scores is not None
        assert int(scores.argmax()) == key
        assert scores.max() <= 1.0


def test_no_note_and_all_notes_alike_have_no_key() -> None:
    assert key_scores(np.zeros(12)) is None
    assert key_scores(np.ones(12)) is None


def test_neighbours_on_the_circle_of_fifths_differ_by_one_note() -> None:
    places = {KEY_NAMES[key]: fifths(key) for key in range(24)}
    assert [places[f"{t} major"] for t in ("C", "G", "D", "F", "Bb")] == [0, 1, 2, 11, 10]
    assert places["A minor"] == places["C major"]
    assert places["E minor"] == places["G major"]
    assert sorted(places.values()) == sorted(2 * list(range(12)))


def test_key_numbers_are_major_first() -> None:
    assert KEY_NAMES[0] == "C major"
    assert KEY_NAMES[14] == "D minor"
    assert [is_minor(key) for key in (0, 11, 12, 23)] == [False, False, True, True]


def test_a_key_is_known_after_a_few_seconds_and_stays() -> None:
    finder = KeyFinder(STEP_S)
    keys = held(finder, np.roll(MINOR, 2), 8.0)
    assert keys[round(4.0 / STEP_S)] == KEY_NAMES.index("D minor")
    assert set(keys) <= {-1, KEY_NAMES.index("D minor")}
    assert finder.confidence > 0.15


def test_without_tones_the_key_is_held_and_its_confidence_falls() -> None:
    finder = KeyFinder(STEP_S)
    held(finder, MAJOR, 12.0)
    sure = finder.confidence
    for _ in range(150):
        finder.step(np.roll(MAJOR, 6), tonal=False)
    assert finder.key == 0
    assert finder.confidence < 0.2 * sure


def test_one_foreign_chord_does_not_change_the_key() -> None:
    finder = KeyFinder(STEP_S)
    held(finder, MAJOR, 15.0)
    f_sharp = np.zeros(12)
    f_sharp[[6, 10, 1]] = 1.0
    assert set(held(finder, f_sharp, 1.5) + held(finder, MAJOR, 5.0)) == {0}


def test_a_modulation_is_followed_within_fifteen_seconds_and_once() -> None:
    finder = KeyFinder(STEP_S)
    held(finder, MAJOR, 20.0)
    keys = held(finder, np.roll(MAJOR, 4), 15.0)
    assert keys[-1] == KEY_NAMES.index("E major")
    assert np.count_nonzero(np.diff(keys)) <= 2


def test_two_keys_that_are_equally_good_do_not_flicker() -> None:
    rng = np.random.default_rng(0)
    finder = KeyFinder(STEP_S)
    keys = []
    for _ in range(1500):
        between = 0.5 * (MAJOR + np.roll(MAJOR, 7)) + rng.normal(0.0, 0.2, 12)
        finder.step(np.maximum(between, 0.0), tonal=True)
        keys.append(finder.key)
    assert np.count_nonzero(np.diff(keys[100:])) <= 1


@pytest.mark.parametrize(
    ("name", "tonic", "timbre"),
    [
        ("I-vi-IV-V", 0, "pad"), ("I-vi-IV-V", 7, "pluck"), ("I-vi-IV-V", 3, "organ"),
        ("I-V-vi-IV", 5, "saw"), ("i-VI-III-VII", 9, "pad"), ("i-VII-VI-V", 2, "no bass"),
    ],
)  # fmt: skip
def test_a_progression_is_in_the_key_of_its_tonic_and_not_in_the_relative(
    name: str, tonic: int, timbre: str
) -> None:
    wanted = Progression(name, tonic, timbre, bpm=90.0, melody=True)
    samples = render_progression(wanted, np.random.default_rng(1))
    report, _ = analyze(in_blocks(samples, 4096), 44_100)
    assert report["key"] == wanted.key


def test_a_dominant_that_leads_home_tells_the_tonic_from_its_relative() -> None:
    follower = ChordFollower(STEP_S)
    for root in (7, 0, 7, 0):
        triad = np.zeros(12)
        triad[[root, (root + 4) % 12, (root + 7) % 12]] = 1.0
        for _ in range(round(2.0 / STEP_S)):
            follower.step(triad)
    assert follower.chord == 0
    assert int(follower.cadences.argmax()) == 0
    assert follower.cadences[KEY_NAMES.index("A minor")] == 0.0
    assert int(follower.first.argmax()) == 7


def test_one_tone_alone_and_the_drums_of_every_groove_have_no_key() -> None:
    tone = np.repeat(sine(440.0, 6.0, 22_050)[:, None], 2, axis=1)
    report, _ = analyze(in_blocks(tone, 4096), 22_050)
    assert report["key"] is None
    for seed, groove in enumerate(("rock", "dnb", "waltz")):
        samples, _ = render_loop(
            seed=seed + 1, groove=groove, bpm=110.0, bars=4, bass=False, pads=False
        )
        report, _ = analyze(in_blocks(samples, 4096), 44_100)
        assert report["key"] is None


def test_noise_and_drums_have_no_key() -> None:
    rate = 12_000
    for samples in (noise(8.0, rate), drums(120.0, 8.0, rate)):
        report, _ = analyze(in_blocks(samples, 4096), rate)
        assert report["key"] is None


def test_the_report_names_the_key_of_loops_with_drums() -> None:
    scores = []
    for seed, bpm in ((3, 96.0), (4, 128.0), (6, 150.0)):
        samples, truth = render_loop(bpm=bpm, bars=6, seed=seed)
        report, _ = analyze(in_blocks(samples, 4096), 44_100)
        assert truth.key is not None
        scores.append(mirex_score(report["key"], truth.key))
    # The chords of a loop are the same in the relative key: only where it began tells them apart.
    assert min(scores) >= 0.3
    assert scores.count(1.0) >= 2


def test_the_key_of_all_of_it_is_the_one_held_longest_where_sure() -> None:
    keys = np.array([-1, 3, 3, 3, 14, 14])
    assert global_key(keys, np.array([0.0, 0.1, 0.1, 0.1, 0.5, 0.5])) == "D minor"
    assert global_key(keys, np.array([0.0, 0.4, 0.4, 0.4, 0.5, 0.5])) == "Eb major"
    assert global_key(np.full(5, -1), np.zeros(5)) is None
    assert global_key(np.zeros(0, int), np.zeros(0)) is None


def test_the_score_of_a_key_is_that_of_mir_eval() -> None:
    weighted = pytest.importorskip("mir_eval").key.weighted_score
    for truth in ("C major", "D minor", "F# minor", "Bb major"):
        for found in KEY_NAMES:
            assert mirex_score(found, truth) == weighted(truth, found), (truth, found)
    assert mirex_score(None, "C major") == 0.0
    assert len(TONICS) == 12
