"""What a prompt denies is not said to ember; everything else is."""

from __future__ import annotations

import pytest

from engine.conditioning.denial import affirmed
from engine.conditioning.word_table import heard_words
from engine.scoring.held_out_phrases import (
    FOREIGN_PHRASES,
    HELD_OUT_COMPOSITIONS,
    HELD_OUT_PHRASES,
    NEGATIONS,
)


@pytest.mark.parametrize(
    ("prompt", "heard"),
    [
        ("a forest without a castle", "a forest"),
        ("a forest, no castle or whale, at night", "a forest, , at night"),
        ("not a single whale in the sea", "in the sea"),
        ("a red moon but no stars and a boat", "a red moon but and a boat"),
        ("the sunset with no clouds", "the sunset with cloudless"),
        ("a sea without waves under the moon", "a sea calm under the moon"),
        ("our cabin, it isn\u2019t snowing", "our cabin , it clear"),
        ("Flames that are NEVER green", "Flames that are"),
        ("no", ""),
        ("a thunderstorm, never raining, no lightning", "a thunderstorm, dry,"),
        ("not fire, not water", ","),
    ],
)
def test_what_is_denied_is_left_out_or_said_by_its_opposite(prompt: str, heard: str) -> None:
    assert heard_words(prompt) == heard.replace(",", " ").lower().split()


@pytest.mark.parametrize(
    "prompt",
    [
        "a story without end",
        "never ending fractals",
        "not only fire but also water",
        "no man's land",
        "nothing but flames",
        "a knot of snow and notes",
        "",
        "!!! ???",
    ],
)
def test_what_denies_nothing_is_heard_as_it_is(prompt: str) -> None:
    assert affirmed(prompt) == prompt


def test_a_denial_reaches_four_words_and_no_further() -> None:
    assert heard_words("no big old green stone castle tower") == ["castle", "tower"]


@pytest.mark.parametrize("prompts", NEGATIONS, ids=[prompts[1] for prompts in NEGATIONS])
def test_nothing_of_the_denied_thing_is_left(prompts: tuple[str, str, str]) -> None:
    present, denied, absent = prompts
    things = set(heard_words(present)) - set(heard_words(absent)) - {"and", "with", "in", "the"}
    assert not things & set(heard_words(denied)), heard_words(denied)


def test_prompts_that_deny_nothing_are_never_touched() -> None:
    everyday = [text for texts in HELD_OUT_PHRASES.values() for text in texts]
    foreign = [text for texts in FOREIGN_PHRASES.values() for text in texts]
    for prompt in (*everyday, *foreign, *HELD_OUT_COMPOSITIONS.values()):
        if not set(prompt.split()) & {"no", "not", "never", "without", "nobody"}:
            assert affirmed(prompt) == prompt
