"""Words for painted pictures: what a person might type to get this picture.

A caption names the scene in one of its phrases or aliases and mentions some of the attributes by
the word for their range. Adjectives go before the noun or behind commas, word groups ("on the
left") behind. A composition names both things and what lies between them; a styled picture always
names its style. What is said to be absent ("no clouds") is absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.training.ember.aliases import ALIASES, BEFORE, REMARKS, STYLE_ALIASES
from engine.training.ember.compositions import (
    COMPOSITIONS,
    FIRST_COLOUR,
    SECOND_COLOUR,
    Composition,
)
from engine.training.ember.range_words import WORDS_OF_ABSENCE, range_words
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.scenes.scene import Attribute, Scene
from engine.training.ember.styles.gallery import STYLE, STYLED, STYLES, style_of
from engine.training.ember.styles.style import Style

_ARTICLES = ("a", "an", "the")
_COLOURS = ("colour", "hue")
_OPENINGS = ("a picture of", "a photo of", "a painting of", "an image of", "a view of")
_ADORNMENTS = ("beautiful", "stunning", "dreamy", "magical", "cinematic", "atmospheric")
_TONES = ("in {} light", "in {} tones", "in {} colours", "in {}", "{} colours", "{} light")
_QUANTITIES = ("many", "several", "a few", "a single", "alone", "crowded")
_NOBODY = ("without people", "no people", "with nobody there")
_UNPEOPLED = frozenset(
    (
        "aurora",
        "cloud_sea",
        "coral reef",
        "dunes",
        "forest",
        "galaxy",
        "lighthouse",
        "moon",
        "mountains",
        "nebula",
        "storm",
        "sunset",
        "tree",
        "volcano",
        "waterfall",
        "waves",
    )
)
"""Places where one might look for people and where nobody is ever painted."""

_COLOUR_WORD = re.compile(
    r"\b(red|crimson|scarlet|orange|amber|golden?|yellow|lemon|green|emerald|teal|turquoise|cyan"
    r"|blue|violet|purple|magenta|fuchsia|pink|rose|white|pale|grey|silver|colou?r(s|ed|ful)?"
    r"|many-coloured)\b"
)
_BEHIND = frozenset(
    (
        "above",
        "across",
        "against",
        "alone",
        "among",
        "and",
        "around",
        "at",
        "before",
        "behind",
        "below",
        "beneath",
        "by",
        "during",
        "face-on",
        "filled",
        "flowing",
        "for",
        "from",
        "full",
        "in",
        "inside",
        "into",
        "like",
        "near",
        "no",
        "of",
        "on",
        "opening",
        "over",
        "seen",
        "through",
        "towards",
        "under",
        "upon",
        "veined",
        "with",
        "without",
    )
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How freely a picture is spoken of; what is said of it does not depend on it."""

    alias_share: float
    """How many of the captions call scene and style by an alias."""
    aside_share: float
    """How many say something more that cannot be seen, so that it is not looked for."""
    adornment_share: float
    opening_share: float


FREELY = Manner(
    alias_share=0.5,
    aside_share=0.15,
    adornment_share=0.06,
    opening_share=0.08,
)
"""As people type."""

PLAINLY = Manner(0.0, 0.0, 0.0, 0.0)
"""In the painters' own words and no more."""


def caption(
    scene: Scene,
    values_of_one: Mapping[str, float],
    rng: np.random.Generator,
    *,
    mirrored: bool = False,
    manner: Manner = FREELY,
) -> str:
    """Describe one picture in lower case; every word is in `CAPTION_WORDS`.

    About a fifth of the captions only name the scene where it is as one would expect; the others
    mention up to four attributes: from the same `rng` the same ones, in the same words, whatever
    the `manner`. For a `mirrored` picture left and right change places.
    """
    content = np.random.default_rng(int(rng.integers(2**63)))
    style = style_of(values_of_one[STYLE.name]) if STYLE in scene.attributes else None
    if isinstance(scene, Composition):
        text = _composed(scene, values_of_one, content, rng, style)
    else:
        spoken = _chosen_attributes(scene, values_of_one, content)
        text = _described(scene, spoken, rng, style, manner)
    if style is not None:
        text = _in_style(text, style, rng, manner)
    if rng.random() < manner.aside_share:
        text = f"{text}{_pick(rng, (' ', ', '))}{_pick(rng, REMARKS)}"
    text = re.sub(r"\ba (?=[aeio])", "an ", text)
    return re.sub(r"\b(left|right)\b", _other_side, text) if mirrored else text


def free_and_plain(
    scene: Scene, values_of_one: Mapping[str, float], seed: int, *, mirrored: bool = False
) -> tuple[str, str]:
    """The same said of one picture as people type it and in the painters' own words."""
    free, plain = (
        caption(
            scene, values_of_one, np.random.default_rng(seed), mirrored=mirrored, manner=manner
        )
        for manner in (FREELY, PLAINLY)
    )
    return free, plain


def _described(
    scene: Scene,
    spoken: Sequence[tuple[Attribute, str]],
    rng: np.random.Generator,
    style: Style | None,
    manner: Manner,
) -> str:
    """Name a scene of one thing and what is spoken of."""
    aliases = ALIASES.get(scene.name.removesuffix(STYLED), ())
    names = aliases if aliases and rng.random() < manner.alias_share else scene.phrases
    phrases = [phrase for phrase in names if _sayable(phrase, style)]
    phrase = _pick(rng, phrases or scene.phrases)
    before, behind = [], []
    for attribute, word in spoken:
        if word in phrase or not _sayable(word, style):  # "snowy snowy mountains"
            continue
        if attribute.name in _COLOURS and not _goes_behind(word) and rng.random() < 0.22:
            behind.append(_pick(rng, _TONES).format(word))
        elif _goes_behind(word):
            behind.append(word)
        else:
            before.append(word)
    if rng.random() < manner.adornment_share:
        before.insert(0, _pick(rng, _ADORNMENTS))
    if scene.name.removesuffix(STYLED) in _UNPEOPLED and rng.random() < 0.03:
        behind.append(_pick(rng, _NOBODY))
    return _compose(phrase, before, behind, rng, manner, alone=style is None)


def _composed(
    scene: Composition,
    values_of_one: Mapping[str, float],
    content: np.random.Generator,
    rng: np.random.Generator,
    style: Style | None,
) -> str:
    """Name both things of a composition and how they lie to each other."""
    nouns = []
    for role, names in ((FIRST_COLOUR, scene.first), (SECOND_COLOUR, scene.second)):
        phrase = _pick(rng, names)
        draw = content.random()
        for attribute in scene.attributes:
            value = float(values_of_one[attribute.name])
            usual = (
                not attribute.natural or attribute.range_of(value) in attribute.natural_ranges()
            )
            words = [word for word in range_words(attribute, value) if _sayable(word, style)]
            if attribute.name == role and words and (not usual or draw < 0.4):
                phrase = _with_word(phrase, _pick(content, words))
        nouns.append(phrase)
    text = _pick(rng, scene.relations).format(first=nouns[0], second=nouns[1])
    return re.sub(r"\b(an?|the) ", "", text) if rng.random() < 0.2 else text


def _with_word(phrase: str, word: str) -> str:
    """A noun phrase with an adjective or a word group in its place."""
    if word in phrase:
        return phrase
    if _goes_behind(word):
        return f"{phrase} {word}"
    article, noun = _split_article(phrase)
    text = f"{word} {noun}"
    return f"{_article(article, text)} {text}" if article else text


def _in_style(text: str, style: Style, rng: np.random.Generator, manner: Manner) -> str:
    """Say in which style a picture is, before or behind its description."""
    aliased = rng.random() < manner.alias_share
    phrase = _pick(rng, STYLE_ALIASES[style.name] if aliased else style.phrases)
    if phrase.endswith(BEFORE):
        return f"{phrase} {text}"
    if rng.random() < 0.3:
        return f"{phrase}, {text}"
    return f"{text}{_pick(rng, (' ', ', ')) if ' ' in phrase else ', '}{phrase}"


def _sayable(words: str, style: Style | None) -> bool:
    """Whether words stay true in a style that may have colours of its own."""
    return style is None or style.keeps_colours or not _COLOUR_WORD.search(words)


def _other_side(found: re.Match[str]) -> str:
    return "right" if found.group() == "left" else "left"


def _chosen_attributes(
    scene: Scene, values_of_one: Mapping[str, float], rng: np.random.Generator
) -> list[tuple[Attribute, str]]:
    """Draw which attributes are mentioned, and the word for each, in random order.

    What is not as one would expect is always mentioned: a fire that may be blue unasked would make
    the prompt "fire" mean the average of all its colours.
    """
    terse = rng.random() < 0.2
    told, found = [], []
    for attribute in scene.attributes:
        if attribute is STYLE:
            continue
        value = float(values_of_one[attribute.name])
        words = range_words(attribute, value)
        draw = rng.random()
        if not words:
            continue
        if attribute.natural and attribute.range_of(value) not in attribute.natural_ranges():
            told.append((attribute, _pick(rng, words)))
        elif not terse and draw < _eagerness(attribute):
            found.append((attribute, _pick(rng, words)))
    order = rng.permutation(len(found))[: max(0, 4 - len(told))]
    spoken = [*told, *(found[i] for i in order)]
    return [spoken[i] for i in rng.permutation(len(spoken))]


def _eagerness(attribute: Attribute) -> float:
    """How often a caption that says more than the scene mentions an attribute."""
    if attribute.natural:
        return 0.35
    return 0.8 if attribute.name in _COLOURS else 0.45


def _compose(
    phrase: str,
    before: Sequence[str],
    behind: Sequence[str],
    rng: np.random.Generator,
    manner: Manner,
    *,
    alone: bool,
) -> str:
    """Put a phrase and its attributes together in one of several orders.

    Unless it stands `alone`, the text begins with the noun, so that "an oil painting of" fits.
    """
    article, noun = _split_article(phrase)
    layout = rng.random()
    if layout < 0.2:  # a list of words
        parts = [phrase if rng.random() < 0.5 else noun, *before, *behind]
        if rng.random() < 0.4:
            rest = [parts[i + 1] for i in rng.permutation(len(parts) - 1)]
            parts = [parts[0], *rest]
        return ", ".join(parts)
    lead = [word for word in before if word not in _QUANTITIES and not word.endswith(" of")]
    tags = [word.removesuffix(" of") for word in before if word not in lead]
    if tags and not article:  # "many soap bubbles"
        lead, tags = [tags[0], *lead], tags[1:]
    text = " ".join([*lead, noun])
    if article and rng.random() < 0.65:
        text = f"{_article(article, text)} {text}"
    tail = [*behind, *tags]
    if alone and tail and layout < 0.32 and all(_goes_behind(word) for word in tail):
        return f"{', '.join(tail)}, {text}"
    glue = " " if rng.random() < 0.6 else ", "
    text = glue.join([text, *behind])
    text = ", ".join([text, *tags])
    if alone and layout > 1 - manner.opening_share:
        text = f"{_pick(rng, _OPENINGS)} {text}"
    return text


def _split_article(phrase: str) -> tuple[str, str]:
    first, _, rest = phrase.partition(" ")
    return (first, rest) if first in _ARTICLES and rest else ("", phrase)


def _article(article: str, text: str) -> str:
    if article == "the":
        return article
    return "an" if text[0] in "aeiou" else "a"


def _goes_behind(word: str) -> bool:
    """Whether a word group can only follow its noun."""
    first, _, rest = word.partition(" ")
    if word in _QUANTITIES or word.endswith(" of"):
        return False
    if rest and (first in _ARTICLES or first.endswith("ing")):  # "swimming left"
        return True
    return first in _BEHIND or " with " in word


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in re.findall(r"[a-z0-9'-]+", text.lower())}


def naming_texts() -> Iterable[str]:
    """Everything by which captions name scenes, styles and what is seen of them."""
    for style in STYLES.values():
        yield from style.phrases
    for made in COMPOSITIONS.values():
        yield from (*made.first, *made.second)
    for scene in (*SCENES.values(), *COMPOSITIONS.values()):
        yield from scene.phrases
        for attribute in scene.attributes:
            for words in attribute.words:
                yield from words
    for aliases in (*ALIASES.values(), *STYLE_ALIASES.values()):
        yield from aliases


def _all_texts() -> Iterable[str]:
    yield from naming_texts()
    yield from (*_OPENINGS, *_ADORNMENTS, *_ARTICLES)
    yield from (tone.format("") for tone in _TONES)
    yield from (*WORDS_OF_ABSENCE, *_NOBODY, *REMARKS)
    for made in COMPOSITIONS.values():
        yield from (relation.format(first="", second="") for relation in made.relations)


CAPTION_WORDS: frozenset[str] = frozenset(_words(_all_texts()))
"""Every word that a caption can use: the words ember knows by heart."""
