"""The walk through the prompts."""

from __future__ import annotations

import numpy as np
import pytest

from engine.messages import PromptWeight
from engine.modulation.scenes import SceneWalk
from engine.presets import PromptScene

THREE = [PromptScene(text=text, hold_s=4.0, transition_s=2.0) for text in ("a", "b", "c")]


def weights(prompts: tuple[PromptWeight, ...]) -> dict[str, float]:
    return {prompt.text: prompt.weight for prompt in prompts}


def walk(scenes: SceneWalk, seconds: float, *, rate_hz: float = 50.0, pace=1.0, mix=0.0):
    """Walk on and return the weights of every step."""
    return [
        weights(scenes.step(1.0 / rate_hz, pace=pace, mix=mix))
        for _ in range(round(seconds * rate_hz))
    ]


def biggest_jump(history: list[dict[str, float]]) -> float:
    rows = np.array([[entry.get(text, 0.0) for text in "abcdx"] for entry in history])
    return float(np.abs(np.diff(rows, axis=0)).max())


def test_it_holds_then_eases_to_the_next_and_wraps_round():
    scenes = SceneWalk(THREE)
    history = walk(scenes, 18.0)
    assert all(entry == {"a": 1.0} for entry in history[:199])
    assert history[249] == pytest.approx({"a": 0.5, "b": 0.5}, abs=0.02)
    assert history[305] == {"b": 1.0}
    assert history[605] == {"c": 1.0}
    assert walk(scenes, 1.0)[-1] == {"a": 1.0}
    assert biggest_jump(history) < 0.02


def test_weights_sum_to_one_with_at_most_two_prompts():
    for mix in (0.0, 0.3, 1.0):
        for entry in walk(SceneWalk(THREE), 20.0, mix=mix):
            assert sum(entry.values()) == pytest.approx(1.0)
            assert 1 <= len(entry) <= 2
            assert min(entry.values()) > 0.0


def test_the_walk_does_not_depend_on_the_rate():
    slow, quick = SceneWalk(THREE), SceneWalk(THREE)
    for _ in range(30):
        here = walk(slow, 0.7, rate_hz=1 / 0.7)[-1]
        there = walk(quick, 0.7, rate_hz=100)[-1]
        assert here == pytest.approx(there, abs=1e-6)


def test_pace_scales_the_clock_and_zero_stays():
    assert walk(SceneWalk(THREE), 60.0, pace=0.0)[-1] == {"a": 1.0}
    assert walk(SceneWalk(THREE), 3.1, pace=2.0)[-1] == {"b": 1.0}


def test_mix_leans_towards_the_next_without_ever_jumping():
    assert walk(SceneWalk(THREE), 1.0, mix=0.25)[-1] == pytest.approx({"a": 0.75, "b": 0.25})
    assert walk(SceneWalk(THREE), 1.0, mix=1.0)[-1] == {"b": 1.0}
    assert biggest_jump(walk(SceneWalk(THREE), 40.0, mix=0.6)) < 0.02


def test_next_starts_the_transition_now_even_at_pace_zero():
    scenes = SceneWalk(THREE)
    walk(scenes, 0.5, pace=0.0)
    scenes.next()
    history = walk(scenes, 2.1, pace=0.0)
    assert history[0]["b"] > 0.0
    assert history[-1] == {"b": 1.0}
    assert biggest_jump(history) < 0.02
    assert scenes.index == 1


def test_next_twice_goes_two_scenes_on():
    scenes = SceneWalk(THREE)
    scenes.next()
    scenes.next()
    assert walk(scenes, 4.1, pace=0.0)[-1] == {"c": 1.0}


def test_a_prompt_set_by_hand_replaces_the_current_one_in_its_own_time():
    scenes = SceneWalk(THREE)
    walk(scenes, 1.0)
    scenes.set_text("x", 1.0)
    history = walk(scenes, 1.1)
    assert history[24] == pytest.approx({"a": 0.5, "x": 0.5}, abs=0.05)
    assert history[-1] == {"x": 1.0}
    assert biggest_jump(history) < 0.05
    assert scenes.texts == ("x", "b", "c")
    assert walk(scenes, 5.0)[-1].keys() == {"x", "b"}


def test_a_prompt_set_in_a_transition_takes_over_the_weaker_share():
    scenes = SceneWalk(THREE)
    before = walk(scenes, 4.6)[-1]
    scenes.set_text("x", 1.0)
    after = walk(scenes, 0.02)[-1]
    assert after["a"] == pytest.approx(before["a"], abs=0.02)
    assert after.keys() == {"a", "x"}
    assert walk(scenes, 1.0)[-1] == {"x": 1.0}


def test_a_prompt_set_without_transition_is_there_at_once():
    scenes = SceneWalk(THREE)
    scenes.set_text("x", 0.0)
    assert walk(scenes, 0.02)[-1] == {"x": 1.0}


def test_leaning_comes_back_softly_after_a_prompt_set_by_hand():
    scenes = SceneWalk(THREE)
    walk(scenes, 1.0, mix=0.4)
    scenes.set_text("x", 0.5)
    history = walk(scenes, 2.0, mix=0.4)
    assert history[-1] == pytest.approx({"x": 0.6, "b": 0.4})
    assert biggest_jump(history[26:]) < 0.02


def test_a_single_prompt_stays_whatever_is_asked():
    scenes = SceneWalk(THREE[:1])
    scenes.next()
    history = walk(scenes, 30.0, pace=8.0, mix=0.7)
    assert all(entry == {"a": 1.0} for entry in history)


def test_two_scenes_with_the_same_prompt_count_as_one():
    scenes = SceneWalk([THREE[0], THREE[0]])
    assert all(entry == {"a": 1.0} for entry in walk(scenes, 15.0))


def test_another_list_starts_at_its_first_prompt_without_a_jump():
    scenes = SceneWalk(THREE)
    walk(scenes, 7.0)
    scenes.replace_scenes([PromptScene(text="d"), PromptScene(text="c")])
    history = walk(scenes, 1.6)
    assert history[0].keys() == {"b", "d"}
    assert history[-1] == {"d": 1.0}
    assert biggest_jump(history) < 0.05


def test_tiny_holds_do_not_stop_the_show():
    scenes = SceneWalk([PromptScene(text=t, hold_s=1e-9, transition_s=0.0) for t in "abc"])
    assert walk(scenes, 5.0)[-1].keys() <= {"a", "b", "c"}


def test_to_go_to_a_scene_changes_no_text():
    scenes = SceneWalk(THREE)
    walk(scenes, 1.0)
    scenes.go_to(2, 1.0)
    history = walk(scenes, 1.2)
    assert history[-1] == {"c": 1.0}
    assert scenes.index == 2
    assert scenes.texts == ("a", "b", "c")
    assert biggest_jump(history) < 0.05
    scenes.go_to(7, 1.0)
    assert walk(scenes, 1.0)[-1] == {"c": 1.0}


def follow(scenes: SceneWalk, section: int, seconds: float) -> dict[str, float]:
    history = [weights(scenes.step(0.02, pace=1.0, mix=0.0, section=section))
               for _ in range(round(seconds / 0.02))]  # fmt: skip
    assert biggest_jump(history) < 0.03
    return history[-1]


def test_after_the_music_a_new_section_walks_on_and_one_that_returns_gets_its_prompt_back():
    scenes = SceneWalk(THREE)
    assert follow(scenes, -1, 9.0) == {"a": 1.0}  # the clock stands still
    assert follow(scenes, 0, 9.0) == {"a": 1.0}
    assert follow(scenes, 1, 1.0).keys() == {"a", "b"}
    assert follow(scenes, 1, 9.0) == {"b": 1.0}
    assert follow(scenes, 0, 2.1) == {"a": 1.0}
    assert follow(scenes, 2, 2.1) == {"c": 1.0}  # b is taken
    assert follow(scenes, 1, 2.1) == {"b": 1.0}
    assert follow(scenes, 3, 2.1) == {"c": 1.0}  # all are taken: the next one
    assert scenes.index == 2


def test_a_section_keeps_the_prompt_that_the_performer_chose_in_it():
    scenes = SceneWalk(THREE)
    follow(scenes, 0, 1.0)
    scenes.go_to(2, 1.0)
    follow(scenes, 0, 1.5)
    assert follow(scenes, 1, 3.0) == {"a": 1.0}  # after c comes a, which is free again
    assert follow(scenes, 0, 3.0) == {"c": 1.0}
    scenes.next()
    assert follow(scenes, 0, 3.0) == {"a": 1.0}
    follow(scenes, 1, 3.0)
    assert follow(scenes, 0, 3.0) == {"a": 1.0}


def test_a_section_that_changes_in_a_transition_turns_it_round_without_a_jump():
    scenes = SceneWalk(THREE)
    follow(scenes, 0, 1.0)
    assert follow(scenes, 1, 1.0).keys() == {"a", "b"}
    assert follow(scenes, 0, 3.0) == {"a": 1.0}


def test_another_piece_of_music_or_another_list_forgets_the_places():
    scenes = SceneWalk(THREE)
    for section in (0, 1, 2):
        follow(scenes, section, 3.0)
    assert follow(scenes, -1, 1.0) == {"c": 1.0}
    assert follow(scenes, 0, 3.0) == {"c": 1.0}
    assert follow(scenes, 1, 3.0) == {"a": 1.0}
    scenes.replace_scenes(THREE)
    assert follow(scenes, 1, 3.0) == {"a": 1.0}
    assert follow(scenes, 0, 3.0) == {"b": 1.0}


def test_the_clock_goes_on_when_the_music_is_no_longer_followed():
    scenes = SceneWalk(THREE)
    follow(scenes, 0, 9.0)
    assert walk(scenes, 6.1)[-1] == {"b": 1.0}


def test_a_single_prompt_stays_whatever_the_sections_are():
    scenes = SceneWalk(THREE[:1])
    for section in (0, 1, 0, 2):
        assert follow(scenes, section, 2.0) == {"a": 1.0}
