"""OscInbox: datagrams in, commands out, in time and never too many. No socket, no thread."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Callable

from engine.commands import Command, SetParam
from engine.control.osc_addresses import interpret
from engine.control.osc_packet import MalformedPacketError, TimedMessage, read_datagram

logger = logging.getLogger(__name__)

SPACING_S = 0.004
"""Under a flood, values go on at most this often; the newest of each parameter always arrives."""
_MOST_SCHEDULED = 4096
_MOST_NOTES = 64
_IDLE_WAIT_S = 0.2


class OscInbox:
    """Interprets packets, keeps scheduled messages until they are due, merges floods.

    Times are arguments: `unix_s` is the wall clock that time tags are written in, `now_s` the
    host clock. The `control` thread only.
    """

    def __init__(self, on_refused: Callable[[str], None] = lambda _: None) -> None:
        """`on_refused` is told, in one line, of every message that could not be obeyed."""
        self._on_refused = on_refused
        self.received = 0
        self.malformed = 0
        self.dropped = 0
        self._scheduled: list[tuple[float, int, TimedMessage]] = []
        self._order = itertools.count()  # equal times stay in the order they came
        self._ready: list[Command] = []
        self._place: dict[str, int] = {}  # parameter -> its index in _ready
        self._urgent = False
        self._taken_s = float("-inf")
        self._said: set[str] = set()

    def receive(self, datagram: bytes, unix_s: float) -> None:
        """Take one UDP datagram; a malformed one is counted and logged once."""
        self.received += 1
        try:
            messages = read_datagram(datagram)
        except MalformedPacketError as error:
            self.malformed += 1
            self._say_once("malformed", f"a malformed OSC packet was ignored: {error}")
            return
        for message in messages:
            if message.due_unix_s is None or message.due_unix_s <= unix_s:
                self._act(message)
            elif len(self._scheduled) < _MOST_SCHEDULED:
                entry = (message.due_unix_s, next(self._order), message)
                heapq.heappush(self._scheduled, entry)
            else:
                self.dropped += 1
                self._say_once("scheduled", f"over {_MOST_SCHEDULED} OSC messages are waiting")

    def take(self, unix_s: float, now_s: float) -> list[Command]:
        """Return what is to be done now, in order."""
        while self._scheduled and self._scheduled[0][0] <= unix_s:
            self._act(heapq.heappop(self._scheduled)[2])
        if not self._ready or not (self._urgent or now_s - self._taken_s >= SPACING_S):
            return []
        ready, self._ready = self._ready, []
        self._place.clear()
        self._urgent = False
        self._taken_s = now_s
        return ready

    def wait_s(self, unix_s: float, now_s: float) -> float:
        """How long nothing will be due if no packet comes, seconds."""
        waits = [_IDLE_WAIT_S]
        if self._scheduled:
            waits.append(self._scheduled[0][0] - unix_s)
        if self._ready:
            waits.append(self._taken_s + SPACING_S - now_s)
        return max(0.0, min(waits))

    def _act(self, message: TimedMessage) -> None:
        command, note = interpret(message.address, message.arguments)
        if note:
            self._say_once(message.address, note)
        if command is None:
            if note:  # without a note it was the release of a trigger
                self._on_refused(note)
            return
        if not isinstance(command, SetParam):
            self._urgent = True
            self._place.clear()  # a value after an event stays after it
            self._ready.append(command)
        elif command.name in self._place:
            self._ready[self._place[command.name]] = command
        else:
            self._place[command.name] = len(self._ready)
            self._ready.append(command)

    def _say_once(self, about: str, note: str) -> None:
        if about in self._said or len(self._said) >= _MOST_NOTES:
            return
        self._said.add(about)
        logger.warning("%s (said once)", note)
