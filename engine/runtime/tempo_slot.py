"""`TempoSlot`: the one outer beat clock that is followed, if any, and how it is exchanged."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.clock import Clock
from engine.commands import ClockChoice
from engine.control.link import LinkTempo
from engine.control.midi_tempo import MidiTempo
from engine.messages import TempoStatus
from engine.protocols import TempoSource

TempoOpener = Callable[[ClockChoice], TempoSource | None]
"""Returns an open source, None for the sound. Raises `TempoSourceError`; may block a second."""


class TempoSlot:
    """Opens, exchanges, watches and closes outer clocks."""

    def __init__(self, clock: Clock, opener: TempoOpener | None = None) -> None:
        self._clock = clock
        self._open = opener or self._open_real
        self._lock = threading.Lock()  # one at a time opens, closes or looks for devices
        self._choice = ClockChoice()  # written under _lock
        self._source: TempoSource | None = None  # written under _lock, read by anyone

    @property
    def source(self) -> TempoSource | None:
        """The clock that leads, None while the sound does. Any thread, never blocks."""
        return self._source

    def status(self) -> TempoStatus:
        """How it is doing. Any thread, never blocks."""
        source = self._source
        if source is None:
            return TempoStatus()
        reading = source.state_at(self._clock.now())
        return TempoStatus(source.kind, source.name, reading)

    def choose(self, choice: ClockChoice) -> None:
        """Follow `choice` from now on. Control thread; may block for a second.

        Raises `TempoSourceError`; the old one then leads on, unless it had to make room.
        """
        with self._lock:
            if choice == self._choice and (self._source is None) == (choice.kind == "sound"):
                return
            if choice.kind == "midi" == self._choice.kind:
                self._exchange(ClockChoice(), None)  # some systems lend an input only once
            self._exchange(choice, self._open(choice))

    def service(self, now_s: float) -> None:
        """Look after the device. Watchdog thread; may block for a second."""
        with self._lock:
            if self._source is not None:
                self._source.service(now_s)

    def close(self) -> None:
        """Free the clock; idempotent."""
        with self._lock:
            self._exchange(ClockChoice(), None)

    def _exchange(self, choice: ClockChoice, newer: TempoSource | None) -> None:
        older, self._source, self._choice = self._source, newer, choice
        if older is not None:
            older.close()

    def _open_real(self, choice: ClockChoice) -> TempoSource | None:
        source: TempoSource
        match choice.kind:
            case "sound":
                return None
            case "midi":
                source = MidiTempo(choice.port, self._clock)
            case "link":
                source = LinkTempo(self._clock)
        source.open()
        return source
