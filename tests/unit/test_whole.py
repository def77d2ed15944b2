"""The beats of a whole file, found with the end in view, and the clock that reads them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.analysis.analyzer import Analyzer
from engine.analysis.grid_clock import GridClock
from engine.analysis.report import beat_times_s, feature_arrays
from engine.analysis.whole import BeatGrid, beat_grid
from engine.clock import ManualClock
from engine.messages import AudioFeatures, Float32, freeze
from engine.runtime.foresight import Foresight, grid_of
from engine.runtime.pump import Pump
from engine.synthesis.loop import render_loop
from tests.scripted_source import ScriptedSource
from tests.signals import drums, noise

RATE = 44_100


def grid(samples: Float32, rate: int = RATE, block: int = 4096) -> BeatGrid:
    return beat_grid([samples[i : i + block] for i in range(0, len(samples), block)], rate)


def stereo(mono: np.ndarray) -> Float32:
    return np.repeat(np.asarray(mono, np.float32)[:, None], 2, axis=1)


def share_found(found_s: np.ndarray, truth_s: np.ndarray, within_s: float = 0.05) -> float:
    return float(np.mean([np.abs(found_s - beat).min() < within_s for beat in truth_s]))


@pytest.mark.parametrize(("bpm", "drift"), [(76.0, 0.0), (120.0, 0.05), (128.0, 0.0)])
def test_every_beat_is_known_from_the_first_one_on(bpm: float, drift: float) -> None:
    samples, truth = render_loop(bpm=bpm, bars=5, drift=drift, lead_in_s=0.7)
    found = grid(samples)
    beats_s = found.beats_s[found.sure]
    truth_s = np.array(truth.beats_s)
    assert share_found(beats_s, truth_s[1:-1]) == 1.0
    assert len(beats_s) == pytest.approx(len(truth_s), abs=2)
    nearest = np.array([beats_s[np.argmin(np.abs(beats_s - t))] for t in truth_s[1:-1]])
    assert abs(np.median(nearest - truth_s[1:-1])) < 0.01


def test_it_knows_what_the_causal_clock_has_yet_to_learn() -> None:
    samples, truth = render_loop(bpm=104.0, bars=5)
    early = np.array([t for t in truth.beats_s if 0.3 < t < 4.0])
    heard = feature_arrays(Analyzer(RATE).push(samples), RATE)
    assert share_found(np.array(beat_times_s(heard)), early) < 1.0
    found = grid(samples)
    assert share_found(found.beats_s[found.sure], early) == 1.0


def test_a_breakdown_does_not_lose_the_beat() -> None:
    samples, truth = render_loop(bpm=125.0, bars=10, breakdown_bars=(4, 6))
    found = grid(samples)
    assert share_found(found.beats_s, np.array(truth.beats_s[1:-1])) > 0.97


@pytest.mark.parametrize("sound", ["silence", "noise", "nothing", "not numbers"])
def test_there_is_no_beat_in(sound: str) -> None:
    samples = stereo(np.zeros(12 * RATE) if sound != "noise" else noise(12.0, RATE))
    if sound == "nothing":
        samples = samples[:0]
    if sound == "not numbers":
        samples[:] = np.nan
    found = grid(samples)
    assert not found.sure.any()
    assert np.isfinite(found.beats_s).all()


def test_silence_after_the_music_has_no_beats() -> None:
    music = stereo(drums(120.0, 10.0, RATE))
    found = grid(np.concatenate([music, np.zeros((8 * RATE, 2), np.float32)]))
    late = found.beats_s[found.sure]
    assert late.max() < 12.0
    assert len(late) > 15


def test_it_does_not_matter_how_the_file_is_cut_into_blocks() -> None:
    samples = stereo(drums(97.0, 9.0, RATE))
    rng = np.random.default_rng(1)
    cuts = np.cumsum(rng.integers(1, 9000, 200))
    blocks = np.split(samples, cuts[cuts < len(samples)])
    np.testing.assert_array_equal(beat_grid(blocks, RATE).beats_s, grid(samples).beats_s)


def test_another_sample_rate_gives_the_same_beats() -> None:
    one, other = (
        grid(stereo(drums(110.0, 12.0, 44_100))),
        grid(stereo(drums(110.0, 12.0, 48_000)), 48_000),
    )
    n = min(len(one.beats_s), len(other.beats_s))
    assert n >= 21
    np.testing.assert_allclose(one.beats_s[:n], other.beats_s[:n], atol=0.002)


def test_the_bar_begins_on_the_accent() -> None:
    truth = np.arange(32) * 0.5 + 0.5
    samples = np.zeros(17 * RATE, np.float32)
    t = np.arange(RATE // 8) / RATE
    for k, beat in enumerate(truth):
        kick = np.exp(-t / 0.03) * np.sin(2 * np.pi * 60 * t) * (1.0 if k % 4 == 1 else 0.3)
        first = round(beat * RATE)
        samples[first : first + len(t)] += kick.astype(np.float32)
    found = grid(stereo(samples))
    downbeats = found.beats_s[found.downbeat :: found.beats_per_bar]
    assert found.beats_per_bar == 4
    assert share_found(downbeats, truth[1::4][1:-1]) == 1.0
    assert found.bar_confidence > 0.3


KNOWN = BeatGrid(freeze(np.arange(1.0, 11.0, 0.5)), freeze(np.ones(20)), 4, 1, 0.5)


def clocked(
    clock: GridClock, heard: AudioFeatures, positions_s: np.ndarray
) -> list[AudioFeatures]:
    return [clock.step(heard, float(p)) for p in positions_s]


@pytest.fixture(scope="module")
def heard() -> AudioFeatures:
    return Analyzer(RATE).push(stereo(noise(0.1, RATE)))[-1]


def test_the_clock_is_that_of_the_file(heard: AudioFeatures) -> None:
    seen = clocked(GridClock(KNOWN), heard, np.arange(0.0, 10.0, 0.01))
    at = seen[325]
    assert at.tempo_bpm == pytest.approx(120.0)
    assert at.beat_phase == pytest.approx(0.5)
    assert at.beat_count == 5
    assert (at.bar.count, at.bar.phase) == (1, pytest.approx((3 + 0.5) / 4))
    assert seen[-1].beat_count == 18
    assert seen[0].tempo_confidence == 0.0
    assert at.tempo_confidence == 1.0


def test_counters_never_decrease_and_a_seek_is_no_beat(heard: AudioFeatures) -> None:
    clock = GridClock(KNOWN)
    way = np.concatenate([np.arange(2.0, 4.0, 0.01), np.arange(8.1, 9.1, 0.01),
                          np.arange(1.1, 2.1, 0.01), np.full(50, 2.1)])  # fmt: skip
    counts = [f.beat_count for f in clocked(clock, heard, way)]
    assert all(0 <= step <= 1 for step in np.diff(counts))
    assert counts[-1] == 3 + 2 + 2


def test_a_tempo_by_hand_and_an_outer_clock_win(heard: AudioFeatures) -> None:
    analyzer = Analyzer(RATE)
    analyzer.set_tempo(97.0)
    by_hand = analyzer.push(stereo(noise(0.1, RATE)))[-1]
    assert GridClock(KNOWN).step(by_hand, 3.0) is by_hand
    led = replace(heard, tempo_source="midi")
    assert GridClock(KNOWN).step(led, 3.0) is led
    empty = BeatGrid(freeze(np.zeros(0)), freeze(np.zeros(0)))
    assert GridClock(empty).step(heard, 3.0) is heard


@pytest.mark.parametrize("ahead", [-0.45, -0.2, 0.3])
def test_a_beat_followed_before_glides_to_that_of_the_file(
    heard: AudioFeatures, ahead: float
) -> None:
    grid = BeatGrid(freeze(np.arange(40) * 0.5), freeze(np.ones(40)))
    clock = GridClock(grid)
    times_s = 2.0 + np.arange(0.0, 3.0, 0.01)
    before = replace(
        heard, tempo_bpm=120.0, beat_count=7, beat_phase=(2.0 / 0.5 + ahead) % 1.0,
        tempo_by_hand=False, tempo_source="sound",
    )  # fmt: skip
    shown = [clock.step(before, float(at_s)) for at_s in times_s]
    assert shown[0].beat_phase == pytest.approx(before.beat_phase, abs=1e-6)
    steps = np.diff([f.beat_phase for f in shown]) % 1.0
    assert steps.max() <= 1.36 * 0.02
    assert steps.min() >= 0.64 * 0.02
    assert shown[-1].beat_phase == pytest.approx(times_s[-1] / 0.5 % 1.0, abs=1e-6)
    counts = [f.beat_count for f in shown]
    wraps = np.count_nonzero(np.diff([f.beat_phase for f in shown]) < 0.0)
    assert counts[-1] - counts[0] == wraps


class FileTwin(ScriptedSource):
    """A file whose ring runs 2 s ahead of its position."""

    def __init__(self, path: Path) -> None:
        super().__init__(RATE)
        self.path = path

    def position_s(self, sample: int) -> float:
        return sample / RATE + 2.0


def test_the_live_show_reads_the_same_beats_as_the_export(tmp_path: Path) -> None:
    path = tmp_path / "loop.wav"
    samples, _ = render_loop(bpm=120.0, bars=4)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    source = FileTwin(path)
    pump = Pump(source, ManualClock(1.0), 0.0)
    foresight = Foresight()
    offline = GridClock(grid_of(path))
    compared = 0
    for _ in range(400):
        source.feed(samples[:512])
        for features in pump.hear(pump.next_block()):
            live = foresight.step(features, pump)
            if live is not features:
                expected = offline.step(features, features.sample_index / RATE + 2.0)
                assert live.beat_phase == pytest.approx(expected.beat_phase)
                assert live.tempo_bpm == expected.tempo_bpm
                compared += 1
            else:
                threading.Event().wait(0.05)
    foresight.close()
    assert compared > 0


def test_looking_ahead_begins_when_there_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "loop.wav"
    samples, _ = render_loop(bpm=120.0, bars=2)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    painted, asked = threading.Event(), threading.Event()

    def is_painted() -> bool:
        asked.set()
        return painted.is_set()

    pump = Pump(FileTwin(path), ManualClock(1.0), 0.0)
    foresight = Foresight(is_painted)
    features = Analyzer(RATE).push(samples[:512])[-1]
    assert foresight.step(features, pump) is features
    assert asked.wait(10.0)
    assert foresight.step(features, pump) is features
    painted.set()
    for _ in range(600):
        if foresight.step(features, pump) is not features:
            break
        threading.Event().wait(0.05)
    else:
        pytest.fail("the beats of the file were never known")
    foresight.close()


def test_live_input_has_no_future(heard: AudioFeatures) -> None:
    pump = Pump(ScriptedSource(), ManualClock(1.0), 0.0)
    assert Foresight().step(heard, pump) is heard
