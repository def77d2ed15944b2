"""`MidiClock`: MIDI realtime bytes with time stamps in, tempo and phase out. No hardware.

Source: MIDI 1.0, System Common (song position `F2`) and System Real Time (clock `F8`, 24 to the
quarter note; start `FA`, continue `FB`, stop `FC`). The first clock after a start is the first
beat; after a continue it is the song position.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.control.tick_line import TICKS_PER_BEAT, Fit, TickLine
from engine.messages import TempoReading, TempoState

TICKS_PER_SIXTEENTH = 6
LOST_AFTER_S = 0.5
"""Without a clock for this long it is lost; at 20 BPM ticks are 0.125 s apart."""
MAX_SLEW = 0.35
"""To catch up, the phase runs at most this much faster or slower."""
_CATCH_UP_S = 0.25
_SURE_S = 0.008
"""After a gap, ticks must lie this well on a line before they are trusted to say where we are."""
_CLOCK, _START, _CONTINUE, _STOP, _SONG_POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
_FIRST_REALTIME, _FIRST_STATUS = 0xF8, 0x80


@dataclass(frozen=True, slots=True)
class _Course:
    """Where the beat is and how it goes on: an immutable value that any thread may read."""

    time_s: float
    beats: float
    beats_per_s: float
    behind: float
    """Beats still to be caught up, smoothly: the way there falls as `exp(-t / 0.25 s)`."""
    heard_s: float
    """When the newest clock came."""
    playing: bool
    placed: bool
    """False until a start or a song position has said where the beats are."""

    def beats_at(self, time_s: float) -> float:
        ahead_s = time_s - self.time_s
        caught_up = -math.expm1(-max(ahead_s, 0.0) / _CATCH_UP_S)
        return self.beats + self.beats_per_s * ahead_s + self.behind * caught_up


class MidiClock:
    """Follows one MIDI clock. `receive` on one thread, `state_at` on any; neither blocks.

    Tempo is the slope of a line through the clocks of the last two beats; the phase runs at that
    tempo and glides, at most `MAX_SLEW` faster or slower, to where the line says the beat is. A
    start after a stop sets it at once: nothing moves then.
    """

    def __init__(self, name: str = "the MIDI input", beats_per_bar: int = 4) -> None:
        self._name = name  # immutable
        self._beats_per_bar = beats_per_bar  # immutable
        self._line = TickLine()  # this and the rest: receiving thread only
        self._tick = -1  # number of the newest clock
        self._zero = 0  # number of the clock that was, or would have been, beat 0
        self._next: int | None = None  # song position, in ticks, that the next clock stands for
        self._stopped_at = 0  # song position in ticks, where a continue goes on
        self._playing = True  # a clock that never says start is taken to play
        self._placed = False
        self._gap = False  # the number of clocks lost is unknown
        self._common: list[int] = []  # a song position that has not come whole
        self._course: _Course | None = None  # replaced whole

    def receive(self, data: Iterable[int], host_time_s: float) -> None:
        """Take bytes as they come, cut anywhere, and when they came (`Clock.now()`)."""
        for byte in data:
            if byte >= _FIRST_REALTIME:  # may stand between the bytes of another message
                self._realtime(byte, host_time_s)
            elif byte >= _FIRST_STATUS:
                self._common = [byte] if byte == _SONG_POSITION else []
            elif self._common:
                self._common.append(byte)
                if len(self._common) == 3:
                    sixteenths = self._common[1] | self._common[2] << 7
                    self._go_to(sixteenths * TICKS_PER_SIXTEENTH)
                    self._common = []

    def state_at(self, host_time_s: float) -> TempoReading:
        """Tempo and phase at `host_time_s`, at most a second from the newest clock or now."""
        course = self._course
        if course is None:
            return TempoReading(
                beats_per_bar=self._beats_per_bar,
                message=f"no MIDI clock from {self._name} yet: switch on sending it there",
            )
        beats = course.beats_at(host_time_s)
        bpm = 60.0 * course.beats_per_s
        state, message = TempoState.RUNNING, ""
        if not course.playing:
            state = TempoState.STOPPED
        elif host_time_s - course.heard_s > LOST_AFTER_S:
            state = TempoState.LOST
            message = f"MIDI clock from {self._name} is lost: running on at {bpm:.1f} BPM"
        elif not course.placed:
            message = "MIDI clock has a tempo only: start the song anew to say where the bar is"
        return TempoReading(
            bpm=bpm,
            beat_phase=_unit(beats) if course.placed else None,
            bar_phase=_unit(beats / self._beats_per_bar) if course.placed else None,
            beats_per_bar=self._beats_per_bar,
            state=state,
            message=message,
        )

    def _realtime(self, byte: int, now_s: float) -> None:
        if byte == _CLOCK:
            self._on_clock(now_s)
        elif byte == _START:
            self._go_to(0)
            self._play(on=True)
        elif byte in (_CONTINUE, _STOP):
            self._play(on=byte == _CONTINUE)

    def _go_to(self, song_ticks: int) -> None:
        """The next clock that plays stands for this place of the song."""
        self._stopped_at = song_ticks
        self._placed = True
        if self._playing:
            self._next = song_ticks

    def _play(self, *, on: bool) -> None:
        if on:
            self._next = self._stopped_at if self._placed else None
        elif self._playing:
            self._stopped_at = self._tick + 1 - self._zero if self._next is None else self._next
            self._next = None
            if self._course is not None:
                self._course = replace(self._course, playing=False)
        self._playing = on

    def _on_clock(self, now_s: float) -> None:
        course = self._course
        self._tick += 1
        if course is not None and now_s - course.heard_s > LOST_AFTER_S:
            self._line.forget()
            self._gap = True
        self._line.add(self._tick, now_s)
        jumped = self._take_place()
        fit = self._line.fit
        if course is None:
            if fit is not None:
                self._steer(fit, now_s, at_once=True)
        elif jumped and not course.playing:
            self._begin(course, now_s)
        elif fit is None or (self._gap and not self._found(course, fit, now_s)):
            self._course = replace(course, heard_s=now_s, playing=self._playing)
        else:
            self._steer(fit, now_s, at_once=self._placed and not course.placed)

    def _take_place(self) -> bool:
        """Let this clock stand for the place that was asked for; False when none was."""
        if self._next is None:
            return False
        self._zero = self._tick - self._next
        self._next = None
        self._gap = False
        return True

    def _begin(self, course: _Course, now_s: float) -> None:
        """A start from standstill: the beat is here, the tempo is the last one."""
        beats = (self._tick - self._zero) / TICKS_PER_BEAT
        self._course = _Course(
            now_s, beats, course.beats_per_s, 0.0, now_s, playing=True, placed=True
        )

    def _found(self, course: _Course, fit: Fit, now_s: float) -> bool:
        """After a gap: which tick is this? The one nearest to where the phase has run on to."""
        if fit.spread_s > _SURE_S:
            return False
        expected = course.beats_at(now_s) * TICKS_PER_BEAT + self._zero
        self._zero -= round(expected - fit.ticks_at(now_s))
        self._gap = False
        return True

    def _steer(self, fit: Fit, now_s: float, *, at_once: bool) -> None:
        beats_per_s = 1.0 / (fit.tick_s * TICKS_PER_BEAT)
        target = (fit.ticks_at(now_s) - self._zero) / TICKS_PER_BEAT
        beats, behind = target, 0.0
        if self._course is not None and not at_once:
            beats = self._course.beats_at(now_s)
            renumbered = round(target - beats)  # whole beats: the phase does not notice
            beats += renumbered
            most = MAX_SLEW * beats_per_s * _CATCH_UP_S
            behind = min(max(target - beats, -most), most)
        self._course = _Course(
            now_s, beats, beats_per_s, behind, now_s, playing=self._playing, placed=self._placed
        )


def _unit(beats: float) -> float:
    """Fractional part; a tiny negative number must not come out as 1."""
    part = beats - math.floor(beats)
    return part if part < 1.0 else 0.0
