from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.conditioning.word_table import MAX_WORDS
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.ember.bundle import open_ember
from engine.messages import Reading
from engine.registry import ModelRequest
from engine.semantic.describer import PICTURES, RULES, Heard, Rule, describe
from tests.states import control

SAID = [rule for rule in RULES if rule.part not in ("register", "movement")]
"""Rules whose words are in the prompt as they stand."""


@pytest.fixture(scope="module")
def ember() -> Iterator[FeedbackModel]:
    model = open_ember(ModelRequest("ember", 128, 128, "cpu", "float32", 1))
    yield model
    model.close()


def test_ember_says_how_many_words_it_leaves_out(ember: FeedbackModel) -> None:
    assert ember.reading("a sunset over the sea") == Reading()
    assert ember.reading("sunset " * (MAX_WORDS + 6)).left_out == 6
    assert ember.reading("sunset " * MAX_WORDS).left_out == 0


def test_ember_names_what_it_does_not_know(ember: FeedbackModel) -> None:
    assert [word for word, _ in ember.reading("a zorblax in the fog").unknown_words] == ["zorblax"]


@pytest.mark.parametrize("rule", SAID, ids=lambda rule: f"{rule.quantity}-{rule.low:g}")
def test_ember_knows_every_word_of_a_description(ember: FeedbackModel, rule: Rule) -> None:
    assert ember.reading(rule.words).unknown_words == ()


@pytest.mark.parametrize("register", PICTURES)
def test_ember_knows_every_word_of_the_pictures(ember: FeedbackModel, register: str) -> None:
    for picture in PICTURES[register].values():
        assert ember.reading(picture.format("violet")) == Reading()


def test_ember_hears_the_longest_description_to_its_end(ember: FeedbackModel) -> None:
    longest = describe(Heard(150.0, 14, 7.0, 3.0, 70.0))
    assert ember.reading(longest) == Reading()


ODD = ("", "word " * 2000, "🌋🔥🎸", "雷雨", "гроза над морем", "xqzt wvbn prrk", "...!?", "\x00")


@pytest.mark.parametrize("prompt", ODD)
def test_any_prompt_gives_a_picture_that_is_neither_flat_nor_black(
    ember: FeedbackModel, prompt: str
) -> None:
    ember.restart()
    picture = ember.generate(control(prompts=((prompt, 1.0),)), 0.0)
    assert picture.std() > 8.0
    assert 8.0 < picture.mean() < 247.0
