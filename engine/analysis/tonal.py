"""`TonalEar`: pitch classes, key and leading pitch, one of them per hop."""

from __future__ import annotations

from engine.analysis.chroma import Chroma
from engine.analysis.key import KeyFinder
from engine.analysis.pitch import PitchTracker
from engine.messages import Float32, Tonal, freeze

_CHROMA_HOPS = 6
_KEY_AT = 2
_PITCH_AT = (1, 4)
"""Hops after the pitch classes: the pitch is looked for thirty times a second."""


class TonalEar:
    """Fills `Tonal`. Analysis thread only. Everything is held while silent.

    No two of its parts run in the same hop, so that no hop is much dearer than another.
    """

    def __init__(self, sample_rate: int, dt_s: float) -> None:
        self._chroma = Chroma(sample_rate, _CHROMA_HOPS * dt_s)
        self._key = KeyFinder(_CHROMA_HOPS * dt_s)
        self._pitch = PitchTracker(sample_rate)
        self.length = max(self._chroma.length, self._pitch.length)
        """Samples that `step` wants."""
        self._hop = 0
        self._newest = Tonal()
        self._fresh = False

    def step(self, samples: Float32, *, silent: bool) -> Tonal:
        """Take the newest `length` samples, once per hop."""
        turn = self._hop % _CHROMA_HOPS
        self._hop += 1
        if silent:
            if self._newest.pitch_confidence > 0.0:
                self._pitch.rest()
                self._newest = self._published()
            return self._newest
        if turn in _PITCH_AT:
            self._pitch.step(samples[-self._pitch.length :])
        elif turn == 0:
            self._chroma.step(samples[-self._chroma.length :])
            self._fresh = True
        elif turn == _KEY_AT and self._fresh:
            self._key.step(self._chroma.evidence, tonal=self._chroma.tonal)
            self._fresh = False
        else:
            return self._newest
        self._newest = self._published()
        return self._newest

    def _published(self) -> Tonal:
        return Tonal(
            chroma=freeze(self._chroma.strength),
            key=self._key.key,
            key_confidence=self._key.confidence,
            pitch_hz=self._pitch.pitch_hz,
            pitch_confidence=self._pitch.confidence,
        )
