from __future__ import annotations

import numpy as np
import pytest

from engine.messages import PromptWeight
from engine.modulation.listening import HeardPrompts

WALK = (PromptWeight("a forest", 0.75), PromptWeight("a lake", 0.25))
DT_S = 0.010667


def run(heard: HeardPrompts, seconds: float, amount: float) -> list[dict[str, float]]:
    steps = [heard.step(WALK, amount, DT_S) for _ in range(round(seconds / DT_S))]
    for prompts in steps:
        assert sum(part.weight for part in prompts) == pytest.approx(1.0)
        assert len(prompts) <= 4
    return [{part.text: part.weight for part in prompts} for prompts in steps]


def test_nothing_heard_or_not_wanted_leaves_the_walk_as_it_is():
    heard = HeardPrompts()
    assert heard.step(WALK, 1.0, DT_S) is WALK
    heard.prompt = "fire"
    for _ in range(200):
        assert heard.step(WALK, 0.0, DT_S) is WALK


def test_what_is_heard_arrives_within_seconds_and_takes_its_share():
    heard = HeardPrompts()
    heard.prompt = "fire"
    shares = [weights.get("fire", 0.0) for weights in run(heard, 6.0, 0.8)]
    assert shares[round(1.0 / DT_S)] > 0.4
    assert shares[-1] == pytest.approx(0.8, abs=0.01)
    assert np.diff(shares).max() < 0.02


def test_one_sound_hands_over_to_another_without_the_walk_showing_through():
    heard = HeardPrompts()
    heard.prompt = "fire"
    run(heard, 8.0, 1.0)
    heard.prompt = "rain"
    steps = run(heard, 4.0, 1.0)
    assert all(weights.get("a forest", 0.0) < 0.01 for weights in steps)
    assert steps[-1]["rain"] > 0.9


def test_when_nothing_is_heard_the_walk_comes_back():
    heard = HeardPrompts()
    heard.prompt = "fire"
    run(heard, 8.0, 1.0)
    heard.prompt = ""
    last = run(heard, 20.0, 1.0)[-1]
    assert last == pytest.approx({"a forest": 0.75, "a lake": 0.25}, abs=0.01)


def test_many_sounds_in_a_row_keep_at_most_two_in_the_picture():
    heard = HeardPrompts()
    for name in ("rain", "fire", "bells", "drums", "rain", "waves"):
        heard.prompt = name
        last = run(heard, 0.6, 1.0)[-1]
        assert len(set(last) - {"a forest", "a lake"}) <= 2


def test_a_sound_that_the_walk_paints_too_is_one_entry():
    heard = HeardPrompts()
    heard.prompt = "a lake"
    last = run(heard, 8.0, 0.5)[-1]
    assert last["a lake"] == pytest.approx(0.5 + 0.5 * 0.25, abs=0.01)
