"""The round trip through a real sound server, measured and remembered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import SettingsStore
from tests.real_parts import PULSE_TOOLS, SINK, missing, sound_server

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(missing((*PULSE_TOOLS, "parec"))), reason="needs PulseAudio"),
]
ROOT = str(Path(__file__).parents[2])


def sonolume(*words: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "calibrate", *words], env=environment, cwd=ROOT,
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


def test_the_round_trip_is_measured_and_remembered_per_device(tmp_path: Path) -> None:
    with sound_server(tmp_path) as environment:
        environment["XDG_CONFIG_HOME"] = str(tmp_path / "config")
        done = sonolume("--source", "loopback", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["device"] == f"PulseAudio: {SINK}"
    assert found["heard"] >= 8
    assert found["round_trip_ms"] == pytest.approx(
        found["reported_ms"] + found["offset_ms"], abs=0.1
    )
    store = SettingsStore(tmp_path / "config" / "sonolume" / "settings.json")
    assert store.settings.offsets_ms == {f"PulseAudio: {SINK}": found["offset_ms"]}


def test_a_muted_input_is_one_line_with_level_and_remedy(tmp_path: Path) -> None:
    with sound_server(tmp_path) as environment:
        environment["XDG_CONFIG_HOME"] = str(tmp_path / "config")
        subprocess.run(
            ["pactl", "set-source-mute", f"{SINK}.monitor", "1"], env=environment, check=True
        )
        done = sonolume("--source", "loopback", environment=environment)
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert "0 of 12 clicks heard, level -120 dB: the input is muted" in line


def test_without_a_sound_system_it_says_what_is_missing(tmp_path: Path) -> None:
    environment = {"PATH": "/nowhere", "HOME": str(tmp_path), "PYTHONPATH": ROOT}
    done = sonolume("--source", "loopback", environment=environment)
    assert done.returncode == 1
    assert "install" in done.stderr or "sound" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
