"""`BeatTracker`: tempo, and a beat clock that runs smoothly and never jumps."""

from __future__ import annotations

import math

from engine.analysis.phase import PhaseMemory
from engine.analysis.pointer import BeatPointer
from engine.commands import FASTEST_BY_HAND_BPM, SLOWEST_BY_HAND_BPM
from engine.messages import TempoReading

_CLEAR, _UNCLEAR = 0.5, 0.1
"""Clarity of the pointer that counts as certain, and as none."""
_PROVEN, _UNPROVEN = 1.0, -0.1
"""Nats per beat by which expecting beats must pay, to be certain and to be anything at all."""
_LOCK_CONFIDENCE = 0.4
_LOCK_AFTER_S = 0.5
"""Noise looks periodic for a moment, too."""
_SAME_TEMPO = 0.06
_OCTAVES = 2
"""So many octaves apart from the pointer a tempo that was asked for is kept."""
_KEEP_CONFIDENCE = 0.15
_HOLD_S = 12.0
"""A well trusted lock outlives this much unclear music: a breakdown still has its beat."""
_TRUST_S = 3.0
_SILENT_HOLD_S = 1.2
_CONFIDENCE_S = 0.5
_PHASE_GAIN_PER_BEAT = 0.9
_MAX_SLEW = 0.35
"""The clock runs at most this much faster or slower to catch up."""
_PERIOD_S = 0.4
_OUTER_GAIN_PER_BEAT = 2.0
"""An outer clock is right: what is left of an error falls to a third in half a beat."""
_STROKE_FLOOR, _STROKE_GAIN = 0.2, 5.0
"""What counts as a stroke beside a tap: noise does not move what the finger said."""


class BeatTracker:
    """Follows how probable a beat is, one hop at a time. Analysis thread only.

    `delay_s` is how late that is known; the phase is ahead by as much, so that phase 0 falls on
    the sound itself.
    """

    def __init__(self, dt_s: float, delay_s: float = 0.0) -> None:
        self.count = 0
        self.phase = 0.0
        self.confidence = 0.0
        self._dt_s = dt_s
        self._delay_hops = delay_s / dt_s
        self._pointer = BeatPointer(dt_s)
        self._memory = PhaseMemory()
        self._period = 0.0
        self._fixed_bpm = 0.0
        self._outer: TempoReading | None = None
        self._octave = 0  # +1: twice as many beats are counted as the pointer hears
        self._octave_asked = False  # by the performer, who keeps it where the pointer changes its
        self._nudge = 0.0
        self._unclear_s = math.inf
        self._silent_s = math.inf
        self._sure_s = 0.0
        self._paused = False
        self._tapped = False  # since the last sound: a finger beats on where nothing sounds
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
    def tapped(self) -> bool:
        """True while a finger beats on where nothing sounds: from a tap until something does."""
        return self.by_hand and self._tapped

    @property
    def _given(self) -> bool:
        """True while the tempo is not the tracker's own: a hand's or an outer clock's."""
        return self._fixed_bpm > 0.0 or self._outer is not None

    @property
    def locked(self) -> bool:
        """True while beats are counted."""
        if self._outer is not None:
            return self._outer.running
        if self._period <= 0.0 or (self._silent_s > _SILENT_HOLD_S and not self._tapped):
            return False
        return self.by_hand or self._unclear_s < _HOLD_S * self._trust

    def set_tempo(self, bpm: float) -> None:
        """Fix the tempo by hand; 0 gives it, its octave and its phase back to the tracker."""
        self._fixed_bpm = bpm if bpm > 0.0 else 0.0
        self._octave, self._octave_asked = 0, False
        if self.by_hand:
            self._period = 60.0 / (self._fixed_bpm * self._dt_s)
        else:
            self._nudge = 0.0
            self._tapped = False

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

        An outer clock that says where the beat is knows better. In silence beats are counted from
        here on, as long as the tempo is the hand's, until something sounds.
        """
        if self._outer is not None and self._outer.beat_phase is not None:
            return
        if self._period > 0.0:
            phase = ago_s / (self._period * self._dt_s) % 1.0
            self._nudge = 0.0
            self._memory.insist((self._memory.phase - phase + self._late()) % 1.0)
            if not self.count or (self._paused and not self._tapped):
                self.phase = phase  # nobody follows it; else the clock glides there
            self._tapped = self.by_hand

    def nudge(self, beats: float) -> None:
        """Let the beat come earlier by this share of a beat from now on; below 0 later."""
        self._nudge = (self._nudge + beats + 0.5) % 1.0 - 0.5

    def double(self) -> None:
        """Count twice as many beats; half as many with `halve`. The clock glides there."""
        self._shift_octave(1)

    def halve(self) -> None:
        """Count half as many beats."""
        self._shift_octave(-1)

    def step(self, beat: float | None, *, silent: bool) -> bool:
        """Take the probability of a beat in this hop, None: unknown; True when a beat begins."""
        self._silent_s = self._silent_s + self._dt_s if silent else 0.0
        self._tapped &= silent
        paused = self._silent_s > _SILENT_HOLD_S
        if self._paused and not paused:
            self._pointer.open_phase()
        self._paused = paused
        if not paused:  # a rest between two strokes is part of the rhythm
            self._pointer.step(None if silent else beat)
        self._follow_confidence(paused)
        if not paused:
            self._follow_tempo()
        if self._period <= 0.0:
            return False
        stroke = _STROKE_GAIN * max((beat or 0.0) - _STROKE_FLOOR, 0.0)
        self._memory.step(stroke, self._period, paused=paused, heeded=self._given)
        return self._run_clock(paused)

    def skip(self, hops: int) -> tuple[int, bool]:
        """Run on over hops that nobody heard; how many beats began, and whether they count.

        Nothing is learned meanwhile, and nothing pulls at the clock.
        """
        if not self._paused:
            self._pointer.skip(hops)
        if self._period <= 0.0:
            return 0, False
        self._memory.skip(hops, self._period)
        self.phase += hops / self._period
        begun = int(self.phase)
        self.phase -= begun
        counted = self.locked
        if counted:
            self.count += begun
        self._unclear_s += hops * self._dt_s
        return begun, counted

    def _shift_octave(self, by: int) -> None:
        if self._outer is not None:
            return
        if self.by_hand:
            bpm = self._fixed_bpm * 2.0**by
            if SLOWEST_BY_HAND_BPM <= bpm <= FASTEST_BY_HAND_BPM:
                self.set_tempo(bpm)
        elif self._period > 0.0:
            self._octave = min(max(self._octave + by, -1), 1)
            self._octave_asked = self._octave != 0
            self._period = self._pointer.period / 2.0**self._octave

    def _follow_tempo(self) -> None:
        if self._given:
            return
        target = self._pointer.period / 2.0**self._octave
        if self._period > 0.0 and abs(math.log(target / self._period)) <= _SAME_TEMPO:
            self._period += (1.0 - math.exp(-self._dt_s / _PERIOD_S)) * (target - self._period)
        elif self._sure_s >= _LOCK_AFTER_S:
            self._adopt()

    def _adopt(self) -> None:
        """Take over another tempo; one that was asked for stays where only the octave is other."""
        period = self._pointer.period
        octaves = math.log2(period / self._period) if self._period > 0.0 else 0.0
        near = round(octaves)
        self._octave_asked &= abs(octaves - near) < _SAME_TEMPO and abs(near) <= _OCTAVES
        self._octave = near if self._octave_asked else 0
        if self._period <= 0.0:  # nobody has followed this clock yet
            self.phase = self._wanted()
        self._period = period / 2.0**self._octave

    def _clear(self) -> float:
        return self._sharp() * self._proven()

    def _sharp(self) -> float:
        return _ramp(self._pointer.clarity, _UNCLEAR, _CLEAR)

    def _proven(self) -> float:
        beat_s = self._pointer.period * self._dt_s
        return _ramp(self._pointer.evidence * beat_s, _UNPROVEN, _PROVEN)

    def _follow_confidence(self, paused: bool) -> None:
        clear = 0.0 if paused else self._clear()
        # Who has followed the music well may follow it to another tempo before that has proved
        # itself; a first tempo must.
        sure = self._sharp() if self.locked else clear
        self._sure_s = self._sure_s + self._dt_s if sure > _LOCK_CONFIDENCE else 0.0
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

    def _wanted(self) -> float:
        """The phase that is right now: the performer's, or the pointer's in the wanted octave."""
        if self._given:
            return self._memory.phase - self._memory.beat + self._late() + self._nudge
        pointed = self._pointer.phase + self._delay_hops / self._pointer.period
        if self._octave > 0:
            pointed *= 2.0**self._octave
        elif (
            self._octave < 0
        ):  # which of the pointer's beats is ours: the one that the clock is at
            beats = 2**-self._octave
            pointed = pointed % 1.0 / beats
            pointed += round((self.phase - self._nudge - pointed) * beats) / beats
        return (pointed + self._nudge) % 1.0

    def _run_clock(self, paused: bool) -> bool:
        """Move on by one hop, pulled towards the phase that is right."""
        step = 1.0 / self._period
        error, gain = 0.0, _PHASE_GAIN_PER_BEAT
        certain = self._memory.certain if self._given else self._clear() > 0.0
        if self._outer is not None and self._outer.beat_phase is not None:
            wanted = self._outer.beat_phase + self._nudge
            error = (wanted - self.phase - step + 0.5) % 1.0 - 0.5
            gain = _OUTER_GAIN_PER_BEAT
        elif certain and (self._tapped or not paused):
            error = (self._wanted() - self.phase + 0.5) % 1.0 - 0.5
        pull = min(max(gain * error, -_MAX_SLEW), _MAX_SLEW)
        self.phase += step * (1.0 + pull)
        if self.phase < 1.0:
            return False
        self.phase %= 1.0
        if not self.locked:
            return False
        self.count += 1
        return True


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)
