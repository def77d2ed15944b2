"""A static table of word vectors: words of a prompt -> vectors, without running a language model.

The table is built once by `engine.training.ember.text_table` from the word pieces of
all-MiniLM-L6-v2 (Apache-2.0) and ships as int8. A word that is not in the table is cut into the
longest pieces that are (WordPiece, Schuster and Nakajima 2012) and gets their weighted mean.

The network only ever heard the words of the training captions. Any other word is said to it in
those: as a mixture of the nearest three, softly where even they are far.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.conditioning.denial import affirmed

MAX_WORDS = 24
"""Words of a prompt that count; later ones are ignored."""

STOP_WORDS = frozenset(
    {
        "a",
        "an",
        "the",
        "and",
        "or",
        "of",
        "in",
        "on",
        "at",
        "over",
        "under",
        "above",
        "below",
        "with",
        "without",
        "by",
        "to",
        "from",
        "into",
        "onto",
        "through",
        "across",
        "between",
        "behind",
        "beside",
        "near",
        "around",
        "some",
        "very",
        "more",
        "most",
        "less",
        "its",
        "it",
        "is",
        "are",
        "was",
        "be",
        "as",
        "that",
        "this",
        "these",
        "those",
        "there",
        "up",
        "down",
        "out",
        "off",
        "for",
        "like",
        "my",
        "your",
        "his",
        "her",
        "their",
    }
)
"""Words that shape a prompt without naming something to paint: never reported as unknown."""

HINT_SIMILARITY = 0.32
"""Cosine from which on the nearest word is worth naming; made-up words stay below 0.3."""

_NEIGHBOURS = 3
_SHARPNESS = 0.08
"""Cosine by which a neighbour must be nearer to count e times as much."""
_OWN_SHARE = 0.3
"""What a word that is in no caption keeps of its own direction, beside its neighbours'."""
_FOREIGN, _NEAR = 0.3, 0.5
"""Cosines of the nearest word: up to the first a word is hardly heard, from the second in full."""
_LEAST_HEARD = 0.15

_SPELT_ALIKE = 0.8
_WORD = re.compile(r"[^\W_]+")
_MIN_PIECE_SHARE = 1e-6
_WORDS_KEPT = 20_000
"""19 MB at most; captions use some 4 000."""


class UnknownWord(NamedTuple):
    """A word of a prompt that ember never learned, and the nearest one that it did."""

    word: str
    nearest: str
    """In meaning, else in spelling; empty where none is near."""


class WordTable:
    """Unit vectors and weights of word pieces and of whole words."""

    def __init__(
        self,
        pieces: Sequence[str],
        vectors: NDArray[np.int8],
        weights: NDArray[np.float32],
        known_words: Sequence[str],
        known_similarity: float,
    ) -> None:
        """`vectors` `(n, width)` are int8 directions, `weights` `(n,)` log(1 + frequency rank).

        `known_words` are the words of the training captions; a word whose cosine to all of them is
        below `known_similarity` counts as unknown.
        """
        if not len(pieces) == len(vectors) == len(weights):
            raise ValueError(
                f"{len(pieces)} pieces, {len(vectors)} vectors and {len(weights)} weights differ"
            )
        self.width = int(vectors.shape[1])
        self.rows = {piece: index for index, piece in enumerate(pieces)}
        self._vectors = vectors
        self._weights = weights
        self._known = tuple(known_words)
        self._heard = frozenset(known_words) | STOP_WORDS
        self._known_similarity = known_similarity
        self._known_words: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        # Words said before; written by the one thread that encodes prompts.
        self._said: dict[str, NDArray[np.float32]] = {}

    def prepare(self) -> None:
        """Look up every known word now (30 ms): else the first word never heard waits for it."""
        self._known_vectors()

    def vectors_of(self, prompt: str) -> NDArray[np.float32]:
        """Return one weighted vector per word, shape `(n, width)`, n <= `MAX_WORDS`."""
        words = heard_words(prompt)[:MAX_WORDS]
        out = np.zeros((len(words), self.width), np.float32)
        for index, word in enumerate(words):
            out[index] = self._say(word)
        return out

    def _say(self, word: str) -> NDArray[np.float32]:
        """The weighted vector by which the network hears a word; those said before are kept."""
        said = self._said.get(word)
        if said is None:
            direction, weight = self._look_up(word)
            if self._known and weight > 0.0 and word not in self._heard:
                direction, weight = self._in_known_words(direction)
            said = direction * weight
            if len(self._said) < _WORDS_KEPT:
                self._said[word] = said
        return said

    def _in_known_words(self, direction: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Direction and weight by which the network understands a word it never heard.

        d' ~ sum_k a_k d_k + `_OWN_SHARE` d over the nearest known words, a = softmax(cos / s).
        """
        directions, weights = self._known_vectors()
        cosines = directions @ direction
        near = np.argsort(-cosines)[:_NEIGHBOURS]
        best = float(cosines[near[0]])
        shares = np.exp((cosines[near] - best) / _SHARPNESS)
        shares /= shares.sum()
        mixture = shares @ directions[near] + _OWN_SHARE * direction
        heard = min(1.0, max(_LEAST_HEARD, (best - _FOREIGN) / (_NEAR - _FOREIGN)))
        norm = float(np.linalg.norm(mixture)) + _MIN_PIECE_SHARE
        return (mixture / norm).astype(np.float32), heard * float(shares @ weights[near])

    def _known_vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Directions and weights of the words of the captions that name something."""
        if self._known_words is None:
            found = [self._look_up(word) for word in self._known]
            self._known_words = (
                np.stack([direction for direction, _ in found]),
                np.array([weight for _, weight in found], np.float32),
            )
        return self._known_words

    @property
    def known_words(self) -> tuple[str, ...]:
        """The words of the training captions that name something."""
        return self._known

    def directions(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """Unit vectors of these rows, shape `(n, width)`; `rows` names the row of each piece."""
        directions = self._vectors[list(rows)].astype(np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True) + _MIN_PIECE_SHARE
        return np.asarray(directions)

    def unknown_words(self, prompt: str) -> list[UnknownWord]:
        """Words of the prompt whose meaning is far from every word of the training captions."""
        unknown: list[UnknownWord] = []
        if not self._known:
            return unknown
        for word in dict.fromkeys(heard_words(prompt)[:MAX_WORDS]):
            if word in STOP_WORDS or word in self._known:
                continue
            nearest, similarity = self.nearest_known(word)
            if similarity < self._known_similarity:
                hint = nearest if similarity >= HINT_SIMILARITY else self._spelt_like(word)
                unknown.append(UnknownWord(word, hint))
        return unknown

    def _spelt_like(self, word: str) -> str:
        """A word of the captions that differs in a letter or two, as a slip of the finger does."""
        found = difflib.get_close_matches(word, self._known, n=1, cutoff=_SPELT_ALIKE)
        return found[0] if found else ""

    def nearest_known(self, word: str) -> tuple[str, float]:
        """Return the closest word of the training captions and its cosine."""
        similarity = self._known_vectors()[0] @ self._look_up(word)[0]
        best = int(similarity.argmax())
        return self._known[best], float(similarity[best])

    def _look_up(self, word: str) -> tuple[NDArray[np.float32], float]:
        """Unit direction and weight of a word; zeros where not even its letters are known."""
        rows = self._pieces_of(word)
        if not rows:
            return np.zeros(self.width, np.float32), 0.0
        directions = self.directions(rows)
        weights = self._weights[rows]
        mean = weights @ directions
        norm = float(np.linalg.norm(mean)) + _MIN_PIECE_SHARE
        return (mean / norm).astype(np.float32), float(weights.max())

    def _pieces_of(self, word: str) -> list[int]:
        """Rows of the longest matching pieces, left to right."""
        rows: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                row = self.rows.get(word[start:end] if start == 0 else "##" + word[start:end])
                if row is not None:
                    rows.append(row)
                    start = end
                    break
            else:
                start += 1
        return rows


def heard_words(prompt: str) -> list[str]:
    """Words of a prompt that are said to the network, in order: what it denies is not."""
    return split_words(affirmed(prompt))


def split_words(prompt: str) -> list[str]:
    """Lower-case words of a prompt, accents removed, punctuation dropped."""
    plain = unicodedata.normalize("NFKD", prompt.lower())
    return _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))
