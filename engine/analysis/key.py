"""`KeyFinder`: the key of the last seconds, held until another is clearly better."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis.chords import ChordFollower
from engine.keys import key_scores, relative
from engine.messages import CHROMA_BINS

_MEMORY_S = 12.0
_FIRST_S = 2.0
_FULL_LEAD = 0.25
"""A lead of this much over the second best key is full confidence."""
_LEAD, _RELATIVE_LEAD = 0.06, 0.1
"""By how much another key must be better. Relative keys share all their notes, and which of the
two it is shows best where the music begins: so the one held first is kept for longer."""
_SWITCH_S = 2.0
_SHARE_S = 3.0
_TONAL_SHARE = 0.4
_TONIC, _CADENCE, _FIRST = 0.2, 0.2, 0.06
"""What the share of the tonic's triad, its cadences and having begun the music add to a score."""
_BEGIN_FIT, _KEEP_FIT = 0.62, 0.5
"""How well a key must explain the notes to be told first, and to go on being believed: chords and
melodies reach 0.75 and more, drums, bells, voices and engines seldom more than 0.6."""
_BEGIN_STEADY, _KEEP_STEADY = 0.4, 0.25
"""So alike are the pitch classes of a quarter of a second apart: chords 0.56 and more, drums alone
at most 0.25."""
_STEADY_STEP_S = 0.25
_STEADY_S = 6.0


class KeyFinder:
    """One of 24 keys from the pitch classes of the last ~12 s. Analysis thread only.

    Another key must be clearly better for 2 s, so that the key does not flicker. Without tones for
    some seconds the key is held and its confidence falls. What no key explains well (drums, one
    tone alone, engines) and what never sounds on for a quarter of a second gets no key.
    Call `step` every `dt_s` seconds.
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
        self._chords = ChordFollower(dt_s)
        self._steadiness = Steadiness(dt_s)

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
            self._chords.step(evidence)
        self._steadiness.step(evidence)
        fits = key_scores(self._memory)
        if fits is None or self._heard_s < _FIRST_S:
            return
        chords = self._chords
        scores = fits + _TONIC * chords.tonic_share + _CADENCE * chords.cadences
        scores += _FIRST * chords.first
        if self._tonal_share >= _TONAL_SHARE and self._musical(fits):
            self._hold(scores)
        if self.key >= 0:
            self.confidence = self._confidence(scores) * self._belief(fits)

    def _musical(self, fits: np.ndarray) -> bool:
        """Whether there is music in a key at all; easier to stay than to become."""
        least, steady = (_BEGIN_FIT, _BEGIN_STEADY) if self.key < 0 else (_KEEP_FIT, _KEEP_STEADY)
        return bool(fits.max() >= least and self._steadiness.value >= steady)

    def _belief(self, fits: np.ndarray) -> float:
        """1 where a key may be told, 0 where none would be kept, between them in between."""
        fit = (float(fits.max()) - _KEEP_FIT) / (_BEGIN_FIT - _KEEP_FIT)
        steady = (self._steadiness.value - _KEEP_STEADY) / (_BEGIN_STEADY - _KEEP_STEADY)
        return min(max(min(fit, steady), 0.0), 1.0)

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


class Steadiness:
    """How alike the pitch classes of a moment and of a quarter of a second before are, [0, 1]."""

    def __init__(self, dt_s: float) -> None:
        self.value = 0.0
        self._dt_s = dt_s
        self._before = np.zeros((max(1, round(_STEADY_STEP_S / dt_s)), CHROMA_BINS))
        self._at = 0
        self._heard_s = 0.0

    def step(self, evidence: np.ndarray) -> None:
        """Take the strengths of the pitch classes, `(12,)`."""
        before = self._before[self._at]
        size = float(np.linalg.norm(before) * np.linalg.norm(evidence))
        alike = float(np.dot(before, evidence)) / size if size > 1e-12 else 0.0
        self._before[self._at] = evidence
        self._at = (self._at + 1) % self._before.shape[0]
        self._heard_s += self._dt_s
        self.value += (1.0 - math.exp(-self._dt_s / min(_STEADY_S, self._heard_s))) * (
            alike - self.value
        )
