"""The outer clock of a running show: chosen, refused, given up, and asked at each hop's moment."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from app.argument_values import as_clock
from app.cli import main
from engine.clock import ManualClock
from engine.commands import ClockChoice
from engine.control.steady import SteadyTempo
from engine.errors import TempoSourceError
from engine.messages import AudioFeatures
from engine.protocols import TempoSource
from engine.runtime.pump import Pump
from engine.runtime.tempo_slot import TempoSlot
from tests.scripted_source import ScriptedSource

RATE = 48_000
MIDI, OTHER, LINK = ClockChoice("midi"), ClockChoice("midi", "Keys"), ClockChoice("link")


class Counted(SteadyTempo):
    """Says what is done to it."""

    def __init__(self, log: list[str], choice: ClockChoice) -> None:
        super().__init__(120.0)
        self.log, self.choice = log, choice
        log.append(f"open {choice.kind} {choice.port}".strip())

    def service(self, now_s: float) -> None:
        self.log.append(f"service {now_s:g}")

    def close(self) -> None:
        self.log.append(f"close {self.choice.kind} {self.choice.port}".strip())


def slot_with(log: list[str]) -> TempoSlot:
    def opener(choice: ClockChoice) -> TempoSource | None:
        if choice.kind == "link":
            raise TempoSourceError("Ableton Link needs a package")
        return Counted(log, choice) if choice.kind == "midi" else None

    return TempoSlot(ManualClock(), opener)


def test_clocks_are_opened_looked_after_exchanged_and_closed() -> None:
    log: list[str] = []
    slot = slot_with(log)
    slot.choose(ClockChoice())
    assert (slot.source, slot.status().kind) == (None, "sound")
    slot.choose(MIDI)
    slot.choose(MIDI)  # asked again: nothing happens
    slot.service(3.0)
    assert slot.status().reading.bpm == 120.0
    slot.choose(OTHER)  # the old input is free before the new one is asked for
    slot.choose(ClockChoice())
    slot.close()
    assert log == ["open midi", "service 3", "close midi", "open midi Keys", "close midi Keys"]


def test_a_clock_that_cannot_be_had_leaves_the_old_one_in_the_lead() -> None:
    log: list[str] = []
    slot = slot_with(log)
    slot.choose(MIDI)
    with pytest.raises(TempoSourceError):
        slot.choose(LINK)
    assert slot.status().kind == "midi"
    assert log == ["open midi"]


def test_each_hop_follows_the_clock_at_the_moment_its_last_sample_arrived() -> None:
    clock, source = ManualClock(50.0), ScriptedSource(RATE)
    pump = Pump(source, clock, 0.0)
    pump.follow(SteadyTempo(97.0, 12.3))
    heard: list[AudioFeatures] = []
    for block_s in (0.05, 0.021, 0.3, 0.011, 0.1):
        clock.advance(block_s)
        source.feed(np.zeros(round(block_s * RATE), np.float32))
        heard += pump.hear(pump.next_block())
    assert len(heard) > 30
    for features in heard:
        arrived_s = 50.0 + features.sample_index / RATE
        expected = (arrived_s - 12.3) * 97.0 / 60.0
        assert abs((features.beat_phase - expected + 0.5) % 1.0 - 0.5) < 1e-6
    pump.follow(None)
    clock.advance(0.1)
    source.feed(np.zeros(RATE // 10, np.float32))
    assert list(pump.hear(pump.next_block()))[-1].tempo_source == "sound"


class Early(ScriptedSource):
    """A file's samples: here 0.2 s before the loudspeakers play them."""

    def heard_s(self, now_s: float) -> float:
        return super().heard_s(now_s) - 0.2


def test_what_is_read_ahead_gets_the_beat_of_the_moment_when_it_will_be_heard() -> None:
    clock, source = ManualClock(50.0), Early(RATE)
    pump = Pump(source, clock, 0.0)
    pump.follow(SteadyTempo(97.0, 12.3))
    clock.advance(0.3)
    source.feed(np.zeros(round(0.3 * RATE), np.float32))
    last = list(pump.hear(pump.next_block()))[-1]
    expected = (50.2 + last.sample_index / RATE - 12.3) * 97.0 / 60.0
    assert abs((last.beat_phase - expected + 0.5) % 1.0 - 0.5) < 1e-6


def test_while_no_samples_come_the_beat_goes_on_at_the_clock() -> None:
    clock, source = ManualClock(50.0), ScriptedSource(RATE)
    pump = Pump(source, clock, 0.0)
    pump.follow(SteadyTempo(120.0, 50.0))
    heard: list[AudioFeatures] = []
    for _ in range(4):
        clock.advance(0.3)  # nothing is fed: after 0.25 s the pump goes on with silence
        heard += pump.hear(pump.next_block())
    beats = heard[-1].sample_index / RATE * 2.0
    assert heard[-1].beat_count == int(beats) + 1
    assert abs((heard[-1].beat_phase - beats + 0.5) % 1.0 - 0.5) < 1e-6


def test_the_command_line_names_a_clock() -> None:
    assert as_clock("sound") == ClockChoice()
    assert as_clock("midi") == MIDI
    assert as_clock("midi:Keys") == OTHER
    assert as_clock("link") == LINK


@pytest.mark.parametrize("text", ["dmx", "midi:", "link:2", ""])
def test_another_word_is_wrong_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["live", "--clock", text])
    assert caught.value.code == 2
    assert "choose sound, midi, midi:PORT or link" in capsys.readouterr().err


@pytest.mark.parametrize(("clock", "package"), [("midi", "rtmidi2"), ("link", "link")])
def test_without_its_package_a_clock_is_one_line_with_the_remedy_and_exit_1(
    clock: str,
    package: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    arguments = ["--source", "tone", "--model", "null", "--headless", "--osc-port", "0"]
    assert main(["live", "--clock", clock, "--seconds", "1", *arguments]) == 1
    line = capsys.readouterr().err.strip()
    assert f"pip install 'sonolume[{clock}]'" in line
    assert "\n" not in line


def test_devices_tells_of_midi_inputs_or_why_there_are_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.audio import device
    from engine.control import midi_ports

    monkeypatch.setattr(device, "list_devices", list)
    monkeypatch.setitem(sys.modules, "rtmidi2", None)
    assert main(["devices"]) == 0
    assert "pip install 'sonolume[midi]'" in capsys.readouterr().out
    monkeypatch.setattr(midi_ports, "midi_input_names", lambda: ["Drum Box"])
    assert main(["devices"]) == 0
    assert "MIDI input: Drum Box  (--clock 'midi:Drum Box')" in capsys.readouterr().out
