"""Scenes counted in beats, and the prompts that are named before their turn."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from engine.messages import AudioFeatures, ControlState
from engine.modulation.beat_count import BeatCount
from engine.modulation.scenes import MOST_UPCOMING, SceneWalk
from engine.modulation.stage import Modulation
from engine.presets import Preset, PromptScene
from tests.unit.test_modulation_stage import SILENCE

DT_S = 0.01


class Music:
    """A beat clock whose tempo can be changed; plays into a modulation or a count."""

    def __init__(self, bpm: float) -> None:
        self.bpm = bpm
        self.beats = 0.0

    def hop(self, dt_s: float = DT_S) -> AudioFeatures:
        self.beats += dt_s * self.bpm / 60.0
        return replace(
            SILENCE, silent=False, tempo_bpm=self.bpm, tempo_confidence=1.0,
            beat_count=int(self.beats), beat_phase=self.beats % 1.0,
        )  # fmt: skip


def scenes(**lengths: float) -> tuple[PromptScene, ...]:
    return tuple(PromptScene(text=text, **lengths) for text in ("a", "b", "c"))


def weight_of_b(state: ControlState) -> float:
    return {prompt.text: prompt.weight for prompt in state.prompts}.get("b", 0.0)


def beats_until(stage: Modulation, music: Music, weight: float) -> float:
    """Play until the second prompt has at least this weight; the beats since the start."""
    for _ in range(10_000):
        if weight_of_b(stage.step(music.hop(), DT_S, host_time_s=0.0)) >= weight:
            return music.beats
    raise AssertionError("it never came")


def staged(**lengths: float) -> Modulation:
    return Modulation(Preset(name="beats", prompts=scenes(**lengths)))


@pytest.mark.parametrize("bpm", [73.0, 120.0, 174.0])
def test_a_scene_in_beats_lasts_as_many_at_any_tempo(bpm: float) -> None:
    stage, music = staged(hold_beats=6.0, transition_beats=2.0), Music(bpm)
    hop = DT_S * bpm / 60.0
    assert beats_until(stage, music, 1e-9) == pytest.approx(6.0, abs=2 * hop)
    assert beats_until(stage, music, 0.5) == pytest.approx(7.0, abs=2 * hop)
    assert beats_until(stage, music, 1.0) == pytest.approx(8.0, abs=2 * hop)


def test_beats_may_be_fractions_and_stand_beside_seconds() -> None:
    stage, music = staged(hold_beats=2.5, transition_s=1.0), Music(90.0)
    assert beats_until(stage, music, 1e-9) == pytest.approx(2.5, abs=0.04)
    assert beats_until(stage, music, 1.0) == pytest.approx(2.5 + 1.5, abs=0.04)
    stage, music = staged(hold_s=2.0, transition_beats=0.5), Music(90.0)
    assert beats_until(stage, music, 1e-9) == pytest.approx(3.0, abs=0.04)
    assert beats_until(stage, music, 1.0) == pytest.approx(3.5, abs=0.04)


@pytest.mark.parametrize("change_at", [2.0, 8.7])
def test_a_tempo_that_changes_midway_changes_no_number_of_beats(change_at: float) -> None:
    """In the hold, and in the transition: which neither jumps nor starts again."""
    stage, music = staged(hold_beats=8.0, transition_beats=2.0), Music(100.0)
    weights = []
    while weight_of_b(state := stage.step(music.hop(), DT_S, host_time_s=0.0)) < 1.0:
        weights.append(weight_of_b(state))
        if music.beats >= change_at:
            music.bpm = 160.0
    assert music.beats == pytest.approx(10.0, abs=0.06)
    steps = [later - earlier for earlier, later in itertools.pairwise(weights)]
    assert min(steps) >= 0.0
    assert max(steps) < 0.03


def test_as_long_as_no_tempo_is_known_a_beat_is_half_a_second() -> None:
    stage, time_s = staged(hold_beats=3.0, transition_beats=1.0), 0.0
    while weight_of_b(stage.step(SILENCE, DT_S, host_time_s=0.0)) < 1.0:
        time_s += DT_S
    assert time_s == pytest.approx(2.0, abs=0.03)
    stage, music = staged(hold_beats=3.0, transition_beats=1.0), Music(90.0)
    for _ in range(100):  # two beats of 120 BPM, then the music begins
        stage.step(SILENCE, DT_S, host_time_s=0.0)
    assert beats_until(stage, music, 1e-9) == pytest.approx(1.0, abs=0.05)


def test_beats_are_read_from_the_clock_and_not_from_its_tempo() -> None:
    """The tracker glides its phase to the music: a tempo 3 % off adds up to nothing."""
    count, music, total = BeatCount(), Music(100.0), 0.0
    count.step(music.hop(), DT_S)
    began = music.beats
    for _ in range(6000):
        total += count.step(replace(music.hop(), tempo_bpm=103.0), DT_S)
    assert total == pytest.approx(music.beats - began, abs=1e-6)


def test_a_clock_that_is_set_back_or_that_jumps_never_runs_the_walk_back() -> None:
    count, music, total = BeatCount(), Music(120.0), 0.0
    for step in range(1000):
        music.beats -= 0.1 if step == 300 else 0.0
        music.beats += 0.45 if step == 600 else 0.0
        beats = count.step(music.hop(), DT_S)
        assert 0.0 <= beats <= 0.1
        total += beats
    assert total == pytest.approx(20.0 - 0.1, abs=0.03)


def test_pace_scales_beats_as_it_scales_seconds() -> None:
    walks = [SceneWalk(scenes(hold_beats=4.0, transition_beats=1.0)) for _ in range(2)]
    for _ in range(450):
        walks[0].step(DT_S, pace=2.0, mix=0.0, beats=0.005)
        walks[1].step(DT_S, pace=1.0, mix=0.0, beats=0.01)
    assert walks[0].prompts == walks[1].prompts
    assert len(walks[0].prompts) == 2


def test_a_section_of_the_music_arrives_in_its_scenes_beats() -> None:
    walk = SceneWalk(scenes(transition_beats=4.0))
    for _ in range(10):
        walk.step(DT_S, pace=1.0, mix=0.0, section=0, beats=0.1)
    for _ in range(20):
        walk.step(DT_S, pace=1.0, mix=0.0, section=1, beats=0.1)
    assert {prompt.text: prompt.weight for prompt in walk.prompts} == pytest.approx(
        {"a": 0.5, "b": 0.5}, abs=0.01
    )


def test_the_scenes_ahead_are_named_the_nearest_first_and_never_what_is_seen() -> None:
    stage = staged(hold_s=1.0, transition_s=1.0)
    assert stage.step(SILENCE, 0.5, host_time_s=0.0).upcoming == ("b", "c")
    assert stage.step(SILENCE, 1.0, host_time_s=0.0).upcoming == ("c",)  # a melts into b
    assert stage.step(SILENCE, 1.0, host_time_s=0.0).upcoming == ("c", "a")
    many = SceneWalk([PromptScene(text=f"prompt {k}") for k in range(100)])
    assert many.upcoming == tuple(f"prompt {k}" for k in range(1, MOST_UPCOMING))
    many.set_text("typed", 1.0)
    many.step(0.1, pace=1.0, mix=0.0)
    assert "prompt 1" in many.upcoming
    assert "typed" not in many.upcoming
