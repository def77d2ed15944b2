"""The system's own sound as a source, without hardware."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from app import doctor
from engine.audio import loopback as loopback_module
from engine.audio.loopback import LoopbackSource, cables, find_loopback, no_loopback
from engine.audio.portaudio import DeviceInfo
from engine.audio.pulse import PulseSystem
from engine.audio.wasapi import WasapiSystem
from engine.clock import ManualClock
from engine.commands import SourceChoice
from engine.errors import AudioDeviceError
from engine.runtime.source_slot import LOOK_AGAIN_S, SourceSlot
from tests.signals import noise
from tests.unit.fake_sound_system import FakeSoundSystem


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(10.0)


@pytest.fixture
def system() -> FakeSoundSystem:
    return FakeSoundSystem("speakers", "headphones")


@pytest.fixture
def source(clock: ManualClock, system: FakeSoundSystem) -> Iterator[LoopbackSource]:
    source = LoopbackSource(clock=clock, system=system)
    source.open()
    yield source
    source.close()


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(4000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it never happened")


def block(samples: int = 480, seed: int = 0) -> np.ndarray:
    mono = noise(samples / 48_000, 48_000, seed)
    return np.stack([mono, -mono], axis=1).astype(np.float32)


def test_what_the_system_plays_arrives_unchanged(
    source: LoopbackSource, system: FakeSoundSystem
) -> None:
    blocks = [block(n, n) for n in (480, 7, 961)]
    for one in blocks:
        system.taps[0].blocks.put(one)
    assert source.ring.wait(480 + 7 + 961, timeout_s=20.0)
    np.testing.assert_array_equal(source.ring.read(0, 1448), np.concatenate(blocks))
    status = source.status()
    assert (status.kind, status.name, status.connected) == (
        "loopback", "PulseAudio: speakers", True,
    )  # fmt: skip


def test_while_nothing_plays_silence_comes_from_the_clock(
    source: LoopbackSource, system: FakeSoundSystem, clock: ManualClock
) -> None:
    system.taps[0].blocks.put(block(480))
    until(lambda: source.ring.written == 480)
    clock.advance(1.0)
    assert source.ring.wait(480 + 46_000, timeout_s=20.0)
    assert not source.ring.read(480, 46_000).any()
    assert source.heard_s(clock.now()) == pytest.approx(1.01, abs=0.02)
    assert source.status().connected


def test_a_suspended_machine_does_not_catch_up_with_hours(
    source: LoopbackSource, clock: ManualClock
) -> None:
    clock.advance(7200.0)
    assert source.ring.wait(48_000, timeout_s=20.0)
    threading.Event().wait(0.1)
    assert source.ring.written < 3 * 48_000


def test_a_server_that_dies_is_a_state_and_it_comes_back_by_itself(
    source: LoopbackSource, system: FakeSoundSystem, clock: ManualClock
) -> None:
    names, system.names = system.names, []
    system.taps[0].blocks.put(None)
    until(lambda: not source.status().connected)
    assert "PulseAudio: speakers is gone" in source.status().message
    clock.advance(0.5)
    source.service(clock.now())
    assert "start PulseAudio" in source.status().message
    assert source.ring.wait(20_000, timeout_s=20.0)
    system.names = names
    clock.advance(0.5)
    source.service(clock.now())
    until(lambda: source.status().connected)
    assert source.status().message == ""
    before = source.ring.written
    system.taps[1].blocks.put(block(480))
    assert source.ring.wait(before + 480, timeout_s=20.0)
    assert system.taps[0].closed


def test_it_follows_the_system_to_another_loudspeaker(
    source: LoopbackSource, system: FakeSoundSystem, clock: ManualClock
) -> None:
    clock.advance(2.1)
    source.service(clock.now())
    assert len(system.taps) == 1
    system.names.reverse()
    clock.advance(2.1)
    source.service(clock.now())
    until(lambda: system.taps[0].closed)
    assert source.status().name == "PulseAudio: headphones"
    assert source.status().connected


def test_a_loudspeaker_that_was_named_is_kept(clock: ManualClock, system: FakeSoundSystem) -> None:
    source = LoopbackSource("PulseAudio: headphones", clock=clock, system=system)
    source.open()
    system.names.reverse()
    clock.advance(5.0)
    source.service(clock.now())
    assert source.status().name == "PulseAudio: headphones"
    assert len(system.taps) == 1
    source.close()
    source.close()
    assert system.taps[0].closed


def test_a_loudspeaker_is_found_by_key_or_name_and_the_nearest_is_told() -> None:
    found = FakeSoundSystem("speakers", "headphones").loopbacks()
    assert find_loopback("", found).name == "speakers"
    assert find_loopback("HEADPHONES", found).name == "headphones"
    assert find_loopback("pulseaudio: headphones", found).name == "headphones"
    with pytest.raises(AudioDeviceError, match="nearest is 'PulseAudio: headphones'"):
        find_loopback("PulseAudio: headphone", found)


def test_a_virtual_cable_is_known_by_its_name() -> None:
    core = [
        DeviceInfo("Core Audio", "MacBook Microphone", 1, 0, 48_000, True),
        DeviceInfo("Core Audio", "BlackHole 2ch", 2, 2, 48_000, False),
        DeviceInfo("Core Audio", "BlackHole 2ch", 0, 2, 48_000, False),
    ]
    (cable,) = cables(core)
    assert cable.key == "Core Audio: BlackHole 2ch"
    assert cable.loopback
    assert "BlackHole" in no_loopback("darwin")
    assert loopback_module.sound_system("darwin") is None


def test_system_sound_that_is_missing_is_awaited(
    clock: ManualClock, system: FakeSoundSystem
) -> None:
    def opener(choice: SourceChoice) -> LoopbackSource:
        source = LoopbackSource(choice.device, clock=clock, system=system)
        source.open()
        return source

    names, system.names = system.names, []
    slot = SourceSlot(opener, opener, clock)
    slot.choose(SourceChoice("loopback"))
    status = slot.status()
    assert (status.kind, status.name, status.connected) == ("loopback", "system sound", False)
    assert "start PulseAudio" in status.message
    system.names = names
    clock.advance(LOOK_AGAIN_S + 0.1)
    slot.service(clock.now())
    assert slot.status().name == "PulseAudio: speakers"
    assert slot.status().connected
    slot.close()


def test_without_the_tools_of_the_sound_server_the_remedy_is_named() -> None:
    system = PulseSystem({"PATH": "/nowhere"})
    if sys.platform.startswith("linux"):
        with pytest.raises(AudioDeviceError, match="apt install pulseaudio-utils"):
            system.loopbacks()


class Recorder:
    """As SoundCard's."""

    def __init__(self) -> None:
        self.open = False
        self.broken = False

    def __enter__(self) -> Recorder:
        self.open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.open = False

    def record(self, numframes: None) -> np.ndarray:
        if self.broken:
            raise RuntimeError("AUDCLNT_E_DEVICE_INVALIDATED")
        return np.full((480, 2), 0.5)


def test_windows_is_heard_through_soundcard_and_its_end_is_noticed() -> None:
    recorder = Recorder()

    def microphone(name: str, isloopback: bool) -> SimpleNamespace:
        return SimpleNamespace(
            name=name, isloopback=isloopback, recorder=lambda rate, channels, blocksize: recorder
        )

    package = SimpleNamespace(
        default_speaker=lambda: SimpleNamespace(name="Speakers"),
        all_microphones=lambda include_loopback: [
            microphone("HDMI", True), microphone("Speakers", True), microphone("Mic", False),
        ],
    )  # fmt: skip
    system = WasapiSystem(package)
    first, second = system.loopbacks()
    assert (first.key, first.default) == ("Windows WASAPI: Speakers", True)
    assert (second.name, second.default) == ("HDMI", False)
    tap = system.tap(first)
    assert recorder.open
    assert tap.read(0.02).shape == (480, 2)
    recorder.broken = True
    with pytest.raises(AudioDeviceError, match="INVALIDATED"):
        tap.read(0.02)
    tap.close()
    tap.close()
    assert not recorder.open


def test_the_doctor_says_why_there_is_no_system_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    system = FakeSoundSystem()
    monkeypatch.setattr(loopback_module, "sound_system", lambda: system)
    (finding,) = doctor.check_loopback()
    assert (finding.ok, finding.present) == (True, False)
    assert "start PulseAudio" in finding.what
    system.names = ["speakers"]
    assert doctor.check_loopback()[0].what == "1: speakers"
