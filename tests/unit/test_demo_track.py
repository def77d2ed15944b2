"""The demo track that ships: form, sound and truth."""

from __future__ import annotations

import json
from importlib.resources import as_file, files

import numpy as np
import pytest
import soundfile

from engine.synthesis import composition
from engine.synthesis.demo import SEED
from engine.synthesis.loudness import loudness_lufs, true_peak_db
from engine.synthesis.song import song_truth


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads((files("resources") / "demo/demo.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def shipped() -> tuple[np.ndarray, int]:
    with as_file(files("resources") / "demo/demo.ogg") as path:
        assert path.stat().st_size < 3_000_000
        return soundfile.read(path, dtype="float32", always_2d=True)


def test_the_demo_lasts_as_long_as_its_truth_says(truth: dict, shipped: tuple) -> None:
    samples, sample_rate = shipped
    assert sample_rate == 44_100
    assert len(samples) / sample_rate == pytest.approx(truth["duration_s"], abs=1e-4)
    assert 75.0 <= truth["duration_s"] <= 90.0


def test_the_demo_is_loud_enough_and_never_clips(shipped: tuple) -> None:
    samples, _ = shipped
    assert samples.shape[1] == 2
    assert loudness_lufs(samples) == pytest.approx(-14.0, abs=0.5)
    assert true_peak_db(samples) < -1.0


def test_the_demo_is_stereo_and_its_bass_is_in_the_middle(shipped: tuple) -> None:
    samples = shipped[0][: 1 << 21]
    middle = np.abs(np.fft.rfft(samples.mean(axis=1))) ** 2
    side = np.abs(np.fft.rfft((samples[:, 0] - samples[:, 1]) / 2.0)) ** 2
    bins_hz = np.fft.rfftfreq(len(samples), 1.0 / 44_100)
    low, high = (bins_hz > 30.0) & (bins_hz < 110.0), bins_hz > 500.0
    assert side[low].sum() < 0.02 * middle[low].sum()
    assert 0.1 < side[high].sum() / middle[high].sum() < 1.0


def test_the_demo_has_the_form_of_a_song(truth: dict) -> None:
    labels = [section["label"] for section in truth["sections"]]
    assert labels == ["intro", "verse", "build-up", "drop", "break", "drop", "outro"]
    assert truth["sections"][0]["start_s"] == 0.0
    assert truth["sections"][-1]["end_s"] == pytest.approx(truth["duration_s"], abs=1e-3)
    for before, after in zip(truth["sections"], truth["sections"][1:], strict=False):
        assert before["end_s"] == after["start_s"]
        assert min(abs(after["start_s"] - t) for t in truth["downbeats_s"]) < 1e-6


def test_the_chorus_is_louder_than_verse_and_break(truth: dict, shipped: tuple) -> None:
    samples, _ = shipped
    levels: dict[str, float] = {}
    for part in truth["sections"]:
        piece = samples[round(part["start_s"] * 44_100) : round(part["end_s"] * 44_100)]
        levels[part["label"]] = loudness_lufs(piece)
    assert levels["drop"] > levels["verse"] + 1.0
    assert levels["drop"] > levels["break"] + 2.0
    assert levels["drop"] > levels["intro"] + 3.0


def test_every_kick_of_the_truth_is_heard_in_the_shipped_file(truth: dict, shipped: tuple) -> None:
    samples, _ = shipped
    low = _below_120_hz(samples.mean(axis=1))
    for kick_s in truth["lanes"]["kick"]:
        at = round(kick_s * 44_100)
        assert np.abs(low[at : at + 4000]).max() > 0.05


def test_the_shipped_truth_is_what_the_synthesiser_plays(truth: dict) -> None:
    page = json.loads(json.dumps(song_truth(np.random.default_rng(SEED)).as_dict()))
    for name in ("duration_s", "tempo_bpm", "beats_s", "downbeats_s", "onsets_s"):
        assert page[name] == pytest.approx(truth[name], abs=1e-6)
    for lane in ("kick", "snare", "hat"):
        assert page["lanes"][lane] == pytest.approx(truth["lanes"][lane], abs=1e-6)
    assert page["sections"] == truth["sections"]
    assert page["key"] == truth["key"] == "D minor"


def test_the_score_fits_its_bars() -> None:
    assert sum(part.n_bars for part in composition.FORM) == 42
    for part in composition.FORM:
        assert len(part.chords) == part.n_bars
        assert set(part.chords) <= set(composition.CHORDS)
    for line in (composition.HOOK, composition.VERSE_LINE, composition.BREAK_LINE):
        for bar in line:
            ends = [note.step + note.length for note in bar]
            starts = [note.step for note in bar[1:]]
            assert all(end <= start for end, start in zip(ends, starts, strict=False))
            assert ends[-1] <= 16


def test_the_voices_of_neighbouring_chords_move_by_small_steps() -> None:
    for part in composition.FORM:
        for before, after in zip(part.chords, part.chords[1:], strict=False):
            voices = zip(
                composition.CHORDS[before].voices, composition.CHORDS[after].voices, strict=True
            )
            assert max(abs(a - b) for a, b in voices) <= 4


def _below_120_hz(mono: np.ndarray) -> np.ndarray:
    size = 1 << (len(mono) - 1).bit_length()
    spectrum = np.fft.rfft(mono, size)
    spectrum[np.fft.rfftfreq(size, 1.0 / 44_100) > 120.0] = 0.0
    return np.fft.irfft(spectrum, size)[: len(mono)]
