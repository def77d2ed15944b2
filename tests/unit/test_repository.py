"""The repository itself: light, free of pickles, and its README tells the truth."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHOLE_BYTES = 45_000_000
LARGEST_BYTES = 15_000_000
PICKLES = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle", ".joblib", ".npy"}


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file that git knows or would add; in a source archive, every file."""
    asked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in asked.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_a_clone_stays_light(tracked):
    sizes = {path: path.stat().st_size for path in tracked}
    largest = max(sizes, key=lambda path: sizes[path])
    assert sizes[largest] <= LARGEST_BYTES, f"{largest}: {sizes[largest] / 1e6:.1f} MB"
    assert sum(sizes.values()) < WHOLE_BYTES, f"{sum(sizes.values()) / 1e6:.1f} MB"


def test_no_weights_are_pickles(tracked):
    assert [str(path) for path in tracked if path.suffix.lower() in PICKLES] == []


def test_no_environment_or_cache_is_tracked(tracked):
    parts = {part for path in tracked for part in path.relative_to(ROOT).parts}
    assert parts.isdisjoint({".venv", "__pycache__", ".mypy_cache", "build", "dist"})


def test_the_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "python3 scripts/run.py" in readme
    assert "python3 scripts/test.py" in readme


def test_the_licence_is_whole():
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert "Copyright 2026" in (ROOT / "NOTICE").read_text("utf-8")


def test_continuous_integration_runs_the_readmes_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    text = script.read_text("utf-8")
    assert "set -euo pipefail" in text
    assert "python3 scripts/test.py" in text
