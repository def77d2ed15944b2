"""What people say of the range that an attribute's value lies in."""

from __future__ import annotations

from engine.training.ember.scenes.scene import Attribute

_ABSENT: dict[tuple[str, str], str] = {
    ("clouds", "clear"): "clouds",
    ("clouds", "in a clear sky"): "clouds",
    ("clouds", "under a clear sky"): "clouds",
    ("rain", "dry"): "rain",
    ("fog", "clear"): "fog",
    ("fog", "on a clear night"): "fog",
    ("haze", "clear"): "haze",
    ("dust", "in clear air"): "dust",
    ("snowfall", "in clear air"): "falling snow",
    ("sea", "calm"): "waves",
    ("sea", "on a calm sea"): "waves",
}
"""What is not there in a range of an attribute, by its name and the range's first word."""

_WITHOUT = ("without {}", "no {}")

WORDS_OF_ABSENCE = tuple(way.format(thing) for thing in _ABSENT.values() for way in _WITHOUT)
"""Every way to say that something is not there."""


def range_words(attribute: Attribute, value: float) -> tuple[str, ...]:
    """Synonyms for the range that `value` in [0, 1] lies in; empty where people say nothing.

    Where the range means that something is absent, ways to say so are among them.
    """
    words = attribute.words[attribute.range_of(value)] if attribute.words else ()
    thing = _ABSENT.get((attribute.name, words[0])) if words else None
    return (*words, *(way.format(thing) for way in _WITHOUT)) if thing else words
