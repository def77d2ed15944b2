"""Runs the program itself, as a user would, and reads what it prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

from engine.errors import EngineError


def has_display() -> bool:
    """True where a window can open."""
    return sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def live_command(*arguments: str) -> tuple[list[str], bool]:
    """Return the command for `sonolume live ...` and whether it opens a window.

    Without a display it runs on a virtual one (`xvfb-run`) where there is one, else headless.
    """
    program = [sys.executable, "-m", "app", "live", *arguments]
    if has_display():
        return program, True
    virtual = shutil.which("xvfb-run")
    if virtual is not None:
        return [virtual, "-a", "-s", "-screen 0 1600x900x24", *program], True
    return [*program, "--headless"], False


def run_for_json(command: list[str]) -> dict[str, object]:
    """Run a command and return the JSON object on its last line. Raises `EngineError`."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise EngineError(f"{' '.join(command[-6:])} failed: {reason}")
    figures: dict[str, object] = json.loads(lines[-1])
    return figures
