"""The prompts that ember is judged by are none that it was taught."""

from __future__ import annotations

import re

import pytest

from engine.conditioning.word_table import STOP_WORDS
from engine.scoring.held_out_phrases import (
    FOREIGN_PHRASES,
    FOREIGN_STYLES,
    HELD_OUT_COMPOSITIONS,
    HELD_OUT_PHRASES,
    HELD_OUT_STYLES,
)
from engine.training.ember.aliases import ALIASES, REMARKS, STYLE_ALIASES
from engine.training.ember.compositions import COMPOSITIONS
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.styles.gallery import STYLES

_ARTICLES = {"a", "an", "the"}
_WORD = re.compile(r"[a-z0-9'-]+")


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _bare(text: str) -> str:
    return " ".join(word for word in _words(text) if word not in _ARTICLES)


def _caption_words(name: str) -> set[str]:
    """Every word that a caption of this scene can use."""
    scene = SCENES[name]
    texts = [
        *scene.phrases,
        *ALIASES[name],
        *_ARTICLES,
        "in light tones colours",
        "picture photo image view of",
    ]
    texts += [word for a in scene.attributes for words in a.words for word in words]
    return {word for text in texts for word in _words(text)}


def test_every_scene_has_two_different_held_out_phrasings() -> None:
    assert set(HELD_OUT_PHRASES) == set(FOREIGN_PHRASES) == set(SCENES)
    both = (*HELD_OUT_PHRASES.values(), *FOREIGN_PHRASES.values())
    every = [phrase for phrases in both for phrase in phrases]
    assert len(set(every)) == len(every) == 4 * len(SCENES)


@pytest.mark.parametrize("name", list(HELD_OUT_PHRASES))
def test_no_held_out_phrasing_is_a_training_phrase(name: str) -> None:
    known = {_bare(phrase) for scene in SCENES.values() for phrase in scene.phrases}
    known |= {_bare(alias) for aliases in ALIASES.values() for alias in aliases}
    for phrase in (*HELD_OUT_PHRASES[name], *FOREIGN_PHRASES[name]):
        assert _bare(phrase) not in known, phrase
        assert not [said for said in REMARKS if f" {_bare(said)} " in f" {_bare(phrase)} "]


@pytest.mark.parametrize("name", list(FOREIGN_PHRASES))
def test_a_foreign_phrase_holds_no_training_phrase_of_its_scene(name: str) -> None:
    own = {_bare(phrase) for phrase in SCENES[name].phrases}
    for phrase in FOREIGN_PHRASES[name]:
        inside = [text for text in own if f" {text} " in f" {_bare(phrase)} "]
        assert not inside, f"{phrase!r} contains the training phrase {inside}"


@pytest.mark.parametrize("name", list(HELD_OUT_PHRASES))
def test_every_held_out_phrasing_has_a_word_that_no_caption_of_its_scene_has(name: str) -> None:
    for phrase in (*HELD_OUT_PHRASES[name], *FOREIGN_PHRASES[name]):
        assert set(_words(phrase)) - _caption_words(name) - STOP_WORDS, phrase


def test_held_out_styles_hold_a_place_for_the_scene_and_are_no_training_phrases() -> None:
    assert set(HELD_OUT_STYLES) == set(FOREIGN_STYLES) == set(STYLES)
    known = {_bare(phrase) for style in STYLES.values() for phrase in style.phrases}
    for name, template in (*HELD_OUT_STYLES.items(), *FOREIGN_STYLES.items()):
        assert template.count("{}") == 1
        around = _bare(template.replace("{}", ""))
        assert around not in known, template
        phrases = (*STYLES[name].phrases, *STYLE_ALIASES[name])
        taught = {word for phrase in phrases for word in _words(phrase)}
        assert set(_words(around)) - taught - STOP_WORDS, template


def test_a_held_out_composition_names_both_things_in_a_sentence_that_no_caption_is() -> None:
    assert set(HELD_OUT_COMPOSITIONS) <= set(COMPOSITIONS)
    for name, prompt in HELD_OUT_COMPOSITIONS.items():
        made = COMPOSITIONS[name]
        taught = {
            relation.format(first=first, second=second)
            for relation in made.relations
            for first in made.first
            for second in made.second
        }
        assert prompt not in taught
        for names in (made.first, made.second):
            nouns = {word for text in names for word in _words(text)} - STOP_WORDS
            assert nouns & set(_words(prompt)), (prompt, names)
