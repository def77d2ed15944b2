"""`ChordFollower`: which triad sounds, and what the changes between triads say about the tonic."""

from __future__ import annotations

import math

import numpy as np

from engine.keys import TONICS, is_minor
from engine.messages import CHROMA_BINS

_SMOOTH_S = 0.35
_HELD_S = 0.3
"""A triad must be the best for so long: between two chords others flash up."""
_LEAST_FIT = 0.6
_LEAD = 0.08
_MEMORY_S = 14.0
_FIRST_MEMORY_S = 40.0
_FIFTH = 7


class ChordFollower:
    """Follows the triads of the sound. Analysis thread only; call `step` every `dt_s` seconds.

    The same notes are two keys, a major one and its relative minor. What tells them apart is where
    the chords go: a phrase begins on the tonic's chord, and the chord of the dominant leads there.
    """

    def __init__(self, dt_s: float) -> None:
        self.chord = -1
        """The triad held, numbered as keys are (0 is C major, 12 is C minor); -1 before any."""
        self.tonic_share = np.zeros(2 * len(TONICS))
        """`(24,)` in [0, 1]: for how much of the last seconds each key's own triad was held."""
        self.cadences = np.zeros(2 * len(TONICS))
        """`(24,)` in [0, 1): how often of late each key's triad came after its major dominant."""
        self.first = np.zeros(2 * len(TONICS))
        """`(24,)` in [0, 1]: 1 for the triad that began, less the longer ago that is."""
        self._dt_s = dt_s
        self._smooth = np.zeros(CHROMA_BINS)
        self._heard_s = 0.0
        self._rival, self._rival_s = -1, 0.0

    def step(self, evidence: np.ndarray) -> None:
        """Take the strengths of the pitch classes, `(12,)`, of something with a tone in it."""
        self._heard_s += self._dt_s
        size = max(float(np.linalg.norm(evidence)), 1e-9)
        share = self._share(min(_SMOOTH_S, self._heard_s))
        self._smooth += share * (evidence / size - self._smooth)
        share = self._share(min(_MEMORY_S, self._heard_s))
        self.cadences *= math.exp(-self._dt_s / _MEMORY_S)
        self.first *= math.exp(-self._dt_s / _FIRST_MEMORY_S)
        self._follow()
        self.tonic_share *= 1.0 - share
        if self.chord >= 0:
            self.tonic_share[self.chord] += share

    def _share(self, tau_s: float) -> float:
        return 1.0 - math.exp(-self._dt_s / tau_s)

    def _follow(self) -> None:
        fits = _TRIADS @ self._smooth / max(float(np.linalg.norm(self._smooth)), 1e-9)
        best = int(fits.argmax())
        held = float(fits[self.chord]) if self.chord >= 0 else _LEAST_FIT - _LEAD
        if best == self.chord or fits[best] < max(_LEAST_FIT, held + _LEAD):
            self._rival, self._rival_s = -1, 0.0
            return
        self._rival_s = self._rival_s + self._dt_s if best == self._rival else self._dt_s
        self._rival = best
        if self._rival_s >= _HELD_S:
            self._change(best)

    def _change(self, chord: int) -> None:
        """Another triad sounds: the first of all, or perhaps where a dominant leads to."""
        if self.chord < 0:
            self.first[chord] = 1.0
        root, before = chord % len(TONICS), self.chord
        if before == (root + _FIFTH) % len(TONICS) and not is_minor(before):
            self.cadences[chord] += 0.5 * (1.0 - self.cadences[chord])
        self.chord = chord
        self._rival, self._rival_s = -1, 0.0


def _unit_triads() -> np.ndarray:
    """The 24 triads `(24, 12)`, each of length 1; the root counts most, it is in the bass too."""
    rows = []
    for third in (4, 3):
        triad = np.zeros(CHROMA_BINS)
        triad[[0, third, _FIFTH]] = 1.3, 1.0, 0.9
        rows += [np.roll(triad, tonic) for tonic in range(len(TONICS))]
    table = np.array(rows)
    result: np.ndarray = table / np.linalg.norm(table, axis=1, keepdims=True)
    return result


_TRIADS = _unit_triads()
