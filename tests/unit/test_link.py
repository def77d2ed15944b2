"""Ableton Link: the session's beat in our time, and what happens when nobody is there."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from engine.clock import ManualClock, MonotonicClock
from engine.control.link import LinkTempo
from engine.errors import TempoSourceError
from engine.messages import TempoState


class FakeLink:
    """The package `link`: a session at one tempo whose clock is 1000 s ahead of ours."""

    def __init__(self, clock: ManualClock) -> None:
        self.ours = clock
        self.peers = 0
        self.bpm = 126.0
        self.enabled = False

    def Link(self, bpm: float) -> FakeLink:  # noqa: N802 - the package's name
        assert bpm > 0.0
        return self

    def clock(self) -> FakeLink:
        return self

    def micros(self) -> int:
        return round((self.ours.now() + 1000.0) * 1e6)

    def numPeers(self) -> int:  # noqa: N802
        return self.peers

    def captureAppSessionState(self) -> FakeLink:  # noqa: N802
        return self

    def tempo(self) -> float:
        return self.bpm

    def phaseAtTime(self, at_us: int, quantum: float) -> float:  # noqa: N802
        return (at_us / 1e6 - 1000.0) * self.bpm / 60.0 % quantum


def test_the_sessions_beat_and_bar_are_told_in_our_time() -> None:
    clock = ManualClock(5.0)
    library = FakeLink(clock)
    tempo = LinkTempo(clock, library=library)
    tempo.open()
    assert library.enabled
    library.peers = 2
    clock.set(7.3)
    reading = tempo.state_at(7.3)
    assert (reading.state, reading.bpm, tempo.name) == (TempoState.RUNNING, 126.0, "2 peers")
    assert reading.beat_phase == pytest.approx(7.3 * 2.1 % 1.0, abs=1e-5)
    assert reading.bar_phase == pytest.approx(7.3 * 2.1 / 4.0 % 1.0, abs=1e-5)
    tempo.close()
    assert not library.enabled


def test_the_sound_leads_until_somebody_joins_and_the_beat_runs_on_when_they_leave() -> None:
    clock = ManualClock()
    library = FakeLink(clock)
    tempo = LinkTempo(clock, library=library)
    tempo.open()
    assert tempo.state_at(0.0).bpm == 0.0
    assert "waiting" in tempo.state_at(0.0).message
    library.peers = 1
    assert tempo.state_at(0.0).message == ""
    library.peers = 0
    alone = tempo.state_at(1.0)
    assert (alone.state, alone.running, alone.bpm) == (TempoState.LOST, True, 126.0)
    assert "126.0 BPM" in alone.message


def test_without_the_package_there_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "link", None)
    with pytest.raises(TempoSourceError, match=r"pip install 'sonolume\[link\]'"):
        LinkTempo(ManualClock()).open()


def test_a_real_session_on_this_machine_is_followed() -> None:
    link: Any = pytest.importorskip("link")
    tempo = LinkTempo(MonotonicClock())
    tempo.open()
    other = link.Link(90.0)
    other.enabled = True
    ticker = threading.Event()  # never set: a wait that ends by itself
    try:
        for _ in range(100):
            if other.numPeers() and tempo.name == "1 peer":
                break
            ticker.wait(0.05)
        else:
            pytest.skip("Link peers do not find each other here: no multicast")
        state = other.captureAppSessionState()
        state.setTempo(133.0, other.clock().micros())
        other.commitAppSessionState(state)
        for _ in range(100):
            now_s = MonotonicClock().now()
            if tempo.state_at(now_s).bpm == pytest.approx(133.0, rel=1e-4):
                break
            ticker.wait(0.05)
        reading = tempo.state_at(now_s)
        their_us = other.clock().micros() - round((MonotonicClock().now() - now_s) * 1e6)
        theirs = other.captureAppSessionState().phaseAtTime(their_us, 4.0)
        assert reading.state is TempoState.RUNNING
        apart = (4.0 * reading.bar_phase - theirs + 2.0) % 4.0 - 2.0
        assert abs(apart) * 60.0 / 133.0 < 0.005
    finally:
        other.enabled = False
        tempo.close()
