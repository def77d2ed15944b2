from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from engine.audio import device as device_module
from engine.audio import portaudio as portaudio_module
from engine.audio.device import DeviceSource, list_devices
from engine.clock import ManualClock
from engine.errors import AudioDeviceError
from tests.signals import noise
from tests.unit.fake_portaudio import FakePortAudio


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
    fake = FakePortAudio()
    monkeypatch.setattr(portaudio_module, "portaudio", lambda: fake)
    monkeypatch.setattr(device_module, "portaudio", lambda: fake)
    return fake


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(10.0)


@pytest.fixture
def source(hardware: FakePortAudio, clock: ManualClock) -> Iterator[DeviceSource]:
    source = DeviceSource("ALSA: Interface", clock=clock)
    source.open()
    yield source
    source.close()


def until_written(source: DeviceSource, sample: int) -> None:
    assert source.ring.wait(sample, timeout_s=20.0)


def test_importing_does_not_touch_the_sound_system() -> None:
    code = "import sys, engine.audio.device, engine.audio.file; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "sounddevice" not in done.stdout.split()


def test_devices_are_listed_by_host_and_name(hardware: FakePortAudio) -> None:
    laptop, interface = list_devices()
    assert laptop.key == "ALSA: Laptop"
    assert laptop.default
    assert (interface.inputs, interface.outputs, interface.default_rate_hz) == (8, 8, 48_000)
    assert not interface.default


def test_without_portaudio_the_list_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise AudioDeviceError("PortAudio is not installed")

    monkeypatch.setattr(portaudio_module, "portaudio", missing)
    assert list_devices() == ()


def test_a_device_is_found_by_name_whatever_its_index(
    hardware: FakePortAudio, source: DeviceSource
) -> None:
    assert hardware.stream.options["device"] == 1
    assert hardware.stream.options["blocksize"] == 0
    assert hardware.stream.options["latency"] == "low"
    assert source.status().name == "ALSA: Interface"
    assert source.status().connected


def test_an_unknown_name_says_which_is_nearest(hardware: FakePortAudio) -> None:
    with pytest.raises(AudioDeviceError, match="nearest is 'ALSA: Interface'"):
        DeviceSource("ALSA: Interfaze").open()


def test_no_input_at_all_says_what_to_do(hardware: FakePortAudio) -> None:
    hardware.devices = []
    with pytest.raises(AudioDeviceError, match="plug in a microphone"):
        DeviceSource().open()


def test_one_channel_is_spread_over_both(hardware: FakePortAudio, clock: ManualClock) -> None:
    source = DeviceSource(clock=clock)
    source.open()
    mono = noise(0.02, 48_000)[:, None]
    hardware.stream.record(mono)
    source.close()
    np.testing.assert_array_equal(source.ring.read(0, 960), np.repeat(mono, 2, axis=1))


def test_a_block_of_any_length_arrives_whole(
    hardware: FakePortAudio, source: DeviceSource
) -> None:
    block = np.stack([noise(0.8, 48_000), noise(0.8, 48_000, 1)], axis=1)
    hardware.stream.record(block)
    np.testing.assert_array_equal(source.ring.read(0, len(block)), block)


def test_musical_time_runs_with_the_samples(
    hardware: FakePortAudio, source: DeviceSource, clock: ManualClock
) -> None:
    for _ in range(100):
        clock.advance(0.01)
        hardware.stream.record(np.zeros((480, 2), np.float32))
    assert source.heard_s(clock.now()) == pytest.approx(1.0)
    clock.advance(0.004)
    assert source.heard_s(clock.now()) == pytest.approx(1.004)


def test_a_device_that_vanishes_is_a_state_and_time_goes_on(
    hardware: FakePortAudio, source: DeviceSource, clock: ManualClock
) -> None:
    hardware.stream.record(np.ones((4800, 2), np.float32))
    first = hardware.stream
    del hardware.devices[1]
    clock.advance(1.1)
    source.service(clock.now())
    status = source.status()
    assert not status.connected
    assert "gone" in status.message
    assert first.closed
    until_written(source, 48_000)
    assert not source.ring.read(4800, 40_000).any()


def test_it_comes_back_under_its_name_at_another_index(
    hardware: FakePortAudio, source: DeviceSource, clock: ManualClock
) -> None:
    interface = hardware.devices.pop(1)
    clock.advance(1.1)
    source.service(clock.now())
    hardware.devices.insert(0, interface)
    clock.advance(2.1)
    source.service(clock.now())
    assert source.status().connected
    assert source.status().message == ""
    assert hardware.stream.options["device"] == 0
    assert hardware.initialised >= 2
    before = source.ring.written
    hardware.stream.record(np.full((480, 2), 0.5, np.float32))
    np.testing.assert_array_equal(source.ring.read(before, 480), np.float32(0.5))


def test_a_late_callback_of_the_old_stream_is_ignored(
    hardware: FakePortAudio, source: DeviceSource, clock: ManualClock
) -> None:
    old = hardware.stream
    clock.advance(1.1)
    source.service(clock.now())
    before = source.ring.written
    old.record(np.ones((480, 2), np.float32))
    assert source.ring.written == before


def test_overflows_raise_the_latency_step_by_step(
    hardware: FakePortAudio,
    source: DeviceSource,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = [source.latency_setting]
    for _ in range(4):
        source.service(clock.now())
        for _ in range(2):
            hardware.stream.record(np.zeros((480, 2), np.float32), overflow=True)
        clock.advance(0.5)
        source.service(clock.now())
        asked.append(hardware.stream.options["latency"])
    assert asked == ["low", 0.02, 0.05, 0.1, 0.1]
    assert source.overflows == 8
    assert source.status().connected


def test_one_overflow_a_minute_is_forgiven(
    hardware: FakePortAudio, source: DeviceSource, clock: ManualClock
) -> None:
    for _ in range(4):
        for second in range(61):
            hardware.stream.record(np.zeros((480, 2), np.float32), overflow=second == 0)
            clock.advance(1.0)
            source.service(clock.now())
    assert len(hardware.streams) == 1
    assert source.overflows == 4
