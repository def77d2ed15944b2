from __future__ import annotations

import numpy as np
import pytest

from engine.audio.pacer import Pacer
from engine.audio.silent import SilentSource
from engine.audio.tone import ToneSource
from engine.clock import ManualClock


def test_a_tone_of_one_second_is_one_second_of_that_tone() -> None:
    clock = ManualClock(5.0)
    source = ToneSource(220.0, clock=clock)
    source.open()
    try:
        clock.advance(1.0)
        source.service(clock.now())
        assert source.ring.written == 48_000
        samples = source.ring.read(0, 48_000)
    finally:
        source.close()
    assert np.argmax(np.abs(np.fft.rfft(samples[:, 0]))) == 220
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1])


def test_the_tone_does_not_depend_on_when_it_is_asked_for() -> None:
    rings = []
    for steps in ([0.5], [0.1, 0.003, 0.397]):
        clock = ManualClock()
        source = ToneSource(330.0, clock=clock)
        source.open()
        for step in steps:
            clock.advance(step)
            source.service(clock.now())
        source.close()
        rings.append(source.ring.read(0, 24_000))
    np.testing.assert_array_equal(rings[0], rings[1])


def test_musical_time_is_time_since_the_start() -> None:
    clock = ManualClock(100.0)
    source = ToneSource(clock=clock)
    source.open()
    clock.advance(0.25)
    assert source.heard_s(clock.now()) == pytest.approx(0.25)
    source.close()


def test_no_device_is_a_state_in_which_time_goes_on() -> None:
    clock = ManualClock()
    source = SilentSource("no microphone: plug one in", clock)
    source.open()
    clock.advance(0.5)
    source.service(clock.now())
    source.close()
    status = source.status()
    assert not status.connected
    assert status.message == "no microphone: plug one in"
    assert source.ring.written == 24_000
    assert not source.ring.read(0, 24_000).any()


def test_pacing_does_not_drift_over_an_hour() -> None:
    pacer = Pacer(44_100)
    pacer.start(3.0)
    written = 0
    for tick in range(1, 360_001):
        written += pacer.due(3.0 + tick * 0.01, written)
    assert written == 3600 * 44_100


def test_a_long_stall_is_dropped_not_caught_up_with() -> None:
    pacer = Pacer(1000, max_stall_s=1.5)
    pacer.start(0.0)
    assert pacer.due(1.0, 0) == 1000
    assert pacer.due(3601.0, 1000) == 1500
    assert pacer.due(3601.1, 2500) == 100
