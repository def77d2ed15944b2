from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from app.live_command import say_returned
from engine.messages import SourceStatus
from engine.synthesis.loop import render_loop
from tests.real_parts import PULSE_TOOLS, X_TOOLS, missing, played, sound_server

pytestmark = pytest.mark.real
LIVE = [sys.executable, "-m", "app", "live", "--osc-port", "0", "--json"]
VIRTUAL_SCREEN = ["xvfb-run", "-a", "-s", "-screen 0 1600x900x24"]


def run_live(
    arguments: list[str], environment: dict[str, str], *, window: bool
) -> dict[str, object]:
    environment = environment | {"QT_QPA_PLATFORM": "xcb"}
    command = [*(VIRTUAL_SCREEN if window else []), *LIVE, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return report


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"HOME": str(tmp_path)}


@pytest.mark.skipif(bool(missing(X_TOOLS + PULSE_TOOLS)), reason="needs Xvfb and PulseAudio")
def test_a_microphone_in_a_real_window_is_heard_without_overflow(tmp_path: Path) -> None:
    samples, truth = render_loop(bpm=120.0, bars=8, seed=1)
    loop = tmp_path / "loop.wav"
    soundfile.write(loop, samples, 44_100)
    assert truth.tempo_bpm == 120.0
    with sound_server(tmp_path) as environment, played(loop, environment):
        report = run_live(
            ["--source", "mic", "--seconds", "12", "--fps", "20", "--model", "null"],
            environment, window=True,
        )  # fmt: skip
    assert report["overflows"] == 0
    assert report["message"] == ""
    assert isinstance(report["beats"], int)
    assert report["beats"] >= 8
    assert isinstance(report["output_fps"], float)
    assert report["output_fps"] == pytest.approx(20.0, rel=0.1)


@pytest.mark.skipif(bool(missing(X_TOOLS)), reason="needs Xvfb")
def test_the_window_paints_with_ember(home: dict[str, str], tmp_path: Path) -> None:
    record = tmp_path / "show.mp4"
    report = run_live(
        ["--source", "demo", "--mute", "--seconds", "8", "--fps", "15", "--record", str(record)],
        home, window=True,
    )  # fmt: skip
    assert isinstance(report["frames"], int)
    assert report["frames"] > 30
    assert isinstance(report["ai_fps"], float)
    assert report["ai_fps"] > 0.0
    assert set(report["latency_ms"]) == {"p50", "p95", "p99"}  # type: ignore[call-overload]
    assert record.stat().st_size > 10_000


def test_a_device_asked_for_by_name_that_never_came_fails_a_show_without_a_window(
    home: dict[str, str],
) -> None:
    words = ["--device", "NOSUCH", "--seconds", "2", "--model", "null", "--headless"]
    done = subprocess.run(
        [*LIVE, *words], env=home | {"PULSE_SERVER": "unix:/nonexistent"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "sound input" in line]
    assert len(lines) == 1
    assert json.loads(done.stdout.strip().splitlines()[-1])["frames"] > 0


def test_a_device_that_comes_back_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    there = SourceStatus("mic", "ALSA: USB", connected=True)
    missing_one = SourceStatus("mic", "ALSA: USB", connected=False, message="gone")
    gone = ""
    for status in (there, there, missing_one, missing_one, there, there):
        gone = say_returned(status, gone)
    assert capsys.readouterr().err.splitlines() == ["sonolume: ALSA: USB is back and heard"]


def test_a_show_without_any_device_goes_on_and_says_so(home: dict[str, str]) -> None:
    home = home | {"PULSE_SERVER": "unix:/nonexistent"}
    listed = subprocess.run(
        [sys.executable, "-m", "app", "devices", "--json"],
        env=home, capture_output=True, text=True, check=True,
    )  # fmt: skip
    if any(device["inputs"] for device in json.loads(listed.stdout)["devices"]):
        pytest.skip("this machine has a sound input")
    report = run_live(
        ["--source", "mic", "--seconds", "3", "--model", "null", "--headless"], home, window=False
    )
    assert report["message"] != ""
    assert isinstance(report["frames"], int)
    assert report["frames"] > 10
