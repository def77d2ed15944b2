from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from app.cli import main
from engine.bench.area import BenchRequest
from engine.bench.display import display_environment
from engine.bench.loop import run_loop
from engine.bench.morph import PAIRS, STEPS
from engine.bench.start import await_events
from engine.errors import EngineError
from tests.real_parts import X_TOOLS, missing

SMALL = BenchRequest(model="null", size=(64, 64), ai_fps=5.0)


def test_a_run_measures_the_pictures_of_the_whole_show_by_scene() -> None:
    result = run_loop(SMALL, 16.0, 2.0)
    assert (result["name"], result["pictures"], result["size"]) == ("null/loop", 80, "64x64")
    # Held: 3 more of the first scene; walking: that scene again, the melting is new.
    assert result["compared"] == 4
    luminance = result["luminance"]
    assert isinstance(luminance, dict)
    assert abs(luminance["worst_percent"]) < 25.0
    assert result["frozen"] == 0
    assert result["burnt"] == 0
    assert isinstance(result["minutes"], list)
    assert [row["minute"] for row in result["minutes"]] == [0]


def test_the_same_run_gives_the_same_figures() -> None:
    first, second = (run_loop(SMALL, 4.0, 2.0) for _ in range(2))
    for name in ("luminance", "saturation", "sharpness", "burnt_share"):
        assert first[name] == second[name]


def test_a_slow_loop_is_named_by_its_model_and_morphs_pair_by_pair(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["bench", "ember", "--morph", "--model", "null", "--size", "64x64", "--json"]
    assert main(words) == 0
    (result,) = json.loads(capsys.readouterr().out.splitlines()[-1])["results"]
    assert (result["name"], result["steps"]) == ("null/morph", STEPS)
    assert len(result["pairs"]) == len(PAIRS)
    # The null model reads no prompts: it only moves on, evenly.
    assert 1.0 <= result["worst_ratio"] < 3.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bench", "live", "--morph"], "sonolume bench ember --loop 10m"),
        (["bench", "start", "--quality"], "sonolume bench ember --loop 10m"),
        (["bench", "ember", "--quality", "--pictures", "3"], "at least 4"),
        (["bench", "live", "--runner", "onnx"], "--runner belongs to ember and engine"),
        (["bench", "live", "--data", "."], "sonolume bench hearing --data DIR"),
        (["bench", "hearing", "--data", "no/such"], "--data names the folder that holds loops/"),
        (["bench", "--loop", "10m"], "sonolume bench ember --loop 10m"),
        (["bench", "ember", "--loop", "5s", "--model", "null"], "give 20s to 24h"),
        (["bench", "ember", "--loop", "nan", "--model", "null"], "give 20s to 24h"),
        (["bench", "ember", "--morph", "--model", "embr"], "did you mean 'ember'"),
        (["bench", "ember", "--loop", "1m", "--size", "63x64"], "64x64"),
        (["bench", "ember", "--loop", "1m", "--ai-fps", "0"], "outside 0.1 to 240"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == (1 if "no/such" in words else 2)
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_duration_has_a_unit_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["bench", "ember", "--loop", "10x"])
    assert stopped.value.code == 2
    assert "write 90s, 10m or 1h" in capsys.readouterr().err


def test_a_model_that_fails_to_open_frees_what_it_had() -> None:
    with pytest.raises(EngineError, match="no model"):
        run_loop(replace(SMALL, model="nothing like it"), 4.0, 2.0)


def test_events_are_timed_until_all_came_and_other_lines_are_skipped() -> None:
    lines = iter(['{"event": "window"}', "something else", '{"event": "first_picture"}', "rest"])
    seen = await_events(lines, ["window", "first_picture"], started_s=0.0)
    assert list(seen) == ["window", "first_picture"]
    assert next(lines) == "rest"
    assert await_events(iter([]), ["window"], started_s=0.0) == {}


@pytest.mark.real
@pytest.mark.skipif(bool(missing(X_TOOLS)), reason="needs Xvfb")
def test_without_a_display_one_is_made_for_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    program = (
        "import os; os.environ['QT_QPA_PLATFORM'] = 'xcb'\n"
        "from PySide6.QtGui import QGuiApplication\n"
        "app = QGuiApplication([])\n"
        "print(app.platformName(), app.primaryScreen().size().toTuple())\n"
    )
    with display_environment() as environment:
        assert environment is not None
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
    assert done.stdout.strip() == "xcb (1600, 900)", done.stderr


def test_without_any_display_there_is_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.bench.display.sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    with display_environment() as environment:
        assert environment is None
