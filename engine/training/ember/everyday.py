"""Captions as people really type them: with words that no caption has, beside what they want.

"My good old dog waiting for me" has one word that can be painted. The text encoder has to hear
that one among the others, and it has to understand words that merely lie near those of the
captions. So captions are given

* *company*: words of the language that lie far from everything that names a picture, the common
  ones more often (Zipf's law, their rank in the vocabulary stands for their frequency);
* *relatives*: now and then a word is replaced by one that has it for its nearest known word.

None of this is taken from the prompts that ember is judged by.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.conditioning.denial import NEGATORS
from engine.conditioning.word_table import STOP_WORDS, WordTable
from engine.training.ember.captions import naming_texts

_STRANGER, _RELATIVE = 0.5, 0.6
"""Cosine of the nearest naming word: up to the first a word is company, from the second on it may
stand for that word."""
_RANK_OFFSET = 300.0
"""Ranks below this are about equally frequent."""
_COMPANY_SHARE, _COMPANY_MEAN = 0.6, 2.0
_RELATIVE_SHARE = 0.06
_CHUNK = 2048


class EverydayWords:
    """Words of a table that are in no caption, sorted by what they can be taken for."""

    def __init__(self, table: WordTable) -> None:
        known = frozenset(table.known_words) | STOP_WORDS | NEGATORS
        naming = sorted(_naming_words() & table.rows.keys())
        others = [word for word in table.rows if len(word) > 2 and word.isalpha()]
        others = [word for word in others if word not in known]
        self.company: list[str] = []
        self.relatives: dict[str, list[str]] = {}
        self._chances = np.zeros(0)
        if not naming or not others:  # a table of the captions' own words alone
            return
        nearest, cosines = _nearest(table, others, naming)
        strange = np.flatnonzero(cosines < _STRANGER)
        self.company = [others[k] for k in strange]
        weights = 1.0 / (_RANK_OFFSET + strange)
        self._chances = np.cumsum(weights / weights.sum())
        for k in np.flatnonzero(cosines >= _RELATIVE):
            self.relatives.setdefault(naming[nearest[k]], []).append(others[k])

    def said(self, prompt: str, rng: np.random.Generator) -> str:
        """Return `prompt` with some of its words replaced by relatives, and some in company."""
        words = [self._relative(word, rng) for word in prompt.split()]
        if self.company and rng.random() < _COMPANY_SHARE:
            for _ in range(1 + int(rng.poisson(_COMPANY_MEAN))):
                k = int(np.searchsorted(self._chances, rng.random()))
                stranger = self.company[min(k, len(self.company) - 1)]
                words.insert(int(rng.integers(len(words) + 1)), stranger)
        return " ".join(words)

    def _relative(self, word: str, rng: np.random.Generator) -> str:
        if rng.random() >= _RELATIVE_SHARE:
            return word
        relatives = self.relatives.get(word.strip(","))
        return relatives[int(rng.integers(len(relatives)))] if relatives else word


def _nearest(
    table: WordTable, words: Sequence[str], naming: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Index of the naming word nearest to each word, and its cosine."""
    rows = [table.rows[word] for word in words]
    places = table.directions([table.rows[word] for word in naming]).T
    index, cosines = [], []
    for first in range(0, len(rows), _CHUNK):
        near = table.directions(rows[first : first + _CHUNK]) @ places
        index.append(near.argmax(axis=1))
        cosines.append(near.max(axis=1))
    return np.concatenate(index), np.concatenate(cosines)


def _naming_words() -> set[str]:
    """Words by which captions name scenes, styles and what is seen of them."""
    return {word for text in naming_texts() for word in re.findall("[a-z]+", text)} - STOP_WORDS
