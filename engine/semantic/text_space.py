"""The space in which sounds and words meet: the mean of ember's word vectors of a text.

A text's direction is sum(w_i d_i) over its words (weight by rarity, so that "a storm at sea" is
about storm and sea), of length 1, less the mean direction of all words that ember knows, of
length 1 again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.conditioning.word_table import WordTable
from engine.messages import Float32

_TINY = 1e-6


class TextSpace:
    """Directions of texts. One thread at a time: the table remembers words."""

    def __init__(self, table: WordTable) -> None:
        self.width = table.width
        self._table = table
        rows = table.directions([table.rows[w] for w in table.known_words if w in table.rows])
        self._mean = np.asarray(rows.mean(axis=0), np.float32)

    def directions(self, texts: Sequence[str]) -> Float32:
        """Return unit directions `(n, width)`; zeros for a text without a single known letter."""
        out = np.zeros((len(texts), self.width), np.float32)
        for row, text in zip(out, texts, strict=True):
            total = self._table.vectors_of(text).sum(axis=0)
            length = float(np.linalg.norm(total))
            if length > _TINY:
                centred = total / length - self._mean
                row[:] = centred / (np.linalg.norm(centred) + _TINY)
        return out
