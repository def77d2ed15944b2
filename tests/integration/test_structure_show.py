"""Structure in a show and in an export: it acts, it is the same, and bad input costs no show."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile

from app.cli import main
from engine import commands as cmd
from engine.clock import MonotonicClock
from engine.control.osc_addresses import interpret
from engine.diffusion.feedback import FeedbackModel
from engine.errors import ResumeError, UsageError
from engine.export import ExportSettings, render, resumable
from engine.export.fingerprint import fingerprint
from engine.messages import EngineStatus, Uint8
from engine.presets import load_preset
from engine.registry import Guides
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from tests.films import write_film

RATE_HZ = 44_100
WAIT_S = 60.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    noise = 0.1 * np.random.default_rng(1).standard_normal((RATE_HZ, 2))
    soundfile.write(folder / "song.wav", noise, RATE_HZ)
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, 32:] = 255
    cv2.imwrite(str(folder / "half.png"), half)
    write_film(folder / "film.mp4")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.mp4").write_text("no film")
    return folder


def settings(files: Path, output: Path, spec: str, **changes: object) -> ExportSettings:
    choice = cmd.structure_choice(spec)
    named = {"width": 64, "height": 64, "fps": 6.0, "seconds": 1.0, "threads": 1} | changes
    return ExportSettings(files / "song.wav", output, structure=choice, **named)  # type: ignore[arg-type]


def pictures(path: Path) -> Uint8:
    with av.open(str(path)) as movie:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)])


def test_a_render_is_steered_and_the_same_twice(files: Path, tmp_path: Path) -> None:
    free, one, two = (tmp_path / f"{name}.mp4" for name in ("free", "one", "two"))
    render(settings(files, free, "none"))
    for output in (one, two):
        render(settings(files, output, f"image:{files / 'half.png'}"))
    assert one.read_bytes() == two.read_bytes()

    def lean(path: Path) -> float:
        last = pictures(path)[-1].astype(float)
        return float(last[:, 32:].mean() - last[:, :32].mean())

    assert lean(one) > lean(free) + 5.0


def test_a_film_is_at_the_musical_time_of_each_picture(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    steer = FeedbackModel.steer

    def note(self: FeedbackModel, picture: Uint8 | None) -> None:
        assert picture is not None
        seen.append((float(picture.mean()) - 30.0) / 10.0)
        steer(self, picture)

    monkeypatch.setattr(FeedbackModel, "steer", note)
    film = f"video:{files / 'film.mp4'}"
    render(settings(files, tmp_path / "a.mp4", film, start_s=0.4, seconds=0.6))
    # Frame k is made for the middle of its sixth of a second, 0.4 s into the sound; the film
    # has ten pictures a second.
    assert [round(number) for number in seen] == [
        int((0.4 + (k + 0.5) / 6) * 10) for k in range(3)
    ]


def test_an_interrupted_render_goes_on_only_with_the_same_structure(
    files: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    wanted = settings(files, tmp_path / "a.mp4", f"video:{files / 'film.mp4'}")
    whole = settings(files, tmp_path / "whole.mp4", f"video:{files / 'film.mp4'}")
    render(whole)
    render(wanted, progress=lambda p: stop.set() if p.frames_done == 3 else None, stop=stop)
    assert resumable(wanted.output)
    other = replace(wanted, structure=cmd.structure_choice(f"image:{files / 'half.png'}"))
    with pytest.raises(ResumeError, match="--structure was video"):
        render(other, resume=True)
    assert render(wanted, resume=True).finished
    assert np.array_equal(pictures(wanted.output), pictures(whole.output))


def test_all_that_steers_is_in_the_fingerprint(files: Path, tmp_path: Path) -> None:
    preset = load_preset("default")
    net = tmp_path / "net"
    net.mkdir()
    (net / "weights").write_bytes(b"one")
    one = settings(files, tmp_path / "a.mp4", "none", guides=Guides(str(net)))
    before = fingerprint(one, preset)
    assert fingerprint(replace(one, guides=Guides(str(net), "none")), preset) != before
    assert fingerprint(replace(one, guides=Guides()), preset) != before
    (net / "weights").write_bytes(b"two")
    assert fingerprint(one, preset) != before


# bad input --------------------------------------------------------------------------------------


def test_an_export_takes_no_camera(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["render", "demo", "-o", "a.mp4", "--structure", "camera"])
    assert caught.value.code == 2
    assert "film it first and give video:PATH" in capsys.readouterr().err
    with pytest.raises(UsageError, match="film it first"):
        render(settings(files, files / "a.mp4", "camera"))


@pytest.mark.parametrize("spec", ["webcam", "image:", "camera:x"])
def test_another_word_is_wrong_usage(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["live", "--structure", spec])
    assert caught.value.code == 2
    assert "choose image:PATH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("image:{}/gone.png", "gone.png cannot be read"),
        ("image:{}/empty.png", "0 bytes"),
        ("video:{}/gone.mp4", "gone.mp4 cannot be opened"),
        ("video:{}/song.wav", "has no pictures in it"),
    ],
)
def test_a_render_with_a_structure_that_will_not_do_is_refused(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spec: str, words: str
) -> None:
    output = tmp_path / "a.mp4"
    named = spec.format(files)
    code = main(["render", str(files / "song.wav"), "-o", str(output), "--structure", named])
    error = capsys.readouterr().err
    assert code == 1
    assert words in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_controlnet_for_ember_is_refused(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["render", str(files / "song.wav"), "-o", str(tmp_path / "a.mp4")],
                  ["live", "--headless", "--seconds", "1"]):  # fmt: skip
        assert main([*words, "--controlnet", str(tmp_path)]) == 2
        assert "ember is none" in capsys.readouterr().err


LIVE = ["live", "--headless", "--json", "--model", "null", "--size", "64x64", "--mute",
        "--osc-port", "0", "--source", "tone", "--seconds", "1"]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ("video:{}/text.mp4", 1, "text.mp4"),  # asked for by name, and nobody sees a window
        ("camera:99", 0, "camera 99"),  # waited for
        ("video:{}/film.mp4", 0, ""),
    ],
)
def test_a_show_begins_with_its_structure_or_says_why_not_and_goes_on(
    files: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    spec: str,
    code: int,
    message: str,
) -> None:
    named = spec.format(files)
    found = main([*LIVE, "--structure", named])
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found == code
    assert message in report["message"]
    assert bool(report["message"]) == bool(message)
    assert report["structure"] == (named if code == 0 else "none")
    assert report["frames"] > 5


@pytest.fixture
def show() -> Iterator[Engine]:
    config = EngineConfig(
        cmd.SourceChoice("tone"), model="null", width=64, height=64, fps=60.0, audible=False
    )
    engine = Engine(config)
    engine.start()
    yield engine
    engine.close()


def until(engine: Engine, condition: Callable[[EngineStatus], bool]) -> EngineStatus:
    clock, pause = MonotonicClock(), threading.Event()
    end_s = clock.now() + WAIT_S
    while clock.now() < end_s:
        status = engine.status()
        if condition(status):
            return status
        pause.wait(0.01)
    pytest.fail(f"never happened; last status: {engine.status()}")


def test_a_running_show_changes_its_structure_by_osc_and_keeps_it_when_the_next_is_broken(
    show: Engine, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def ask(spec: str) -> None:
        command, note = interpret("/sonolume/structure/source", (spec,))
        assert command is not None, note
        show.post(command)

    ask(f"video:{files / 'film.mp4'}")
    status = until(show, lambda s: s.structure.kind == "video")
    assert status.structure.name == "film.mp4"
    ask(f"image:{files / 'empty.png'}")
    status = until(show, lambda s: "0 bytes" in s.message)
    assert status.structure.kind == "video"
    later = until(show, lambda s: s.frames > status.frames + 5 and s.pictures > status.pictures)
    ask("camera:99")  # there is none: a state, not an error
    status = until(show, lambda s: "camera 99" in s.structure.message)
    assert not status.structure.connected
    until(show, lambda s: s.frames > later.frames + 5)
    ask("none")
    until(show, lambda s: s.structure.kind == "none" and s.message == "")


def test_osc_refuses_what_names_no_structure() -> None:
    for arguments in ((), (3,), ("webcam",)):
        command, note = interpret("/sonolume/structure/source", arguments)
        assert command is None
        assert "/sonolume/structure/source: " in note
