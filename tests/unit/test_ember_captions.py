"""Captions of painted pictures say true things in words that ember knows."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from engine.training.ember.aliases import ALIASES
from engine.training.ember.captions import (
    CAPTION_WORDS,
    FREELY,
    PLAINLY,
    caption,
)
from engine.training.ember.range_words import range_words
from engine.training.ember.scenes.catalogue import SCENES, paint
from engine.training.ember.scenes.scene import Attribute, Scene

every_scene = pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))

EXAMPLE = Scene(
    "lake",
    ("a lake", "still waters"),
    (
        Attribute("colour", (("red",), ("green",), ("blue",))),
        Attribute("size", (("small",), (), ("big",))),
        Attribute("place", (("on the left",), (), ("on the right",))),
        Attribute("silent", ()),
    ),
    lambda *_: pytest.fail("captions do not paint"),
)


def _captions(scene: Scene, values: dict[str, float], count: int, **how: bool) -> list[str]:
    rng = np.random.default_rng(3)
    return [caption(scene, values, rng, **how) for _ in range(count)]


def _values(scene: Scene, value: float) -> dict[str, float]:
    return {attribute.name: value for attribute in scene.attributes}


@every_scene
def test_captions_use_only_known_words_in_lower_case(scene: Scene) -> None:
    rng = np.random.default_rng(0)
    for _ in range(80):
        values = {attribute.name: float(rng.random()) for attribute in scene.attributes}
        text = caption(scene, values, rng)
        assert text == text.lower()
        assert not re.search(r"[^a-z0-9', -]|  |^[ ,]|[ ,]$| ,", text), text
        assert set(re.findall(r"[a-z0-9'-]+", text)) <= CAPTION_WORDS


@every_scene
def test_captions_of_one_picture_vary(scene: Scene) -> None:
    assert len(set(_captions(scene, _values(scene, 0.95), 60))) >= 15


@every_scene
def test_plainly_the_painters_phrases_say_the_same_as_freely(scene: Scene) -> None:
    values = _values(scene, 0.95)
    attributes = {word for a in scene.attributes for words in a.words for word in words}
    for seed in range(40):
        free, plain = (
            caption(scene, values, np.random.default_rng(seed), manner=manner)
            for manner in (FREELY, PLAINLY)
        )
        assert any(re.sub(r"^(an?|the) ", "", phrase) in plain for phrase in scene.phrases)
        names = " ".join((*scene.phrases, *ALIASES[scene.name]))
        said = {word for word in attributes if word and word in plain and word not in names}
        assert all(word in free for word in said), (free, plain)


def test_captions_mention_only_the_true_range() -> None:
    values = {"colour": 0.5, "size": 0.9, "place": 0.1, "silent": 0.5}
    text = " ".join(_captions(EXAMPLE, values, 300))
    assert "green" in text
    assert "big" in text
    assert "on the left" in text
    assert not re.search(r"\b(red|blue|small|right)\b", text)


def test_captions_say_nothing_where_people_would_not() -> None:
    values = {"colour": 0.5, "size": 0.5, "place": 0.5, "silent": 0.5}
    text = " ".join(_captions(EXAMPLE, values, 200))
    assert not re.search(r"\b(small|big|left|right)\b", text)


def test_some_captions_only_name_the_scene_and_some_give_its_colour() -> None:
    texts = _captions(EXAMPLE, {"colour": 0.1, "size": 0.1, "place": 0.1, "silent": 0.1}, 300)
    plain = sum(text in ("a lake", "lake", "still waters") for text in texts)
    coloured = sum("red" in text.split() or "red," in text for text in texts)
    assert 30 < plain < 130
    assert coloured > 140


def test_a_mirrored_picture_has_left_and_right_exchanged() -> None:
    values = {"colour": 0.1, "size": 0.1, "place": 0.1, "silent": 0.1}
    text = " ".join(_captions(EXAMPLE, values, 100, mirrored=True))
    assert "on the right" in text
    assert "left" not in text


def test_the_same_draw_gives_the_same_caption() -> None:
    scene = SCENES["sunset"]
    values = _values(scene, 0.7)
    assert _captions(scene, values, 20) == _captions(scene, values, 20)


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, ("red",)), (0.34, ("green",)), (0.999, ("blue",)), (1.0, ("blue",))]
)
def test_the_ranges_of_an_attribute_are_equal_and_lowest_first(
    value: float, words: tuple[str, ...]
) -> None:
    assert range_words(EXAMPLE.attributes[0], value) == words


def test_articles_fit_the_word_that_follows() -> None:
    for scene in SCENES.values():
        for text in _captions(scene, _values(scene, 0.1), 40):
            assert not re.search(r"\ba [aeio]", text), text


def test_a_caption_leaves_out_only_what_one_expects() -> None:
    scene = SCENES["flames"]
    colour = next(attribute for attribute in scene.attributes if attribute.natural)
    usual, other = {}, {}
    for attribute in scene.attributes:
        usual[attribute.name] = other[attribute.name] = 0.5
    usual[colour.name] = (colour.natural_ranges()[0] + 0.5) / len(colour.words)
    blue = [words[0] for words in colour.words].index("blue")
    other[colour.name] = (blue + 0.5) / len(colour.words)
    rng = np.random.default_rng(0)
    plain = [caption(scene, usual, rng) for _ in range(200)]
    told = [caption(scene, other, rng) for _ in range(200)]
    assert all(any(word in text for word in colour.words[blue]) for text in told)
    assert sum("orange" in text for text in plain) < 100


def test_every_natural_range_is_a_range_of_its_attribute() -> None:
    named = [a for scene in SCENES.values() for a in scene.attributes if a.natural]
    assert len(named) > 30
    for attribute in named:
        assert 0 < len(attribute.natural_ranges()) < len(attribute.words)


def test_natural_values_are_painted_more_often() -> None:
    scene = SCENES["galaxy"]
    hue = next(attribute for attribute in scene.attributes if attribute.natural)
    _, values = paint(scene, 200, torch.Generator().manual_seed(0), 32, 32)
    natural = [hue.range_of(float(v)) in hue.natural_ranges() for v in values[hue.name]]
    share = 0.55 + 0.45 * len(hue.natural) / len(hue.words)
    assert np.mean(natural) == pytest.approx(share, abs=0.12)


def test_what_is_said_to_be_absent_is_absent() -> None:
    scene = SCENES["sunset"]
    rng = np.random.default_rng(0)
    usual = _values(scene, 0.1)
    clear = [caption(scene, usual | {"clouds": 0.1}, rng) for _ in range(300)]
    cloudy = [caption(scene, usual | {"clouds": 0.9}, rng) for _ in range(300)]
    negated = re.compile(r"(without|no) clouds")
    assert sum(bool(negated.search(text)) for text in clear) > 15
    assert not any(negated.search(text) for text in cloudy)


def test_people_are_denied_only_where_nobody_is_painted() -> None:
    rng = np.random.default_rng(0)
    said = {
        name
        for name, scene in SCENES.items()
        for _ in range(150)
        if re.search(r"people|nobody", caption(scene, _values(scene, 0.5), rng))
        and not any("people" in phrase for phrase in (*scene.phrases, *ALIASES[name]))
    }
    assert {"sunset", "forest"} <= said
    assert not said & {"crowd", "dancer", "baby"}
