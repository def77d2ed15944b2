from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder

from engine import commands as cmd
from engine.clock import MonotonicClock
from engine.control.osc import OscServer
from engine.control.steady import SteadyTempo
from engine.diffusion.models.null import NullModel
from engine.errors import PresetError, TempoSourceError
from engine.messages import EngineStatus, Phase
from engine.protocols import TempoSource
from engine.registry import ModelEntry, ModelRequest
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from engine.sinks.recorder import Recorder
from tests.scripted_source import ScriptedSource, feed_realtime

WAIT_S = 90.0


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
def engine(source: ScriptedSource) -> Iterator[Engine]:
    config = EngineConfig(model="null", width=128, height=96, fps=60.0)
    running = Engine(config, open_source=lambda choice: source)
    running.start()
    yield running
    running.close()


def until(engine: Engine, condition: Callable[[EngineStatus], bool]) -> EngineStatus:
    """Return the first status that fulfils the condition."""
    clock, stop = MonotonicClock(), threading.Event()
    end_s = clock.now() + WAIT_S
    while clock.now() < end_s:
        status = engine.status()
        if condition(status):
            return status
        stop.wait(0.01)
    pytest.fail(f"never happened; last status: {engine.status()}")


def play(source: ScriptedSource, seconds: float) -> None:
    feed_realtime(source, MonotonicClock(), seconds, threading.Event().wait)


def test_sound_becomes_pictures_and_frames(engine: Engine, source: ScriptedSource) -> None:
    play(source, 1.0)
    status = until(engine, lambda s: s.pictures > 2 and s.frames > 10)
    assert status.phase is Phase.RUNNING
    assert status.features is not None
    assert status.features.onset_count > 0
    frame = engine.frames.get()
    assert frame is not None
    assert frame.pixels.shape == (96, 128, 3)
    assert not frame.pixels.flags.writeable


def test_frames_flow_before_the_first_sound_and_are_not_black(engine: Engine) -> None:
    until(engine, lambda s: s.frames > 3)
    frame = engine.frames.get()
    assert frame is not None
    assert frame.pixels.mean() > 5.0


def test_a_parameter_set_by_command_reaches_the_status(
    engine: Engine, source: ScriptedSource
) -> None:
    engine.post(cmd.SetParam("diffusion/strength", 0.77))
    play(source, 0.2)
    status = until(engine, lambda s: s.values.get("diffusion/strength") == 0.77)
    assert status.message == ""


def test_an_unknown_parameter_is_a_message_and_the_show_goes_on(
    engine: Engine, source: ScriptedSource, caplog: pytest.LogCaptureFixture
) -> None:
    engine.post(cmd.SetParam("diffusion/strenght", 0.5))
    play(source, 0.2)
    status = until(engine, lambda s: "diffusion/strength" in s.message)
    assert status.phase is not Phase.FAILED


def test_an_outer_clock_leads_when_asked_and_one_that_cannot_be_had_is_a_message(
    source: ScriptedSource, caplog: pytest.LogCaptureFixture
) -> None:
    def open_tempo(choice: cmd.ClockChoice) -> TempoSource | None:
        if choice.kind == "link":
            raise TempoSourceError("Ableton Link needs the package LinkPython-extern")
        return SteadyTempo(97.0) if choice.kind == "midi" else None

    config = EngineConfig(model="null", width=128, height=96, clock=cmd.ClockChoice("midi"))
    running = Engine(config, open_source=lambda choice: source, open_tempo=open_tempo)
    running.start()
    try:
        play(source, 0.3)
        status = until(running, lambda s: s.features is not None)
        assert status.features is not None
        assert (status.features.tempo_source, status.tempo.kind) == ("midi", "midi")
        assert status.features.tempo_bpm == pytest.approx(97.0)
        running.post(cmd.SelectClock(cmd.ClockChoice("link")))
        status = until(running, lambda s: "LinkPython-extern" in s.message)
        assert status.tempo.kind == "midi"
        running.post(cmd.SelectClock(cmd.ClockChoice("sound")))
        until(running, lambda s: s.tempo.kind == "sound" and not s.message)
        play(source, 0.1)
        until(running, lambda s: s.features is not None and s.features.tempo_source == "sound")
    finally:
        running.close()


def test_a_broken_preset_keeps_the_show(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text('name = "x"\nprompts = [{ txt = "y" }]\n')
    engine.post(cmd.LoadPreset(str(broken)))
    status = until(engine, lambda s: "broken.toml" in s.message)
    assert "text" in status.message
    assert status.preset == "default"


def test_an_unknown_model_keeps_the_model_it_has(engine: Engine, source: ScriptedSource) -> None:
    play(source, 0.2)
    until(engine, lambda s: s.pictures > 0)
    engine.post(cmd.SelectModel("no-such-model"))
    play(source, 0.2)
    status = until(engine, lambda s: "no-such-model" in s.message)
    assert status.model == "null"
    made = status.pictures
    play(source, 0.3)
    until(engine, lambda s: s.pictures > made)


def test_another_model_is_opened_while_the_old_picture_keeps_moving(
    engine: Engine, source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_open = threading.Event()

    class Slow(NullModel):
        @property
        def name(self) -> str:
            return "slow"

    def open_slowly(request: ModelRequest) -> NullModel:
        assert threading.current_thread().name == "diffusion"
        assert may_open.wait(WAIT_S)
        return Slow(request.width, request.height)

    play(source, 0.2)
    assert until(engine, lambda s: s.pictures > 0).model_asked == "null"
    find = {"slow": ModelEntry("slow", "", ""), "null": ModelEntry("null", "", "")}
    monkeypatch.setattr("engine.runtime.brushes.find_model", find.__getitem__)
    monkeypatch.setattr("engine.runtime.brushes.load_factory", lambda entry: open_slowly)
    engine.post(cmd.SelectModel("slow"))
    status = until(engine, lambda s: s.model_opening == "slow")
    assert (status.phase, status.model, status.model_asked) == (Phase.LOADING, "null", "null")
    until(engine, lambda s: s.frames > status.frames + 10)
    may_open.set()
    play(source, 0.2)
    status = until(engine, lambda s: s.model_asked == "slow" and s.phase is Phase.RUNNING)
    assert (status.model, status.model_opening, status.message) == ("slow", "", "")
    until(engine, lambda s: s.pictures > status.pictures)


def test_without_samples_the_show_goes_on_in_silence(engine: Engine) -> None:
    status = until(engine, lambda s: s.features is not None and s.features.silent)
    assert status.features is not None
    until(engine, lambda s: s.pictures > 0)


def test_musical_time_never_jumps_back_when_the_source_changes(
    engine: Engine, source: ScriptedSource
) -> None:
    play(source, 0.6)
    until(engine, lambda s: s.pictures > 0)
    before = engine._controls.get()
    assert before is not None
    engine.post(cmd.SelectSource(cmd.SourceChoice("tone")))
    until(engine, lambda s: engine._slot.heard is not None and engine._slot.heard.number == 1)
    play(source, 0.3)
    after = engine._controls.get()
    assert after is not None
    assert after.time_s >= before.time_s


def test_a_backlog_is_dropped_not_queued_and_counted(
    engine: Engine, source: ScriptedSource
) -> None:
    play(source, 0.1)
    before = until(engine, lambda s: s.features is not None)
    source.feed(np.zeros(source.sample_rate * 2, np.float32))
    play(source, 0.1)
    status = until(engine, lambda s: s.overflows > before.overflows)
    assert status.phase is not Phase.FAILED
    assert engine.report()["overflows"] == engine.status().overflows
    until(engine, lambda s: s.features.sample_index > 2 * source.sample_rate)  # type: ignore[union-attr]


def test_freeze_and_blackout_act_at_once(engine: Engine, source: ScriptedSource) -> None:
    play(source, 0.3)
    until(engine, lambda s: s.pictures > 0)
    engine.post(cmd.Blackout(on=True))
    until(engine, lambda s: s.blackout)
    seen = engine.frames.version
    until(engine, lambda s: engine.frames.version > seen + 2)
    frame = engine.frames.get()
    assert frame is not None
    assert frame.pixels.max() == 0
    engine.post(cmd.Blackout(on=False))


def test_a_recording_holds_picture_and_sound(
    engine: Engine, source: ScriptedSource, tmp_path: Path
) -> None:
    import av

    path = tmp_path / "show.mp4"
    play(source, 0.2)
    engine.post(cmd.StartRecording(path))
    until(engine, lambda s: s.record is not None)
    play(source, 1.5)
    until(engine, lambda s: s.record is not None and s.record.frames > 30)
    engine.post(cmd.StopRecording())
    status = until(engine, lambda s: s.recorded is not None)
    assert status.record is None
    assert status.recorded is not None
    assert status.recorded.path == str(path)
    with av.open(str(path)) as movie:
        video, sound = movie.streams.video[0], movie.streams.audio[0]
        assert video.codec_context.name == "h264"
        assert sound.codec_context.name == "aac"
        frames = sum(1 for _ in movie.decode(video))
        assert frames == status.recorded.frames > 30  # the message tells the true length
        assert movie.duration is not None
        assert movie.duration / 1e6 == pytest.approx(status.recorded.seconds, abs=1 / 60)


def test_stopping_a_recording_waits_for_no_encoder(
    engine: Engine,
    source: ScriptedSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    may_close = threading.Event()
    close = Recorder.close

    def close_slowly(recorder: Recorder) -> None:
        assert may_close.wait(WAIT_S)
        close(recorder)

    monkeypatch.setattr(Recorder, "close", close_slowly)
    play(source, 0.2)
    engine.post(cmd.StartRecording(tmp_path / "one.mp4"))
    until(engine, lambda s: s.record is not None and s.record.frames > 3)
    engine.post(cmd.StopRecording())
    until(engine, lambda s: s.record is not None and s.record.finishing)
    engine.post(cmd.LoadPreset("storm"))  # the control thread is free
    status = until(engine, lambda s: s.preset == "storm")
    assert status.recorded is None
    engine.post(cmd.StartRecording(tmp_path / "one.mp4"))
    until(engine, lambda s: "still being finished" in s.message)
    may_close.set()
    status = until(engine, lambda s: s.recorded is not None)
    assert status.recorded is not None
    assert status.recorded.frames > 3


def test_to_be_asked_to_record_again_does_not_cut_the_take(
    engine: Engine, source: ScriptedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.recordings.recording_path", lambda: tmp_path / "a.mp4")
    play(source, 0.2)
    engine.post(cmd.StartRecording())
    first = until(engine, lambda s: s.record is not None and s.record.frames > 3).record
    monkeypatch.setattr("engine.runtime.recordings.recording_path", lambda: tmp_path / "b.mp4")
    engine.post(cmd.StartRecording())
    engine.post(cmd.LoadPreset("storm"))  # comes after it on the same thread
    status = until(engine, lambda s: s.preset == "storm")
    assert first is not None
    assert status.record is not None
    assert status.record.path == first.path
    assert not (tmp_path / "b.mp4").exists()


def test_a_command_that_fails_is_one_line_in_the_window_and_in_the_log(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    server = OscServer(engine.post, port=0, on_refused=engine.warn)
    server.open()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:

            def send(address: str, argument: str) -> None:
                message = OscMessageBuilder(address)
                message.add_arg(argument)
                client.sendto(message.build().dgram, ("127.0.0.1", server.port))

            send("/sonolume/preset/load", "pulze")
            status = until(engine, lambda s: "did you mean 'pulse'" in s.message)
            assert status.preset == "default"
            send("/sonolume/diffusion/strength", "much")
            until(engine, lambda s: "needs a number, got 'much'" in s.message)
    finally:
        server.close()
    warned = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert sum("no preset 'pulze'" in line for line in warned) == 1
    assert sum("needs a number" in line for line in warned) == 1


def test_without_a_picture_the_figures_say_why(
    source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_open = threading.Event()

    def open_slowly(request: ModelRequest) -> NullModel:
        assert may_open.wait(WAIT_S)
        return NullModel(request.width, request.height)

    monkeypatch.setattr("engine.runtime.brushes.load_factory", lambda entry: open_slowly)
    engine = Engine(
        EngineConfig(model="null", width=64, height=64), open_source=lambda choice: source
    )
    engine.start()
    try:
        until(engine, lambda s: s.model_opening == "null" and s.frames > 3)
        message = engine.report()["message"]
        assert message == "no picture was painted: null was still loading; run longer"
        assert engine.status().message == ""  # while it runs there is nothing to complain about
    finally:
        may_open.set()
        engine.close()


def test_frames_made_and_dropped_are_never_more_than_were_asked_for(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    until(engine, lambda s: s.frames > 3)
    compose = engine._composer.compose
    pause = threading.Event()

    def slowly(*values: object, **named: object) -> object:
        pause.wait(0.1)  # six frames long
        return compose(*values, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(engine._composer, "compose", slowly)
    status = until(engine, lambda s: s.dropped > 20)
    times = engine._pace._times
    asked = (times[-1] - engine._pace._first_s) * 60.0 + 1
    assert status.frames + status.dropped <= asked + 1


def test_an_unwritable_recording_is_a_message_and_the_show_goes_on(
    engine: Engine, source: ScriptedSource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    play(source, 0.2)
    engine.post(cmd.StartRecording(tmp_path / "no-such-folder" / "x.mp4"))
    play(source, 0.5)
    until(engine, lambda s: "no-such-folder" in s.message)
    frames = engine.status().frames
    until(engine, lambda s: s.frames > frames + 5)


def test_an_unknown_preset_is_refused_at_the_start() -> None:
    with pytest.raises(PresetError, match="did you mean 'default'"):
        Engine(EngineConfig(preset="defalt"))


def test_a_model_that_cannot_be_opened_leaves_frames_flowing(
    source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.engine.DEFAULT_MODEL", "null")
    config = EngineConfig(model="/no/such/folder", width=64, height=64)
    engine = Engine(config, open_source=lambda choice: source)
    engine.start()
    try:
        status = until(engine, lambda s: "/no/such/folder" in s.message)
        until(engine, lambda s: s.frames > status.frames + 3)
        status = until(engine, lambda s: s.model_asked == "null" and s.message != "")
        assert status.message.endswith("; null paints instead")
    finally:
        engine.close()


def test_close_is_idempotent(source: ScriptedSource) -> None:
    engine = Engine(EngineConfig(model="null"), open_source=lambda choice: source)
    engine.start()
    engine.close()
    engine.close()
    assert source.closed
    assert engine.status().phase is Phase.STOPPED
