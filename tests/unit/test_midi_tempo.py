"""MIDI inputs that come and go, and which of them leads; no hardware, no package."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.control.arrival import ArrivalTimes
from engine.control.midi_ports import (
    MidiInput,
    SystemMidiPorts,
    midi_input_names,
    plain_name,
    wanted_ports,
)
from engine.control.midi_tempo import MidiTempo
from engine.errors import TempoSourceError
from engine.messages import TempoReading, TempoState

KEYS, DRUMS = "Keys:Keys MIDI 1 24:0", "Drum Box:Drum Box MIDI 1 28:0"
START, CLOCK, STOP = [0xFA], [0xF8], [0xFC]


class FakeInput:
    """One open input, its queue stamped by a driver; the test plays into it."""

    def __init__(self) -> None:
        self.queue: list[tuple[list[int], float]] = []
        self.deltatime = 0.0
        self.closed = False
        self._newest_s: float | None = None

    def come(self, message: list[int], time_s: float) -> None:
        self.queue.append(
            (message, time_s - (time_s if self._newest_s is None else self._newest_s))
        )
        self._newest_s = time_s

    def get_message(self) -> list[int] | None:
        if not self.queue:
            return None
        message, self.deltatime = self.queue.pop(0)
        return message

    def close_port(self) -> None:
        self.closed = True


class FakePorts:
    """A machine whose MIDI inputs are what the test says."""

    def __init__(self, *names: str) -> None:
        self.there = list(names)
        self.opened: dict[str, FakeInput] = {}
        self.held = ""

    def names(self) -> list[str]:
        return list(self.there)

    def open(self, index: int) -> MidiInput:
        if self.there[index] == self.held:
            raise TempoSourceError("busy")
        port = self.opened[self.there[index]] = FakeInput()
        return port


class Room:
    """Somebody plays clocks into inputs while we look 94 times a second."""

    def __init__(self, wanted: str, *names: str) -> None:
        self.clock = ManualClock()
        self.ports = FakePorts(*names)
        self.tempo = MidiTempo(wanted, self.clock, self.ports)
        self.tempo.open()

    def send(self, name: str, message: list[int]) -> None:
        self.ports.opened[name].come(message, self.clock.now())

    def play(self, name: str, beats: int, bpm: float = 120.0) -> TempoReading:
        for _ in range(24 * beats):
            self.send(name, CLOCK)
            self.look()
            self.clock.advance(60.0 / (24.0 * bpm))
        return self.look()

    def look(self) -> TempoReading:
        return self.tempo.state_at(self.clock.now())

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.tempo.service(self.clock.now())


def test_the_input_that_sends_a_clock_leads_until_it_falls_silent() -> None:
    room = Room("", KEYS, DRUMS)
    waiting = room.look()
    assert waiting.state is TempoState.WAITING
    assert "Keys MIDI 1, Drum Box:Drum Box MIDI 1" in waiting.message
    room.send(DRUMS, START)
    assert room.play(DRUMS, 4).bpm == pytest.approx(120.0)
    assert room.tempo.name == "Drum Box:Drum Box MIDI 1"
    room.send(KEYS, START)
    reading = room.play(KEYS, 8, 90.0)
    assert (reading.state, room.tempo.name) == (TempoState.RUNNING, "Keys:Keys MIDI 1")
    assert reading.bpm == pytest.approx(90.0)
    room.tempo.close()
    assert all(port.closed for port in room.ports.opened.values())


def test_a_stopped_leader_keeps_leading() -> None:
    room = Room("", KEYS, DRUMS)
    room.send(DRUMS, START)
    room.play(DRUMS, 2)
    room.send(DRUMS, STOP)
    reading = room.play(KEYS, 4)
    assert (reading.state, room.tempo.name) == (TempoState.STOPPED, "Drum Box:Drum Box MIDI 1")


def test_a_missing_input_is_awaited_and_heard_when_it_comes() -> None:
    room = Room("drum box", KEYS)
    assert "'drum box' is not connected" in room.look().message
    room.ports.there.append(DRUMS)
    room.wait(0.1)  # too early: nobody looks ten times a second
    assert not room.ports.opened
    room.wait(2.5)
    room.send(DRUMS, START)
    assert room.play(DRUMS, 2).running
    assert list(room.ports.opened) == [DRUMS]


def test_an_input_that_was_pulled_out_goes_on_when_it_is_back_under_another_number() -> None:
    room = Room("Drum Box", DRUMS)
    room.send(DRUMS, START)
    assert room.play(DRUMS, 8).running
    room.ports.there.clear()
    room.wait(3.0)
    lost = room.look()
    assert lost.state is TempoState.LOST
    assert lost.bpm == pytest.approx(120.0)
    back = DRUMS.replace("28:0", "32:0")
    room.ports.there.append(back)
    room.wait(3.0)
    reading = room.play(back, 2)
    assert reading.state is TempoState.RUNNING
    assert reading.beat_phase == pytest.approx(room.clock.now() * 2.0 % 1.0, abs=0.01)


def test_one_that_is_there_but_lost_is_opened_anew() -> None:
    room = Room("", DRUMS)
    first = room.ports.opened[DRUMS]
    room.play(DRUMS, 2)
    room.wait(3.0)
    assert first.closed
    assert room.ports.opened[DRUMS] is not first


def test_an_input_that_another_program_holds_does_not_keep_us_from_the_others() -> None:
    clock, ports = ManualClock(), FakePorts(KEYS, DRUMS)
    ports.held = KEYS
    tempo = MidiTempo("", clock, ports)
    tempo.open()
    assert list(ports.opened) == [DRUMS]
    only = MidiTempo("Keys", clock, ports)
    only.open()
    assert "Keys MIDI 1: busy" in only.state_at(0.0).message
    ports.held = ""
    clock.advance(3.0)
    only.service(clock.now())
    assert "no MIDI clock yet from Keys:Keys MIDI 1" in only.state_at(3.0).message


def test_looking_late_and_irregularly_moves_no_beat() -> None:
    room = Room("", DRUMS)
    port = room.ports.opened[DRUMS]
    port.come(START, 0.0)
    rng = np.random.default_rng(1)
    ticks = (np.arange(24 * 40) * 60.0 / (24.0 * 126.0)).tolist()
    while ticks:
        room.clock.advance(float(rng.choice([0.003, 0.011, 0.03, 0.3], p=[0.3, 0.5, 0.17, 0.03])))
        while ticks and ticks[0] <= room.clock.now():
            port.come(CLOCK, ticks.pop(0))
        reading = room.look()
        if room.clock.now() > 3.0 and ticks:
            apart = (reading.beat_phase or 0.0) - room.clock.now() * 126.0 / 60.0
            assert abs((apart + 0.5) % 1.0 - 0.5) * 60.0 / 126.0 < 0.002


def test_a_driver_that_loses_or_repeats_time_is_right_again_soon_and_never_ahead_of_now() -> None:
    times = ArrivalTimes()
    true_s = np.arange(400) * 0.02
    waits_s = np.diff(true_s, prepend=0.0)
    waits_s[100] += 0.02  # two messages in one packet, both stamped with the time before it
    waits_s[200] -= 0.015
    found = [
        times.take([wait_s], now_s + 0.003)[0]
        for now_s, wait_s in zip(true_s, waits_s, strict=True)
    ]
    late_s = np.array(found) - true_s
    assert late_s.max() <= 0.003 + 1e-9
    np.testing.assert_allclose(np.delete(late_s, slice(200, 265)), 0.003, atol=1e-9)


def test_names_are_found_whole_first_then_by_a_part_of_them() -> None:
    names = ["Midi Through:Midi Through Port-0 14:0", "Keys 2:Keys 2 28:0", "Keys:Keys 24:0"]
    assert wanted_ports(names, "") == [0, 1, 2]
    assert wanted_ports(names, "Keys:Keys 99:0") == [2]
    assert wanted_ports(names, "keys") == [1]
    assert wanted_ports(names, "organ") == []
    assert plain_name(names[1]) == "Keys 2:Keys 2"
    assert plain_name("IAC Driver Bus 1") == "IAC Driver Bus 1"


def test_without_the_package_there_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi2", None)
    with pytest.raises(TempoSourceError, match=r"pip install 'sonolume\[midi\]'"):
        MidiTempo("", ManualClock()).open()
    with pytest.raises(TempoSourceError, match="rtmidi2"):
        midi_input_names()


class FakeLibrary:
    """The package `rtmidi2`, as far as it is used."""

    class MidiIn(FakeInput):
        def __init__(self, client: str) -> None:
            super().__init__()
            self.client = client
            self.steps: list[object] = []

        def ignore_types(self, *, midi_sysex: bool, midi_time: bool, midi_sense: bool) -> None:
            self.steps.append(("ignore", midi_sysex, midi_time, midi_sense))

        def open_port(self, port: int) -> None:
            if port > 1:
                raise ValueError("port number out of range")
            self.steps.append(("open", port))

    def __init__(self, problem: str = "") -> None:
        self.problem = problem

    def get_in_ports(self) -> list[str]:
        if self.problem:
            raise RuntimeError(self.problem)
        return [KEYS, DRUMS]


def test_clocks_are_asked_for_before_the_port_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi2", FakeLibrary())
    port = SystemMidiPorts().open(1)
    assert isinstance(port, FakeLibrary.MidiIn)
    assert port.steps == [("ignore", True, False, True), ("open", 1)]
    assert midi_input_names() == ["Keys:Keys MIDI 1", "Drum Box:Drum Box MIDI 1"]
    with pytest.raises(TempoSourceError, match="out of range"):
        SystemMidiPorts().open(2)


def test_a_system_without_midi_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "MidiInAlsa::initialize: error creating ALSA sequencer client object.\n"
    monkeypatch.setitem(sys.modules, "rtmidi2", FakeLibrary(problem))
    with pytest.raises(TempoSourceError, match="modprobe snd-seq") as caught:
        MidiTempo("", ManualClock()).open()
    assert "\n" not in str(caught.value)
