"""`BeatCount`: how many beats pass, for what is counted in beats."""

from __future__ import annotations

from engine.messages import AudioFeatures

UNKNOWN_TEMPO_BPM = 120.0
"""Beats are those of this tempo as long as none is known."""
_LARGEST_CORRECTION = 0.25
"""Beats in one step. The clock glides; a larger difference is another beat, not time passed."""


class BeatCount:
    """Beats since the last step, fractional, never negative. Analysis thread only.

    They are read from the phase of the beat clock, not from its tempo, so that what lasts eight
    beats ends on a beat when it began on one, whatever the tempo did meanwhile.
    """

    def __init__(self) -> None:
        self._phase: float | None = None
        self._owed = 0.0  # the clock was set back: so much is not counted again

    def step(self, features: AudioFeatures, dt_s: float) -> float:
        """Return the beats of a step of `dt_s` seconds that ends with `features`."""
        if features.tempo_bpm <= 0.0:
            self._phase, self._owed = None, 0.0
            return dt_s * UNKNOWN_TEMPO_BPM / 60.0
        beats = dt_s * features.tempo_bpm / 60.0
        if self._phase is not None:
            correction = features.beat_phase - self._phase - beats
            correction -= round(correction)  # whole beats are not in the phase
            if abs(correction) <= _LARGEST_CORRECTION:
                beats += correction
        self._phase = features.beat_phase
        beats -= self._owed
        self._owed = max(-beats, 0.0)
        return max(beats, 0.0)
