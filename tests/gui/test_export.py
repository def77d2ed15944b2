from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app import cli
from app.engine_bridge import EngineBridge
from app.export_job import ExportJob, ExportRequest, ExportState
from app.main_window import MainWindow
from app.widgets.export_shape import SHAPES, SIZES, output_name, output_size
from app.widgets.export_text import export_text, parse_time
from engine.export.work_folder import WorkFolder
from engine.params import defaults
from engine.presets import load_preset
from tests.gui.fake_engine import FakeEngine

Look = Callable[..., None]

RENDERER = """
import json, pathlib, signal, sys, time
mode, words = sys.argv[1], sys.argv[2:]
output = pathlib.Path(words[words.index("-o") + 1])
stop = []
signal.signal(signal.SIGINT, lambda *_: stop.append(1))
def say(done, total):
    line = {"frames_done": done, "frames_total": total, "fps": 40.0, "eta_s": 1.5}
    print(json.dumps(line), file=sys.stderr, flush=True)
if mode == "fail":
    print("sonolume: /no/x.mp4 cannot be written: no such folder", file=sys.stderr)
    sys.exit(1)
say(0 if mode == "load" else 15, 60)
while mode in ("wait", "load") and not stop:
    time.sleep(0.01)
if stop:
    if mode == "wait":
        folder = output.with_name(output.stem + ".part")
        folder.mkdir(exist_ok=True)
        (folder / ("so-far" + output.suffix)).write_bytes(b"frames")
    sys.exit(130)
say(60, 60)
"""


@pytest.fixture
def request_(tmp_path: Path) -> ExportRequest:
    return ExportRequest("demo", tmp_path / "x.mp4", "default", 512, 512, 30.0, seconds=2.0)


def job_of(mode: str) -> ExportJob:
    return ExportJob([sys.executable, "-c", RENDERER, mode])


def test_arguments_are_those_of_the_command_line() -> None:
    request = ExportRequest(
        Path("/a b.wav"), Path("/o.mp4"), "neon", 1280, 720, 29.97, prompts=("sea", "sky"),
        model="sd-turbo", seed=7, start_s=1.5, seconds=10.0,
    )  # fmt: skip
    assert request.arguments() == [
        "render", "/a b.wav", "-o", "/o.mp4", "--preset", "neon", "--prompt", "sea", "--prompt",
        "sky", "--model", "sd-turbo", "--size", "1280x720", "--fps", "29.97", "--seed", "7",
        "--start", "1.5", "--seconds", "10", "--quality", "18", "--progress-json",
    ]  # fmt: skip
    again = replace(request, resume=True, quality=23).arguments()
    assert again[-4:] == ["--quality", "23", "--resume", "--progress-json"]


def test_the_command_line_understands_what_the_window_asks(request_: ExportRequest) -> None:
    options = cli._parser().parse_args(request_.arguments())
    assert options.progress_json
    assert tuple(options.size) == (512, 512)


def test_an_export_reports_progress_and_ends(qtbot: QtBot, request_: ExportRequest) -> None:
    job = job_of("run")
    states: list[ExportState] = []
    job.changed.connect(states.append)
    job.start(request_)
    qtbot.waitUntil(lambda: job.state.phase == "done", timeout=60_000)
    assert [state.frames_done for state in states if state.phase == "running"] == [0, 15, 60]
    assert job.state.share == 1.0
    job.close()


@pytest.mark.skipif(os.name != "posix", reason="other systems end the child at once")
def test_a_cancelled_export_may_finish_what_it_has(qtbot: QtBot, request_: ExportRequest) -> None:
    job = job_of("wait")
    job.start(request_)
    qtbot.waitUntil(lambda: job.state.frames_done == 15, timeout=60_000)
    job.cancel()
    assert job.state.phase == "cancelling"
    qtbot.waitUntil(lambda: job.state.phase == "cancelled", timeout=60_000)
    assert export_text(job.state) == "15 frames kept in x.part/so-far.mp4"


@pytest.mark.skipif(os.name != "posix", reason="other systems end the child at once")
@pytest.mark.parametrize("left_before", [False, True])
def test_an_export_that_is_cancelled_before_its_first_frame_claims_no_frames(
    left_before: bool, qtbot: QtBot, request_: ExportRequest
) -> None:
    if left_before:
        movie = WorkFolder(request_.output).part_movie
        movie.parent.mkdir()
        movie.write_bytes(b"of an earlier export")
    job = job_of("load")
    job.start(request_)
    qtbot.waitUntil(lambda: job.state.frames_total == 60, timeout=60_000)
    job.cancel()
    qtbot.waitUntil(lambda: job.state.phase == "cancelled", timeout=60_000)
    assert export_text(job.state) == "Cancelled, nothing was rendered"


def test_a_failed_export_says_why(qtbot: QtBot, request_: ExportRequest) -> None:
    job = job_of("fail")
    job.start(request_)
    qtbot.waitUntil(lambda: job.state.phase == "failed", timeout=60_000)
    assert job.state.message == "Export failed: /no/x.mp4 cannot be written: no such folder"


def test_a_renderer_that_does_not_exist_is_a_message(
    qtbot: QtBot, request_: ExportRequest
) -> None:
    job = ExportJob(["/no/such/program"])
    job.start(request_)
    qtbot.waitUntil(lambda: job.state.phase == "failed", timeout=60_000)
    assert "/no/such/program" in job.state.message


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_even_and_keep_the_shape(shape: str, size: int) -> None:
    width, height = output_size(shape, size)
    across, down = SHAPES[shape]
    assert width % 2 == height % 2 == 0
    assert min(width, height) == size
    assert abs(width / height - across / down) < 0.01


def test_names_tell_sound_preset_and_shape() -> None:
    assert output_name("my song", "neon", "16:9") == "my-song-neon-16x9.mp4"


def test_the_panel_makes_a_request_and_refuses_a_length_that_is_none(
    window: MainWindow, bridge: EngineBridge, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[ExportRequest] = []
    monkeypatch.setattr(bridge.export_job, "start", started.append)
    qtbot.keyClick(window, Qt.Key.Key_E)
    panel = window.column.export
    assert panel.isVisible()
    panel.shapes["16:9"].click()
    panel.seconds.setText("soon")
    panel.start.click()
    assert started == []
    assert "'soon'" in window.column.message.text.text()
    panel.seconds.setText("2,5")
    panel.start.click()
    assert len(started) == 1
    request = started[0]
    assert (request.width, request.height, request.seconds) == (910, 512, 2.5)
    assert request.audio == "demo"
    assert request.output.name == "demo-default-16x9.mp4"
    assert not window.column.message.isVisible()


def test_the_panel_shows_progress_and_offers_cancel_only_while_it_runs(
    window: MainWindow, bridge: EngineBridge
) -> None:
    window.column.show_page("export")
    panel = window.column.export
    assert not panel.cancel.isEnabled()
    bridge.export_changed.emit(ExportState("running", "/x.mp4", 30, 60, 24.0, 75.0))
    assert panel.cancel.isEnabled()
    assert not panel.start.isEnabled()
    assert panel.progress.share == 0.5
    assert panel.progress_text.full_text() == "50%   30 of 60 frames   24.0 fps   1:15 left"


def test_what_is_rendered_cannot_be_changed_while_it_renders(
    window: MainWindow, bridge: EngineBridge, look: Look
) -> None:
    window.column.show_page("export")
    panel = window.column.export
    before = panel.output.text()
    fields = (
        panel.audio, panel.short_side, panel.fps, panel.quality, panel.start_at, panel.seconds,
        panel.output, panel.browse, *panel.shapes.values(),
    )  # fmt: skip
    bridge.export_changed.emit(ExportState("running", before, 30, 60, 24.0, 75.0))
    assert [field for field in fields if field.isEnabled()] == []
    assert panel.summary.full_text() == f"Rendering {Path(before).name}"
    look(preset="neon")
    panel.set_audio("/music/other.wav")
    assert panel.output.text() == before
    bridge.export_changed.emit(ExportState("done", before, 60, 60))
    assert all(field.isEnabled() for field in fields)
    assert Path(panel.output.text()).name == "other-neon-1x1.mp4"


def test_a_long_path_shows_its_end_with_an_ellipsis_and_whole_in_its_tooltip(
    window: MainWindow,
) -> None:
    window.column.show_page("export")
    field = window.column.export.output
    path = "/home/somebody/" + "a folder with a name/" * 8 + "song.mp4"
    window.column.export._on_output_chosen(path)
    assert field.shown.startswith("\N{HORIZONTAL ELLIPSIS}")
    assert field.shown.endswith("song.mp4")
    assert field.toolTip() == field.text() == path


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0), ("1:30", 90.0), ("1:02:03,5", 3723.5), ("0", 0.0), (" 7 ", 7.0),
        ("", None), ("soon", None), ("-1", None), ("1:75", None), ("1:2:3:4", None),
        ("inf", None), ("nan", None),
    ],
)  # fmt: skip
def test_times_are_read_as_people_write_them(text: str, seconds: float | None) -> None:
    assert parse_time(text) == seconds


def test_the_start_in_the_sound_is_asked_for_and_refused_when_it_is_no_time(
    window: MainWindow, bridge: EngineBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[ExportRequest] = []
    monkeypatch.setattr(bridge.export_job, "start", started.append)
    panel = window.column.export
    panel.start_at.setText("later")
    panel.start.click()
    assert "Start: 'later'" in window.column.message.text.text()
    panel.start_at.setText("1:15")
    panel.seconds.setText("20")
    panel.start.click()
    assert [(request.start_s, request.seconds) for request in started] == [(75.0, 20.0)]
    panel.seconds.setText("0")
    panel.start.click()
    assert "Seconds: '0'" in window.column.message.text.text()
    assert len(started) == 1


def test_closing_the_window_asks_twice_while_an_export_runs(
    window: MainWindow, bridge: EngineBridge
) -> None:
    bridge.export_job.state = ExportState("running", "/x.mp4", 30, 60)
    window.close()
    assert window.isVisible()
    assert "close again" in window.column.notice.text.text()
    window.close()
    assert not window.isVisible()


def test_an_export_renders_the_look_of_the_moment(
    bridge: EngineBridge, engine: FakeEngine, request_: ExportRequest
) -> None:
    engine.show(values=defaults() | {"motion/zoom": 0.5, "diffusion/seed": 7.0})
    played = bridge._as_played(replace(request_, preset="default"))
    look = load_preset(played.preset)
    assert look.params["motion/zoom"] == 0.5
    assert look.prompts[0].text == engine.now.prompt_texts[0]
    assert played.seed == 7


class Interrupted:
    """An export that was begun in this window and has left its work folder."""

    def __init__(self, bridge: EngineBridge, request: ExportRequest) -> None:
        self.played = bridge._as_played(request)
        self.folder = WorkFolder(request.output)
        self.folder.create()
        self.folder.begin({})
        self.folder.save({"frames_done": 0})


@pytest.fixture
def interrupted(bridge: EngineBridge, engine: FakeEngine, tmp_path: Path) -> Interrupted:
    engine.show(values=defaults() | {"motion/zoom": 0.5, "diffusion/seed": 7.0})
    request = ExportRequest(
        tmp_path / "a.wav", tmp_path / "x.mp4", "default", 720, 720, 24.0, quality=12
    )
    found = Interrupted(bridge, request)
    engine.show(values=defaults() | {"motion/zoom": -0.5})
    return found


def test_an_interrupted_export_goes_on_with_all_it_began_with(
    bridge: EngineBridge, interrupted: Interrupted
) -> None:
    request = bridge.interrupted_export(interrupted.played.output)
    assert request == replace(interrupted.played, resume=True)
    assert request is not None
    assert load_preset(request.preset).params["motion/zoom"] == 0.5
    assert request.seed == 7


def test_nothing_goes_on_that_was_not_begun_here_or_is_done(
    bridge: EngineBridge, interrupted: Interrupted, tmp_path: Path
) -> None:
    other = WorkFolder(tmp_path / "y.mp4")
    other.create()
    other.begin({})
    other.save({"frames_done": 0})
    assert bridge.interrupted_export(tmp_path / "y.mp4") is None
    assert bridge.interrupted_export(tmp_path / "z.mp4") is None
    output = interrupted.played.output
    bridge.export_job._set(ExportState("done", str(output), 60, 60))
    assert bridge.interrupted_export(output) is None


@pytest.mark.parametrize("text", ["", "{", '{"audio": 7}', "[]"])
def test_a_damaged_note_of_an_export_is_as_good_as_none(
    text: str, bridge: EngineBridge, interrupted: Interrupted
) -> None:
    note = Path(interrupted.played.preset).with_suffix(".json")
    assert note.is_file()
    note.write_text(text, "utf-8")
    assert bridge.interrupted_export(interrupted.played.output) is None


def test_the_demo_track_stays_the_demo_track(bridge: EngineBridge, tmp_path: Path) -> None:
    request = ExportRequest("demo", tmp_path / "x.mp4", "default", 512, 512, 30.0)
    Interrupted(bridge, request)
    again = bridge.interrupted_export(request.output)
    assert again is not None
    assert again.audio == "demo"


def test_the_panel_offers_to_resume_only_what_was_interrupted(
    window: MainWindow, bridge: EngineBridge, interrupted: Interrupted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    started: list[ExportRequest] = []
    monkeypatch.setattr(bridge.export_job, "start", started.append)
    panel = window.column.export
    window.column.show_page("export")
    assert not panel.resume.isVisible()
    assert panel.start.text() == "Render"
    panel._on_output_chosen(str(interrupted.played.output))
    assert panel.resume.isVisible()
    assert panel.start.text() == "Begin anew"
    assert "x.mp4 was interrupted" in panel.interrupted.text()
    panel.resume.click()
    assert started == [replace(interrupted.played, resume=True)]
    interrupted.folder.remove()
    window.column.show_controls()
    window.column.show_page("export")
    assert not panel.resume.isVisible()


def test_the_quality_is_chosen_and_remembered(window: MainWindow) -> None:
    panel = window.column.export
    assert panel.values().quality == 18
    panel.quality.setCurrentIndex(panel.quality.findData(28))
    request = panel.request()
    assert request is not None
    assert request.quality == panel.values().quality == 28
    settings = panel.values()
    panel.quality.setCurrentIndex(0)
    panel.apply(settings)
    assert panel.quality.currentData() == 28


@pytest.mark.parametrize("resume", [False, True])
def test_the_command_line_takes_quality_and_resume(resume: bool, request_: ExportRequest) -> None:
    words = replace(request_, quality=23, resume=resume).arguments()
    options = cli._parser().parse_args(words)
    assert (options.quality, options.resume) == (23, resume)
