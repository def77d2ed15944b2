"""Runs the program itself, as a user would, and reads what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

from engine.errors import EngineError


def live_command(*arguments: str, window: bool) -> list[str]:
    """Return the command for `sonolume live ...`, with a window or without."""
    return [sys.executable, "-m", "app", "live", *arguments, *(() if window else ("--headless",))]


def run_for_json(
    command: list[str], environment: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Run a command and return the JSON object on its last line. Raises `EngineError`."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise EngineError(f"{' '.join(command[-6:])} failed: {reason}")
    figures: dict[str, object] = json.loads(lines[-1])
    return figures
