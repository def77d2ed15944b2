"""What a prompt says is not there is not said to the network.

A small network paints every word that it hears: "a forest without a castle" had a castle in it
(Nov 2026: 96 % of denials were painted, and captions that deny things did not teach it otherwise).
So a denial and what it denies are left out, up to the next comma, preposition or conjunction;
where the captions have a word for the absence, that is said instead: "no clouds" is "cloudless".
"""

from __future__ import annotations

import re

NEGATORS = frozenset((
    "no", "not", "without", "never", "nobody", "neither", "nor", "lacking", "minus", "isn't",
    "aren't", "wasn't", "doesn't", "don't", "hasn't", "haven't", "can't", "cannot",
))  # fmt: skip
_NO_DENIAL = frozenset(("only", "just", "end", "ends", "ending", "one's", "man's", "far"))
"""Words behind a negator with which nothing is denied: "not only", "without end"."""
_NEVER_ENDING = re.compile(r"(?!snow|rain|burn|shin|blow)\w+ing")
"""What can stand behind "never" as an adjective."""

_SCOPE_ENDS = frozenset((
    "and", "but", "yet", "while", "when", "where", "who", "which", "that", "is", "are", "was",
    "were", "to", "under", "over", "above", "below", "behind", "before", "beside", "near", "in",
    "on", "at", "with", "by", "from", "around", "between", "through", "across", "against", "into",
    "inside", "upon", "towards", "instead", "just", "only", "then",
))  # fmt: skip
_DETERMINERS = frozenset((
    "a", "an", "the", "any", "single", "more", "some", "of", "such", "other", "this", "these",
))  # fmt: skip
_REACH = 4
"""Words that one denial can deny, determiners not counted."""

_OPPOSITES = {
    "cloud": "cloudless", "clouds": "cloudless", "cloudy": "cloudless", "fog": "clear",
    "foggy": "clear", "mist": "clear", "misty": "clear", "haze": "clear", "dust": "clear",
    "smoke": "clear", "snowing": "clear", "snowfall": "clear", "waves": "calm", "rain": "dry",
    "raining": "dry", "rainy": "dry", "crowded": "alone",
}  # fmt: skip
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*|[^\w\s]")


def affirmed(prompt: str) -> str:
    """Return `prompt` without what it denies; the same words where it denies nothing."""
    tokens = _TOKEN.findall(prompt)
    heard: list[str] = []
    left = 0
    for index, token in enumerate(tokens):
        word = token.lower().replace("\u2019", "'")
        if left and (word in _SCOPE_ENDS or not word[0].isalnum()):
            left = 0
        if _denies(word, tokens[index + 1 :]):
            left = _REACH
        elif not left:
            heard.append(token)
        elif word not in _DETERMINERS:
            left -= 1
            heard += [_OPPOSITES[word]] if word in _OPPOSITES else []
    return " ".join(heard) if len(heard) < len(tokens) else prompt


def _denies(word: str, following: list[str]) -> bool:
    """Whether `word`, with what follows it, says that something is not there."""
    after = following[0].lower() if following else ""
    if word not in NEGATORS or after in _NO_DENIAL:
        return False
    return word != "never" or not _NEVER_ENDING.fullmatch(after)
