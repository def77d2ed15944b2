"""The doctor finds what is missing, and says what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app import doctor
from app.system_libraries import LIBRARIES, PACKAGE_MANAGERS
from engine.errors import PresetError


def test_a_missing_library_comes_with_the_line_that_installs_it(monkeypatch):
    lacking = [part for part in LIBRARIES if part.name == "libxcb-cursor.so.0"]
    monkeypatch.setattr(doctor, "missing_parts", lambda: lacking)
    monkeypatch.setattr(doctor, "package_manager", lambda: PACKAGE_MANAGERS[0])
    finding = doctor.check_window_libraries()[-1]
    assert not finding.ok
    assert finding.what == "missing: libxcb-cursor.so.0"
    assert finding.remedy == "sudo apt-get install -y --no-install-recommends libxcb-cursor0"


def test_the_pyside_that_aborts_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda _: "6.12.0")
    monkeypatch.setattr(doctor.sys, "version_info", (3, 11, 7, "final", 0))
    finding = doctor.check_window_libraries()[0]
    assert not finding.ok
    assert "6.12.0 aborts" in finding.what
    monkeypatch.setattr(doctor.sys, "version_info", (3, 12, 1, "final", 0))
    assert doctor.check_window_libraries()[0].ok


@pytest.mark.parametrize("content", [None, b"version https://git-lfs.github.com/spec/v1\n"])
def test_missing_weights_and_pointers_are_no_weights(monkeypatch, tmp_path, content):
    if content is not None:
        (tmp_path / "ember" / "unet").mkdir(parents=True)
        (tmp_path / "ember" / "unet" / "model.safetensors").write_bytes(content)
    monkeypatch.setattr(doctor, "files", lambda _: tmp_path)
    finding = doctor.check_weights()[0]
    assert not finding.ok
    assert "weight" in finding.what


def test_weights_are_summed(monkeypatch, tmp_path):
    for name in ("unet", "vae"):
        (tmp_path / "ember" / name).mkdir(parents=True)
        (tmp_path / "ember" / name / "model.safetensors").write_bytes(b"x" * 1_500_000)
    monkeypatch.setattr(doctor, "files", lambda _: tmp_path)
    assert doctor.check_weights() == [doctor.Finding("ember", True, "2 weight files, 3.0 MB")]


def test_a_full_disk_is_found(monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED_GB", 1e9)
    assert all(not finding.ok for finding in doctor.check_disk())


def test_a_broken_preset_is_named(monkeypatch):
    def broken(name: str) -> None:
        raise PresetError(f"{name}.toml: not valid TOML")

    monkeypatch.setattr(doctor, "preset_names", lambda: ["mine"])
    monkeypatch.setattr(doctor, "load_preset", broken)
    finding = doctor.check_presets()[0]
    assert (finding.ok, finding.what) == (False, "mine.toml: not valid TOML")


def test_no_display_is_a_fact_and_no_trouble(monkeypatch):
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    finding = doctor.check_display()[0]
    assert finding.ok
    assert finding.what.startswith("none: no window")
    assert finding.mark == "-"
    monkeypatch.setenv("DISPLAY", ":1")
    assert doctor.check_display()[0].mark == "ok"
    assert doctor.Finding("torch", False, "gone").mark == "!!"


def test_the_doctor_loads_neither_qt_nor_torch_to_begin_with():
    code = (
        "import sys, app.doctor;"
        "print([m for m in sys.modules if m.split('.')[0] in ('PySide6', 'torch', 'av', 'cv2')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
