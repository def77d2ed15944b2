"""`BeatTracker`: tempo, and a beat clock that runs smoothly and never jumps."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis.phase import PhaseMemory
from engine.analysis.tempo import TempoEstimator
from engine.messages import TempoReading

_UPDATE_HOPS = 12
_LOCAL_MEAN_S = 0.25
_SCALE_S = 3.0
_CLEAR, _UNCLEAR = 0.38, 0.15
"""Clarity that counts as certain, and as none."""
_LOCK_CONFIDENCE = 0.3
_LOCK_AFTER_S = 0.5
"""Noise looks periodic for a moment, too."""
_SAME_TEMPO = 0.03
_KEEP_CONFIDENCE = 0.15
_HOLD_S = 12.0
"""A well trusted lock outlives this much unclear music: a breakdown still has its beat."""
_TRUST_S = 3.0
_SILENT_HOLD_S = 1.2
_CONFIDENCE_S = 0.5
_PHASE_GAIN_PER_BEAT = 0.35
_MAX_SLEW = 0.35
"""The clock runs at most this much faster or slower to catch up."""
_PERIOD_GAIN = 0.08
_OUTER_GAIN_PER_BEAT = 2.0
"""An outer clock is right: what is left of an error falls to a third in half a beat."""


class BeatTracker:
    """Follows the novelty of the onset detector, one hop at a time. Analysis thread only.

    `delay_s` is how late the novelty reports an attack; the phase is ahead by as much, so that
    phase 0 falls on the sound itself.
    """

    def __init__(self, dt_s: float, delay_s: float = 0.0) -> None:
        self.count = 0
        self.phase = 0.0
        self.confidence = 0.0
        self._dt_s = dt_s
        self._delay_hops = delay_s / dt_s
        self._tempo = TempoEstimator(dt_s)
        self._memory = PhaseMemory()
        self._period = 0.0
        self._fixed_bpm = 0.0
        self._outer: TempoReading | None = None
        self._mean = np.zeros(max(2, round(_LOCAL_MEAN_S / dt_s)))
        self._scale = 0.0
        self._heard_s = 0.0
        self._hops = 0
        self._unclear_s = math.inf
        self._silent_s = math.inf
        self._sure_s = 0.0
        self._trust = 0.0  # confidence over the last seconds in which there was any

    @property
    def tempo_bpm(self) -> float:
        """Beats per minute; 0 while unknown."""
        return 60.0 / (self._period * self._dt_s) if self._period > 0.0 else 0.0

    @property
    def by_hand(self) -> bool:
        """True while the tempo is fixed by hand."""
        return self._fixed_bpm > 0.0 and self._outer is None

    @property
    def locked(self) -> bool:
        """True while beats are counted."""
        if self._outer is not None:
            return self._outer.running
        if self._period <= 0.0 or self._silent_s > _SILENT_HOLD_S:
            return False
        return self._fixed_bpm > 0.0 or self._unclear_s < _HOLD_S * self._trust

    def set_tempo(self, bpm: float) -> None:
        """Fix the tempo by hand; 0 gives it back to the tracker."""
        self._fixed_bpm = bpm if bpm > 0.0 else 0.0
        if self._fixed_bpm and self._outer is None:
            self._period = 60.0 / (self._fixed_bpm * self._dt_s)

    def follow(self, reading: TempoReading | None) -> None:
        """Let an outer clock lead the next `step`; None, or no tempo in it: the sound leads.

        `reading` is about the end of the hop that `step` takes next. Its tempo counts at once; to
        its phase the clock glides, at most `_MAX_SLEW` faster or slower, and is set to it only
        where it had no tempo before. Without a phase in it, the sound and taps say where the beat
        is, as with a tempo set by hand. Beats are counted while `reading.running`, in silence
        too. Afterwards the tempo stays until the tracker, or a hand's tempo, moves it.
        """
        if reading is None or reading.bpm <= 0.0:
            if self._outer is not None:
                self._outer = None
                self.set_tempo(self._fixed_bpm)
            return
        first = self._period <= 0.0
        self._outer = reading
        self._period = 60.0 / (reading.bpm * self._dt_s)
        if first and reading.beat_phase is not None:
            self.phase = (reading.beat_phase - 1.0 / self._period) % 1.0

    def tap(self, ago_s: float) -> None:
        """Say that there was a beat `ago_s` seconds before the newest sample.

        An outer clock that says where the beat is knows better.
        """
        if self._outer is not None and self._outer.beat_phase is not None:
            return
        if self._period > 0.0:
            phase = ago_s / (self._period * self._dt_s) % 1.0
            self._memory.insist((self._memory.phase - phase - self._late()) % 1.0)
            self.phase = phase

    def step(self, novelty: float, *, silent: bool) -> bool:
        """Take one hop of novelty; True when a beat begins."""
        self._silent_s = self._silent_s + self._dt_s if silent else 0.0
        pulse = self._pulse(novelty, silent)
        paused = self._silent_s > _SILENT_HOLD_S
        if not paused:  # a rest between two strokes is part of the rhythm
            self._tempo.push(pulse)
            self._hops += 1
            if self._hops % _UPDATE_HOPS == 0:
                self._tempo.update(_UPDATE_HOPS * self._dt_s)
                self._follow_tempo()
        self._follow_confidence(paused)
        if self._period <= 0.0:
            return False
        self._memory.step(pulse, self._period, paused=paused)
        return self._run_clock(paused)

    def _pulse(self, novelty: float, silent: bool) -> float:
        """Novelty above its local mean, in units of its own running scale."""
        over = max(0.0, novelty - float(self._mean.mean()))
        self._mean[:-1] = self._mean[1:]
        self._mean[-1] = novelty
        if silent:
            return 0.0
        self._heard_s += self._dt_s
        share = 1.0 - math.exp(-self._dt_s / min(_SCALE_S, self._heard_s))
        self._scale += share * (over - self._scale)
        return min(over / max(self._scale, 1e-6), 12.0) if self._scale > 1e-6 else 0.0

    def _follow_tempo(self) -> None:
        target = self._tempo.period
        if self._fixed_bpm or self._outer is not None or target <= 0.0:
            return
        if self._period > 0.0 and abs(math.log(target / self._period)) <= _SAME_TEMPO:
            self._period += _PERIOD_GAIN * (target - self._period)
        elif self._sure_s >= _LOCK_AFTER_S:
            self._period = target
            self._memory.refold(self._tempo.past, target)

    def _clear(self) -> float:
        return min(max((self._tempo.clarity - _UNCLEAR) / (_CLEAR - _UNCLEAR), 0.0), 1.0)

    def _follow_confidence(self, paused: bool) -> None:
        clear = 0.0 if paused else self._clear()
        self._sure_s = self._sure_s + self._dt_s if clear > _LOCK_CONFIDENCE else 0.0
        if clear > _KEEP_CONFIDENCE:
            self._unclear_s = 0.0
            self._trust += (1.0 - math.exp(-self._dt_s / _TRUST_S)) * (clear - self._trust)
        else:
            self._unclear_s += self._dt_s
        target = clear if self._period > 0.0 else 0.0
        self.confidence += (1.0 - math.exp(-self._dt_s / _CONFIDENCE_S)) * (
            target - self.confidence
        )

    def _late(self) -> float:
        return self._delay_hops / self._period

    def _run_clock(self, paused: bool) -> bool:
        """Move on by one hop, pulled towards the remembered phase."""
        step = 1.0 / self._period
        error, gain = 0.0, _PHASE_GAIN_PER_BEAT * 2.0
        if self._outer is not None and self._outer.beat_phase is not None:
            error = (self._outer.beat_phase - self.phase - step + 0.5) % 1.0 - 0.5
            gain = _OUTER_GAIN_PER_BEAT
        elif not paused and self._memory.certain:
            wanted = self._memory.phase - self._memory.beat + self._late()
            error = (wanted - self.phase + 0.5) % 1.0 - 0.5
        pull = min(max(gain * error, -_MAX_SLEW), _MAX_SLEW)
        self.phase += step * (1.0 + pull)
        if self.phase < 1.0:
            return False
        self.phase %= 1.0
        if not self.locked:
            return False
        self.count += 1
        return True
