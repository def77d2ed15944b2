"""What is said that cannot be seen is true, and never of what the picture shows."""

from __future__ import annotations

import re

import numpy as np
import pytest

from engine.training.ember.aliases import ABSENCES, REMARKS
from engine.training.ember.asides import aside, denial
from engine.training.ember.captions import CAPTION_WORDS, FREELY, PLAINLY, caption
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.scenes.scene import Attribute, Scene

EXAMPLE = Scene(
    "stove",
    ("a stove",),
    (
        Attribute("colour", (("red",), ("orange",), ("blue",)), natural=("orange",)),
        Attribute("size", (("small",), ("big",))),
    ),
    lambda *_: pytest.fail("captions do not paint"),
)


def test_asides_are_remarks_and_absences_in_known_words() -> None:
    rng = np.random.default_rng(0)
    said = [aside(rng, "the sea") for _ in range(600)]
    assert 0.5 < np.mean([text in REMARKS for text in said]) < 0.7
    assert len({text for text in said if text not in REMARKS}) > 60
    assert {word for text in said for word in re.findall(r"[a-z0-9'-]+", text)} <= CAPTION_WORDS


def test_what_a_description_has_is_never_said_to_be_absent() -> None:
    rng = np.random.default_rng(1)
    for thing in ABSENCES:
        said = f"a painting of {thing.removesuffix('s')}s by the sea"
        denied = {aside(rng, said) for _ in range(300)} - set(REMARKS)
        assert not [text for text in denied if thing.removesuffix("s") in text]


@pytest.mark.parametrize(
    ("thing", "never"), [("whale", "not whale"), ("fireworks", "a fireworks"), ("blue", "a blue")]
)
def test_things_that_can_be_counted_have_an_article_colours_and_many_have_none(
    thing: str, never: str
) -> None:
    rng = np.random.default_rng(2)
    said = {denial(rng, thing) for _ in range(100)}
    assert len(said) == 6
    assert all(thing in text for text in said)
    assert not [text for text in said if never in text]


def test_a_caption_denies_only_what_an_attribute_with_a_natural_range_is_not() -> None:
    rng = np.random.default_rng(3)
    said = [caption(EXAMPLE, {"colour": 0.5, "size": 0.1}, rng) for _ in range(2000)]
    denied = [text for text in said if re.search(r"(no|not|without|any) (red|blue)\b", text)]
    assert 0.03 < len(denied) / len(said) < 0.1
    assert not [text for text in said if re.search(r"(no|not|without|any) (orange|small)", text)]
    blue = [caption(EXAMPLE, {"colour": 0.9, "size": 0.1}, rng) for _ in range(500)]
    assert all("blue" in text for text in blue)
    assert not [text for text in blue if re.search(r"(no|not|without|any) (red|blue)\b", text)]


def test_plain_captions_deny_nothing_but_what_an_attribute_is_without() -> None:
    rng = np.random.default_rng(4)
    for scene in SCENES.values():
        values = {attribute.name: float(rng.random()) for attribute in scene.attributes}
        free, plain = (
            [caption(scene, values, np.random.default_rng(k), manner=manner) for k in range(60)]
            for manner in (FREELY, PLAINLY)
        )
        assert not [text for text in plain if "but no " in text or " any " in text]
        assert any(text != other for text, other in zip(free, plain, strict=True))
