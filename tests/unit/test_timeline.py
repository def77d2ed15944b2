"""What `sonolume analyze` says over time, and what its arrays hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.cli import main
from engine.analysis.analyzer import Analyzer
from engine.analysis.legend import LEGEND, legend_array
from engine.analysis.report import feature_arrays
from engine.analysis.timeline import build_ups, drops_s, keys, loudness, tempi
from engine.synthesis.loop import render_loop
from tests.signals import noise, sine

CONTRACT = {
    "duration_s", "tempo_bpm", "beats_s", "downbeats_s", "onsets_s", "lanes", "key", "sections",
}  # fmt: skip


def test_spans_of_keys_follow_on_each_other_and_silence_has_none() -> None:
    arrays = {
        "tonal_key": np.array([-1, -1, 3, 3, 14, 14]),
        "tonal_key_confidence": np.array([0.0, 0.0, 0.2, 0.3, 0.4, 0.4]),
        "time_s": np.arange(1, 7) * 0.5,
    }
    spans = keys(arrays, 3.2)
    assert [span["key"] for span in spans] == [None, "Eb major", "D minor"]
    assert [span["start_s"] for span in spans] == [0.0, 1.5, 2.5]
    assert [span["end_s"] for span in spans] == [1.5, 2.5, 3.2]
    assert keys({name: row[:0] for name, row in arrays.items()}, 0.0) == []


def test_a_key_that_nobody_was_sure_of_is_none() -> None:
    arrays = {
        "tonal_key": np.array([3, 3]), "tonal_key_confidence": np.zeros(2),
        "time_s": np.array([0.5, 1.0]),
    }  # fmt: skip
    assert keys(arrays, 1.0) == [{"start_s": 0.0, "end_s": 1.0, "key": None}]


def test_tempo_is_told_once_a_second() -> None:
    time_s = np.arange(1, 301) * 0.01
    arrays = {
        "time_s": time_s, "tempo_bpm": np.where(time_s < 1.5, 0.0, 120.0),
        "tempo_confidence": np.where(time_s < 1.5, 0.0, 0.8),
    }  # fmt: skip
    told = tempi(arrays)
    assert [round(row["time_s"]) for row in told] == [0, 1, 2, 3]
    assert [row["bpm"] for row in told] == [None, None, 120.0, 120.0]
    assert told[2]["confidence"] == 0.8


def test_build_ups_have_a_beginning_and_an_end_and_drops_a_moment() -> None:
    arrays = {
        "time_s": np.arange(1, 9) * 1.0,
        "structure_build": np.array([0.0, 0.2, 0.5, 0.9, 0.0, 0.15, 0.2, 0.0]),
        "structure_drop_count": np.array([0, 0, 0, 0, 1, 1, 1, 2]),
    }
    assert build_ups(arrays) == [{"start_s": 2.0, "end_s": 5.0, "strength": 0.9}]
    assert drops_s(arrays) == [5.0, 8.0]


def test_loudness_of_a_tone_is_that_of_the_standard_and_a_pause_does_not_count() -> None:
    rate = 48_000
    tone = np.float32(10.0 ** (-20.0 / 20.0)) * sine(1000.0, 6.0, rate, 1.0)
    stereo = np.repeat(np.concatenate([tone, np.zeros(6 * rate)])[:, None], 2, axis=1)
    arrays = feature_arrays(Analyzer(rate).push(stereo.astype(np.float32)), rate)
    told = loudness(arrays)
    assert told["integrated_lufs"] == pytest.approx(-20.0, abs=0.3)
    assert told["loudest_lufs"] == pytest.approx(-20.0, abs=0.2)
    assert told["momentary"][-1]["lufs"] < -70.0
    silent = feature_arrays(Analyzer(rate).push(np.zeros((rate, 2), np.float32)), rate)
    assert loudness(silent)["integrated_lufs"] is None


def test_every_array_has_a_row_in_the_legend_and_the_shape_it_says() -> None:
    arrays = feature_arrays(Analyzer(16_000).push(noise(1.0, 16_000)), 16_000)
    assert set(LEGEND) == set(arrays)
    hops = arrays["time_s"].shape[0]
    for name, (shape, unit, meaning) in LEGEND.items():
        assert arrays[name].shape == (hops, *shape), name
        assert unit
        assert meaning
    assert legend_array(arrays).shape == (len(arrays), 4)


@pytest.mark.parametrize("lookahead", ["causal", "whole"])
def test_analyze_tells_what_changes_and_finds_the_beats_of_the_whole_file(
    lookahead: str, tmp_path: Path
) -> None:
    samples, truth = render_loop(bpm=120.0, bars=6, seed=2)
    song, report, features = (tmp_path / name for name in ("s.wav", "s.json", "s.npz"))
    soundfile.write(song, samples, 44_100)
    words = ["analyze", str(song), "--json", str(report), "--features", str(features)]
    assert main([*words, "--lookahead", lookahead]) == 0
    told = json.loads(report.read_text("utf-8"))
    assert set(told) >= CONTRACT | {"keys", "tempo", "build_ups", "drops_s", "loudness"}
    assert told["tempo"][-1]["bpm"] == pytest.approx(120.0, rel=0.02)
    first = [at_s for at_s in told["beats_s"] if at_s < 1.0]
    assert bool(first) == (lookahead == "whole")
    if first:
        assert abs(first[0] - truth.beats_s[0]) < 0.05 or abs(first[0] - truth.beats_s[1]) < 0.05
    with np.load(features) as stored:
        assert "tempo_bpm" in stored["legend"][:, 0]
        assert stored["tempo_bpm"].ndim == 1
