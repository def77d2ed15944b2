"""`MidiTempo`: MIDI clock as a source of the beat, from one input or whichever sends one."""

from __future__ import annotations

import logging
import threading

from engine.clock import Clock
from engine.control.arrival import ArrivalTimes
from engine.control.midi_clock import MidiClock
from engine.control.midi_ports import (
    MidiInput,
    MidiPorts,
    SystemMidiPorts,
    plain_name,
    wanted_ports,
)
from engine.errors import TempoSourceError
from engine.messages import TempoReading, TempoState

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 2.0
_MOST_PER_LOOK = 1024
_ALIVE = (TempoState.RUNNING, TempoState.STOPPED)


class _Heard:
    """One open input and its clock. One thread at a time."""

    def __init__(self, name: str, clock: MidiClock, port: MidiInput) -> None:
        self.name = name
        self.clock = clock
        self.port = port
        self._times = ArrivalTimes()

    def take(self, now_s: float) -> None:
        """Give the clock what has come by now."""
        messages: list[list[int]] = []
        waits_s: list[float] = []
        while len(messages) < _MOST_PER_LOOK and (message := self.port.get_message()):
            messages.append(message)
            waits_s.append(self.port.deltatime)
        if messages:
            times_s = self._times.take(waits_s, now_s)
            for message, time_s in zip(messages, times_s, strict=True):
                self.clock.receive(message, time_s)


class MidiTempo:
    """Listens to the inputs; the first that sends a clock leads until it falls silent.

    An input that is missing is awaited, one that was pulled out is heard again when it is back.
    `open`, `service`, `close` by one thread at a time; the rest is for any. Whoever asks for the
    state takes what has come since, unless another thread is just doing so.
    """

    kind = "midi"

    def __init__(self, wanted: str, clock: Clock, ports: MidiPorts | None = None) -> None:
        """`wanted` is an input's name, or a part of it; empty means all of them."""
        self._wanted = wanted  # immutable
        self._clock = clock
        self._ports = ports
        self._taking = threading.Lock()  # inputs are read, opened and closed by one at a time
        self._clocks: dict[str, MidiClock] = {}  # by name: what comes back goes on
        self._inputs: tuple[_Heard, ...] = ()  # replaced whole
        self._leader: _Heard | None = None
        self._problem = ""
        self._look_at_s = 0.0

    @property
    def name(self) -> str:
        """The input that leads, else the one that is wanted. Any thread, never blocks."""
        leader = self._leader
        return leader.name if leader is not None else self._wanted

    def open(self) -> None:
        """Look for inputs. Raises `TempoSourceError` when there cannot be any."""
        if self._ports is None:
            self._ports = SystemMidiPorts()
        with self._taking:
            self._listen(self._ports)
        self._look_at_s = self._clock.now() + _LOOK_AGAIN_S

    def state_at(self, host_time_s: float) -> TempoReading:
        """Tempo and phase of the input that leads. Any thread, never blocks."""
        self._take()
        leader = self._leader
        if leader is not None:
            reading = leader.clock.state_at(host_time_s)
            if reading.state in _ALIVE:
                return reading
        other = self._other(leader, host_time_s)
        if other is not None:
            leader = self._leader = other
        if leader is not None:
            return leader.clock.state_at(host_time_s)
        message = self._nothing_yet() if self._inputs else self._problem
        return TempoReading(message=message)

    def service(self, now_s: float) -> None:
        """While no clock runs, look whether inputs have come or gone. Watchdog thread."""
        if self._ports is None or now_s < self._look_at_s:
            return
        if self.state_at(now_s).state is TempoState.RUNNING:
            return
        self._look_at_s = now_s + _LOOK_AGAIN_S
        try:
            with self._taking:
                self._listen(self._ports)
        except TempoSourceError as error:
            self._problem = str(error)

    def close(self) -> None:
        """Free all inputs; idempotent."""
        with self._taking:
            inputs, self._inputs, self._leader = self._inputs, (), None
            for heard in inputs:
                heard.port.close_port()

    def _take(self) -> None:
        if self._taking.acquire(blocking=False):
            try:
                for heard in self._inputs:
                    heard.take(self._clock.now())
            finally:
                self._taking.release()

    def _listen(self, ports: MidiPorts) -> None:
        """Open what is wanted and not open yet, close what is gone."""
        names = ports.names()
        wanted = {plain_name(names[index]): index for index in wanted_ports(names, self._wanted)}
        # One that was pulled out and put back between two looks is there, and silent for ever.
        kept = tuple(h for h in self._inputs if h.name in wanted and not self._lost(h))
        for heard in self._inputs:
            if heard not in kept:
                heard.port.close_port()
        self._inputs = kept
        self._problem = "" if wanted else self._missing()
        for name, index in wanted.items():
            if name not in {heard.name for heard in kept}:
                self._open(ports, name, index)

    def _lost(self, heard: _Heard) -> bool:
        return heard.clock.state_at(self._clock.now()).state is TempoState.LOST

    def _open(self, ports: MidiPorts, name: str, index: int) -> None:
        """Add one input; one that another program holds is left out until the next look."""
        try:
            port = ports.open(index)
        except TempoSourceError as error:
            self._problem = f"{name}: {error}"
            return
        heard = _Heard(name, self._clocks.setdefault(name, MidiClock(name)), port)
        self._inputs = (*self._inputs, heard)
        leader = self._leader
        if leader is not None and leader.name == name:
            self._leader = heard
        logger.info("listening to MIDI input %s", name)

    def _other(self, leader: _Heard | None, host_time_s: float) -> _Heard | None:
        """An input with a running clock, of those that do not lead."""
        for heard in self._inputs:
            state = heard.clock.state_at(host_time_s).state
            if heard is not leader and state is TempoState.RUNNING:
                return heard
        return None

    def _missing(self) -> str:
        if self._wanted:
            return (
                f"MIDI input {self._wanted!r} is not connected: waiting for it; "
                "`sonolume devices` lists what there is"
            )
        return "no MIDI input is connected: waiting for one"

    def _nothing_yet(self) -> str:
        names = ", ".join(heard.name for heard in self._inputs)
        return f"no MIDI clock yet from {names}: switch on sending it there"
