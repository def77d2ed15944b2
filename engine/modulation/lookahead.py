"""`Lookahead`: the beat as it will be when the frame is seen, not as it was when it was heard."""

from __future__ import annotations

from dataclasses import replace

from engine.messages import AudioFeatures, Bar
from engine.modulation.envelopes import share_covered

MOST_AHEAD_S, MOST_BEHIND_S = 0.75, 0.5
_SMOOTH_MS = 300.0
_SLEW = 0.3
"""The shift changes by at most this share of the time that passes: the beat never runs back."""


class Lookahead:
    """Moves the beat clock on by the time until the frame is seen. Analysis thread only.

    Only what is predicted can be moved: phase and count of beat and bar. What is a reaction (hits,
    levels, onsets) stays where it was heard.
    """

    def __init__(self) -> None:
        self.lead_s = 0.0
        """The shift in use, smoothed."""
        self._started = False

    def step(self, features: AudioFeatures, lead_s: float, dt_s: float) -> AudioFeatures:
        """Return the features with the beat `lead_s` later than the newest sample."""
        self._follow(min(max(lead_s, -MOST_BEHIND_S), MOST_AHEAD_S), dt_s)
        beats = self.lead_s * features.tempo_bpm / 60.0
        if not beats or (features.silent and not features.beat_tapped):
            return features
        phase, whole = _turned(features.beat_phase + beats)
        bar = features.bar
        bar_phase, whole_bars = _turned(bar.phase + beats / bar.beats)
        return replace(
            features,
            beat_phase=phase,
            beat_count=features.beat_count + whole,
            bar=Bar(bar.beats, bar.count + whole_bars, bar_phase, bar.confidence),
        )

    def _follow(self, target_s: float, dt_s: float) -> None:
        if not self._started:
            self._started = True
            self.lead_s = target_s
            return
        step_s = share_covered(dt_s, _SMOOTH_MS) * (target_s - self.lead_s)
        most_s = _SLEW * dt_s
        self.lead_s += min(max(step_s, -most_s), most_s)


def _turned(phase: float) -> tuple[float, int]:
    """Phase in [0, 1) and the whole turns that were taken off."""
    whole = int(phase // 1.0)
    return min(phase - whole, 1.0 - 1e-9), whole
