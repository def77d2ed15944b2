"""MIDI inputs that come and go, and which of them leads; no hardware, no package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import pytest

from engine.clock import ManualClock
from engine.control.midi_ports import (
    MidiInput,
    SystemMidiPorts,
    midi_input_names,
    plain_name,
    wanted_ports,
)
from engine.control.midi_tempo import MidiTempo
from engine.errors import TempoSourceError
from engine.messages import TempoState

KEYS, DRUMS = "Keys:Keys MIDI 1 24:0", "Drum Box:Drum Box MIDI 1 28:0"
START, CLOCK, STOP = [0xFA], [0xF8], [0xFC]


class FakeInput:
    """One open input; the test plays into it."""

    def __init__(self, receive: Callable[[Sequence[int]], None]) -> None:
        self.receive = receive
        self.callback: Callable[[Sequence[int], float], None] | None = None
        self.closed = False

    def open_port(self, port: int) -> None: ...

    def ignore_types(self, *, midi_sysex: bool, midi_time: bool, midi_sense: bool) -> None: ...

    def close_port(self) -> None:
        self.closed = True


class FakePorts:
    """A machine whose MIDI inputs are what the test says."""

    def __init__(self, *names: str) -> None:
        self.there = list(names)
        self.opened: dict[str, FakeInput] = {}

    def names(self) -> list[str]:
        return list(self.there)

    def open(self, index: int, receive: Callable[[Sequence[int]], None]) -> MidiInput:
        port = self.opened[self.there[index]] = FakeInput(receive)
        return port

    def play(self, name: str, clock: ManualClock, beats: int, bpm: float = 120.0) -> None:
        for _ in range(24 * beats):
            self.opened[name].receive(CLOCK)
            clock.advance(60.0 / (24.0 * bpm))


def test_the_input_that_sends_a_clock_leads_until_it_falls_silent() -> None:
    clock, ports = ManualClock(), FakePorts(KEYS, DRUMS)
    tempo = MidiTempo("", clock, ports)
    tempo.open()
    waiting = tempo.state_at(clock.now())
    assert waiting.state is TempoState.WAITING
    assert "Keys MIDI 1, Drum Box:Drum Box MIDI 1" in waiting.message
    ports.opened[DRUMS].receive(START)
    ports.play(DRUMS, clock, 4)
    assert tempo.state_at(clock.now()).bpm == pytest.approx(120.0)
    assert tempo.name == "Drum Box:Drum Box MIDI 1"
    ports.opened[KEYS].receive(START)
    for _ in range(8):
        ports.play(KEYS, clock, 1, 90.0)
        reading = tempo.state_at(clock.now())
    assert (reading.state, tempo.name) == (TempoState.RUNNING, "Keys:Keys MIDI 1")
    assert reading.bpm == pytest.approx(90.0)
    tempo.close()
    assert all(port.closed for port in ports.opened.values())


def test_a_stopped_leader_keeps_leading() -> None:
    clock, ports = ManualClock(), FakePorts(KEYS, DRUMS)
    tempo = MidiTempo("", clock, ports)
    tempo.open()
    ports.opened[DRUMS].receive(START)
    ports.play(DRUMS, clock, 2)
    tempo.state_at(clock.now())
    ports.opened[DRUMS].receive(STOP)
    ports.play(KEYS, clock, 4)
    reading = tempo.state_at(clock.now())
    assert (reading.state, tempo.name) == (TempoState.STOPPED, "Drum Box:Drum Box MIDI 1")


def test_a_missing_input_is_awaited_and_heard_when_it_comes() -> None:
    clock, ports = ManualClock(), FakePorts(KEYS)
    tempo = MidiTempo("drum box", clock, ports)
    tempo.open()
    assert "'drum box' is not connected" in tempo.state_at(0.0).message
    ports.there.append(DRUMS)
    tempo.service(clock.now())  # too early: nobody looks ten times a second
    assert not ports.opened
    clock.advance(2.5)
    tempo.service(clock.now())
    ports.opened[DRUMS].receive(START)
    ports.play(DRUMS, clock, 2)
    assert tempo.state_at(clock.now()).running
    assert list(ports.opened) == [DRUMS]


def test_an_input_that_was_pulled_out_goes_on_when_it_is_back_under_another_number() -> None:
    clock, ports = ManualClock(), FakePorts(DRUMS)
    tempo = MidiTempo("Drum Box", clock, ports)
    tempo.open()
    ports.opened[DRUMS].receive(START)
    ports.play(DRUMS, clock, 8)
    assert tempo.state_at(clock.now()).running
    ports.there.clear()
    clock.advance(3.0)
    tempo.service(clock.now())
    lost = tempo.state_at(clock.now())
    assert (lost.state, lost.bpm) == (TempoState.LOST, pytest.approx(120.0))
    back = DRUMS.replace("28:0", "32:0")
    ports.there.append(back)
    clock.advance(3.0)
    tempo.service(clock.now())
    ports.play(back, clock, 2)
    reading = tempo.state_at(clock.now())
    assert reading.state is TempoState.RUNNING
    assert reading.beat_phase == pytest.approx(clock.now() * 2.0 % 1.0, abs=0.01)


def test_one_that_is_there_but_lost_is_opened_anew() -> None:
    clock, ports = ManualClock(), FakePorts(DRUMS)
    tempo = MidiTempo("", clock, ports)
    tempo.open()
    first = ports.opened[DRUMS]
    ports.play(DRUMS, clock, 2)
    clock.advance(3.0)
    tempo.service(clock.now())
    assert first.closed
    assert ports.opened[DRUMS] is not first


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
            super().__init__(lambda message: None)
            self.client = client
            self.steps: list[object] = []

        def ignore_types(self, *, midi_sysex: bool, midi_time: bool, midi_sense: bool) -> None:
            self.steps.append(("ignore", midi_sysex, midi_time, midi_sense))

        def open_port(self, port: int) -> None:
            self.steps.append(("open", port, self.callback is not None))

    def __init__(self, problem: str = "") -> None:
        self.problem = problem

    def get_in_ports(self) -> list[str]:
        if self.problem:
            raise RuntimeError(self.problem)
        return [KEYS, DRUMS]


def test_clocks_are_asked_for_before_the_port_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rtmidi2", FakeLibrary())
    heard: list[Sequence[int]] = []
    port = SystemMidiPorts().open(1, heard.append)
    assert isinstance(port, FakeLibrary.MidiIn)
    assert port.steps == [("ignore", True, False, True), ("open", 1, True)]
    assert port.callback is not None
    port.callback([0xF8], 0.02)
    assert heard == [[0xF8]]
    assert midi_input_names() == ["Keys:Keys MIDI 1", "Drum Box:Drum Box MIDI 1"]


def test_a_system_without_midi_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = "MidiInAlsa::initialize: error creating ALSA sequencer client object.\n"
    monkeypatch.setitem(sys.modules, "rtmidi2", FakeLibrary(problem))
    with pytest.raises(TempoSourceError, match="modprobe snd-seq") as caught:
        MidiTempo("", ManualClock()).open()
    assert "\n" not in str(caught.value)
