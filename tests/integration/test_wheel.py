"""The built wheel works installed alone: command, resources and presets travel inside."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Output of a command that must succeed, run outside the checkout."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        command, cwd=folder, env={**environment, **variables}, capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    run([*build, "--outdir", str(folder), str(ROOT)], folder)
    return next(folder.glob("sonolume-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are this one's, our checkout is not."""
    venv = tmp_path_factory.mktemp("alone") / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", str(venv)], venv.parent)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    run([*pip, "--no-index", "--quiet", str(wheel)], venv.parent)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(run([str(python), "-c", where], venv.parent).strip())
    # A plain path entry: `.pth` files inside that folder, and so our editable install, stay out.
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_holds_what_it_needs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"app", "engine", "presets", "resources"}
    for name in ("resources/demo/demo.json", "presets/default.toml", "app/cli.py"):
        assert name in names
    assert {Path(n).name for n in names if "/licenses/" in n} == {"LICENSE", "NOTICE"}


def test_the_command_answers_outside_the_checkout(python, tmp_path):
    said = run([str(python.with_name("sonolume")), "--help"], tmp_path)
    assert "render" in said
    where = run([str(python), "-c", "import engine; print(engine.__file__)"], tmp_path)
    assert str(python.parent.parent) in where


def test_resources_and_presets_are_readable(python, tmp_path):
    code = (
        "from importlib.resources import files\n"
        "from engine.presets import load_preset, preset_names\n"
        "assert files('resources').joinpath('demo', 'demo.json').read_text('utf-8')\n"
        "print(*[load_preset(name).name for name in preset_names()], sep='\\n')\n"
    )
    names = run([str(python), "-c", code], tmp_path).split("\n")
    assert "Default" in names
    assert len([name for name in names if name]) >= 6


def test_the_package_names_its_version(python, tmp_path):
    assert "sonolume 0." in run([str(python.with_name("sonolume")), "--version"], tmp_path)
