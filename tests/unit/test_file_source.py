from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from engine.audio import speaker as speaker_module
from engine.audio.file import FileSource
from engine.clock import ManualClock
from engine.errors import AudioFileError
from tests.signals import noise
from tests.unit.fake_portaudio import FakePortAudio

RATE = 12_000
LEAD = round(0.04 * RATE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, noise(2.0, RATE), RATE, subtype="FLOAT")
    return path


class Player:
    """A file that plays by a manual clock, on its own."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.clock = ManualClock(50.0)
        self.source = FileSource(path, clock=self.clock, audible=False, **options)

    def __enter__(self) -> Player:
        self.source.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)
            self.source.service(self.clock.now())

    @property
    def heard(self) -> int:
        return round(self.source.heard_s(self.clock.now()) * RATE)


def test_the_engine_gets_the_file_40_ms_before_it_is_heard(path: Path) -> None:
    whole = noise(2.0, RATE)
    with Player(path) as player:
        player.run(1.0)
        assert player.heard == RATE
        assert player.source.ring.written == RATE + LEAD
        np.testing.assert_array_equal(player.source.ring.read(0, RATE)[:, 0], whole[:RATE])
        assert player.source.status().position_s == pytest.approx(1.0, abs=0.001)


def test_at_the_end_it_stops_and_silence_flows_on(path: Path) -> None:
    with Player(path) as player:
        player.run(2.5)
        status = player.source.status()
        assert not status.playing
        assert status.position_s == pytest.approx(2.0)
        assert player.source.ring.written == round(2.5 * RATE) + LEAD
        assert not player.source.ring.read(2 * RATE, RATE // 2).any()


def test_a_loop_starts_again_without_a_gap(path: Path) -> None:
    whole = noise(2.0, RATE)
    with Player(path, loop=True) as player:
        player.run(2.5)
        status = player.source.status()
        assert status.playing
        assert status.position_s == pytest.approx(0.5, abs=0.001)
        around = player.source.ring.read(2 * RATE - 100, 200)[:, 0]
        np.testing.assert_array_equal(around, np.concatenate([whole[-100:], whole[:100]]))


def test_a_pause_is_silence_and_the_file_waits(path: Path) -> None:
    whole = noise(2.0, RATE)
    with Player(path) as player:
        player.run(0.5)
        player.source.play(False)
        player.run(0.5)
        paused_at = player.source.status().position_s
        assert not player.source.status().playing
        assert paused_at == pytest.approx(0.54, abs=0.011)
        player.source.play(True)
        player.run(0.5)
        assert player.source.status().position_s == pytest.approx(paused_at + 0.46, abs=0.011)
        newest = player.source.ring.read(player.source.ring.written - 100, 100)[:, 0]
        start = np.flatnonzero(whole == newest[0])[0]
        np.testing.assert_array_equal(newest, whole[start : start + 100])


def test_a_seek_moves_the_file_but_never_musical_time(path: Path) -> None:
    whole = noise(2.0, RATE)
    with Player(path) as player:
        player.run(1.0)
        player.source.seek(0.25)
        player.run(0.5)
        assert player.heard == round(1.5 * RATE)
        assert player.source.status().position_s == pytest.approx(0.71, abs=0.011)
        first = RATE + LEAD
        np.testing.assert_array_equal(
            player.source.ring.read(first, 100)[:, 0], whole[3000 : 3000 + 100]
        )


@pytest.mark.parametrize(("wanted", "got"), [(-5.0, 0.0), (99.0, 2.0)])
def test_seeks_are_clamped_to_the_file(path: Path, wanted: float, got: float) -> None:
    with Player(path) as player:
        player.source.play(False)
        player.source.seek(wanted)
        player.run(0.2)
        assert player.source.status().position_s == pytest.approx(got, abs=0.001)


def test_play_at_the_end_starts_again(path: Path) -> None:
    with Player(path) as player:
        player.run(2.5)
        player.source.play(True)
        player.run(0.5)
        status = player.source.status()
        assert status.playing
        assert status.position_s == pytest.approx(0.46, abs=0.011)


def test_a_jump_back_from_the_end_plays_on_from_there(path: Path) -> None:
    with Player(path) as player:
        player.run(2.5)
        player.source.seek(0.5)
        player.run(0.5)
        status = player.source.status()
        assert status.playing
        assert status.position_s == pytest.approx(0.96, abs=0.011)


def test_a_missing_file_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="there is no file"):
        FileSource(tmp_path / "none.wav", clock=ManualClock()).open()


class TestWithALoudspeaker:
    """The loudspeaker is played by hand: its progress is the clock of the show."""

    @pytest.fixture
    def hardware(self, monkeypatch: pytest.MonkeyPatch) -> FakePortAudio:
        fake = FakePortAudio()
        monkeypatch.setattr(speaker_module, "portaudio", lambda: fake)
        return fake

    def test_what_was_played_is_musical_time(self, path: Path, hardware: FakePortAudio) -> None:
        whole = noise(2.0, RATE)
        clock = ManualClock(50.0)
        source = FileSource(path, clock=clock)
        source.open()
        try:
            played = []
            for _ in range(50):
                played.append(hardware.stream.play(120, delay_s=0.02))
                clock.advance(120 / RATE)
                source.service(clock.now())
        finally:
            source.close()
        np.testing.assert_array_equal(np.concatenate(played)[:, 0], whole[:6000])
        assert source.heard_s(clock.now()) == pytest.approx(0.5 - 0.02, abs=0.002)
        lead_s = source.ring.written / RATE - source.heard_s(clock.now())
        assert lead_s == pytest.approx(0.04, abs=0.005)
        assert source.overflows == 0

    def test_volume_is_for_the_ears_only(self, path: Path, hardware: FakePortAudio) -> None:
        whole = noise(2.0, RATE)
        clock = ManualClock()
        source = FileSource(path, clock=clock)
        source.set_volume(0.25)
        source.open()
        try:
            first = hardware.stream.play(120, delay_s=0.02)
            clock.advance(0.03)
            source.service(clock.now())
        finally:
            source.close()
        np.testing.assert_allclose(first[:, 0], 0.25 * whole[:120], rtol=1e-6)
        np.testing.assert_array_equal(source.ring.read(0, 120)[:, 0], whole[:120])
        assert source.status().volume == 0.25

    def test_when_it_dies_the_host_clock_takes_over(
        self, path: Path, hardware: FakePortAudio, caplog: pytest.LogCaptureFixture
    ) -> None:
        clock = ManualClock()
        source = FileSource(path, clock=clock)
        source.open()
        try:
            hardware.stream.play(120, delay_s=0.0)
            clock.advance(1.5)
            source.service(clock.now())
            before_s = source.heard_s(clock.now())
            clock.advance(0.5)
            source.service(clock.now())
            assert source.heard_s(clock.now()) == pytest.approx(before_s + 0.5)
            assert "loudspeaker stopped" in source.status().message
        finally:
            source.close()
        assert hardware.stream.closed
        assert "loudspeaker stopped" in caplog.text

    def test_none_at_all_is_no_error(self, path: Path, hardware: FakePortAudio) -> None:
        hardware.outputs = False
        clock = ManualClock()
        source = FileSource(path, clock=clock)
        source.open()
        try:
            clock.advance(0.5)
            source.service(clock.now())
            assert source.ring.written == round(0.54 * RATE)
            assert "no loudspeaker" in source.status().message
        finally:
            source.close()
