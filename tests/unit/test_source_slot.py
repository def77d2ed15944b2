from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.audio import device as device_module
from engine.audio import portaudio as portaudio_module
from engine.clock import ManualClock
from engine.commands import SourceChoice
from engine.errors import AudioDeviceError, AudioFileError
from engine.runtime.listening import open_missing_source, open_source
from engine.runtime.source_slot import LOOK_AGAIN_S, SourceSlot
from tests.scripted_source import ScriptedSource
from tests.unit.fake_portaudio import FakePortAudio

USB = SourceChoice("mic", "ALSA: USB")
USB_ROW = {"name": "USB", "max_input_channels": 2, "max_output_channels": 0}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(10.0)


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio()
    monkeypatch.setattr(portaudio_module, "portaudio", lambda: fake)
    monkeypatch.setattr(device_module, "portaudio", lambda: fake)
    return fake


@pytest.fixture
def slot(clock: ManualClock, hardware: FakePortAudio) -> Iterator[SourceSlot]:
    """A slot over a sound system without hardware."""
    slot = SourceSlot(
        lambda choice: open_source(choice, clock, audible=False),
        lambda choice: open_missing_source(choice, clock),
        clock,
    )
    yield slot
    slot.close()


def test_a_microphone_that_is_missing_at_the_start_is_a_state_and_time_goes_on(
    slot: SourceSlot, clock: ManualClock
) -> None:
    slot.choose(USB)
    status = slot.status()
    assert (status.kind, status.name, status.connected) == ("mic", "ALSA: USB", False)
    assert "no sound input 'ALSA: USB'" in status.message
    heard = slot.heard
    assert heard is not None
    clock.advance(0.5)
    slot.service(clock.now())
    assert heard.source.ring.written == pytest.approx(24_000, abs=480)
    assert not heard.source.ring.read(0, 24_000 - 480).any()


def test_it_is_heard_as_soon_as_it_appears_at_its_own_rate(
    slot: SourceSlot, clock: ManualClock, hardware: FakePortAudio
) -> None:
    slot.choose(USB)
    hardware.rate_hz = 44_100
    hardware.devices.insert(0, USB_ROW)
    clock.advance(LOOK_AGAIN_S + 0.1)
    slot.service(clock.now())
    status = slot.status()
    assert (status.name, status.connected, status.message) == ("ALSA: USB", True, "")
    assert hardware.initialised == 1
    heard = slot.heard
    assert heard is not None
    assert heard.number == 1
    assert heard.source.sample_rate == 44_100


def test_it_is_known_whether_anything_was_ever_heard(
    slot: SourceSlot, clock: ManualClock, hardware: FakePortAudio
) -> None:
    slot.choose(USB)
    assert not slot.opened
    hardware.devices.insert(0, USB_ROW)
    clock.advance(LOOK_AGAIN_S + 0.1)
    slot.service(clock.now())
    assert slot.opened
    slot.close()
    assert slot.opened


def test_the_hardware_is_not_asked_all_the_time(
    slot: SourceSlot, clock: ManualClock, hardware: FakePortAudio
) -> None:
    slot.choose(USB)
    for _ in range(40):
        clock.advance(0.25)
        slot.service(clock.now())
    assert 8 <= hardware.initialised <= 11


def test_the_reason_is_that_of_the_newest_look(
    slot: SourceSlot, clock: ManualClock, hardware: FakePortAudio
) -> None:
    hardware.devices = []
    slot.choose(SourceChoice("mic"))
    assert "0 devices" in slot.status().message
    assert slot.status().name == "default input"
    slot.choose(USB)
    hardware.devices = [{"name": "Laptop", "max_input_channels": 1, "max_output_channels": 0}]
    clock.advance(LOOK_AGAIN_S + 0.1)
    slot.service(clock.now())
    assert "among 1" in slot.status().message


def test_a_sound_system_that_does_not_start_again_is_asked_later(
    slot: SourceSlot, clock: ManualClock, hardware: FakePortAudio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def broken() -> None:
        raise hardware.PortAudioError("no backend")

    slot.choose(USB)
    hardware.devices.append(USB_ROW)
    with monkeypatch.context() as patched:
        patched.setattr(hardware, "_initialize", broken)
        clock.advance(LOOK_AGAIN_S + 0.1)
        slot.service(clock.now())
    assert "no backend" in slot.status().message
    clock.advance(LOOK_AGAIN_S + 0.1)
    slot.service(clock.now())
    assert slot.status().connected


def test_a_choice_made_meanwhile_ends_the_waiting(
    slot: SourceSlot, clock: ManualClock, hardware: FakePortAudio
) -> None:
    slot.choose(USB)
    slot.choose(SourceChoice("tone"))
    hardware.devices.append(USB_ROW)
    clock.advance(LOOK_AGAIN_S + 0.1)
    slot.service(clock.now())
    assert slot.status().kind == "tone"
    assert hardware.initialised == 0


def test_a_file_that_cannot_be_opened_leaves_the_source_as_it_is(slot: SourceSlot) -> None:
    slot.choose(SourceChoice("tone"))
    with pytest.raises(AudioFileError):
        slot.choose(SourceChoice("file", path=Path("/no/such/song.wav")))
    assert slot.status().kind == "tone"


def test_the_old_source_is_closed_and_its_overflows_are_not_forgotten(clock: ManualClock) -> None:
    first, second = ScriptedSource(), ScriptedSource()
    sources = iter((first, second))
    slot = SourceSlot(lambda choice: next(sources), lambda choice: next(sources), clock)
    slot.choose(SourceChoice("mic"))
    first.overflows = 3
    slot.choose(SourceChoice("mic"))
    second.overflows = 1
    assert (first.closed, second.closed) == (True, False)
    assert slot.overflows == 4
    slot.close()
    slot.close()
    assert second.closed
    assert slot.overflows == 4
    assert slot.status().kind == "none"


def test_only_microphones_are_awaited(clock: ManualClock) -> None:
    def broken(choice: SourceChoice) -> ScriptedSource:
        raise AudioDeviceError("no loudspeaker")

    slot = SourceSlot(broken, broken, clock)
    with pytest.raises(AudioDeviceError, match="no loudspeaker"):
        slot.choose(SourceChoice("demo"))
