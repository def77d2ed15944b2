"""`KeyFinder`: the key of the last seconds, held until another is clearly better."""

from __future__ import annotations

import math

import numpy as np

from engine.keys import key_scores, relative
from engine.messages import CHROMA_BINS

_MEMORY_S = 12.0
_FIRST_S = 2.0
_FULL_LEAD = 0.25
"""A lead of this much over the second best key is full confidence."""
_LEAD, _RELATIVE_LEAD = 0.04, 0.1
"""By how much another key must be better. Relative keys share all their notes, and which of the
two it is shows best where the music begins: so the one held first is kept for longer."""
_SWITCH_S = 2.0
_SHARE_S = 3.0
_TONAL_SHARE = 0.4


class KeyFinder:
    """One of 24 keys from the pitch classes of the last ~12 s. Analysis thread only.

    Another key must be clearly better for 2 s, so that the key does not flicker. Without tones for
    some seconds the key is held and its confidence falls. Call `step` every `dt_s` seconds.
    """

    def __init__(self, dt_s: float) -> None:
        self.key = -1
        """As `Tonal.key`."""
        self.confidence = 0.0
        """In [0, 1]: how far the key held leads all others, and whether enough was heard."""
        self._dt_s = dt_s
        self._memory = np.zeros(CHROMA_BINS)
        self._heard_s = 0.0
        self._all_s = 0.0
        self._tonal_share = 0.0
        self._rival = -1
        self._rival_s = 0.0

    def step(self, evidence: np.ndarray, *, tonal: bool) -> None:
        """Take the strengths of the pitch classes, `(12,)`, of something that is not silent.

        `tonal` says whether there is any tone in it.
        """
        self._all_s += self._dt_s
        share = 1.0 - math.exp(-self._dt_s / min(_SHARE_S, self._all_s))
        self._tonal_share += share * (float(tonal) - self._tonal_share)
        if tonal:
            self._heard_s += self._dt_s
            share = 1.0 - math.exp(-self._dt_s / min(_MEMORY_S, self._heard_s))
            self._memory += share * (evidence - self._memory)
        scores = key_scores(self._memory)
        if scores is None or self._heard_s < _FIRST_S:
            return
        if self._tonal_share >= _TONAL_SHARE:
            self._hold(scores)
        if self.key >= 0:
            self.confidence = self._confidence(scores)

    def _hold(self, scores: np.ndarray) -> None:
        best = int(scores.argmax())
        if self.key < 0:
            self.key = best
            return
        lead = _RELATIVE_LEAD if best == relative(self.key) else _LEAD
        if scores[best] <= scores[self.key] + lead:
            self._rival, self._rival_s = -1, 0.0
            return
        self._rival_s = self._rival_s + self._dt_s if best == self._rival else self._dt_s
        self._rival = best
        if self._rival_s >= _SWITCH_S:
            self.key, self._rival, self._rival_s = best, -1, 0.0

    def _confidence(self, scores: np.ndarray) -> float:
        lead = float(scores[self.key] - np.delete(scores, self.key).max())
        enough = min(1.0, self._heard_s / _MEMORY_S) * min(1.0, self._tonal_share / _TONAL_SHARE)
        return min(max(lead / _FULL_LEAD, 0.0), 1.0) * enough
