"""Cold start: from the command to the window, and to the first generated picture."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Mapping

from engine.bench.area import BenchRequest, Result
from engine.bench.display import MISSING, display_environment
from engine.bench.program import live_command
from engine.errors import EngineError

RUNS = 3
LONGEST_S = 30
EVENTS = {"window": "start/window", "first_picture": "start/first_picture"}
"""What the program announces, and the result it becomes."""


def bench(request: BenchRequest) -> list[Result]:
    """Return `start/window` and `start/first_picture` (seconds, each the best of three runs).

    The window counts from its first paint. Without any display there is none: `start/window` has
    an `error` instead of seconds, and the first picture is that of a show without a window.
    """
    with display_environment() as environment:
        expected = [event for event in EVENTS if event != "window" or environment is not None]
        runs = [_start(request, expected, environment) for _ in range(RUNS)]
    return [
        {"name": name, "seconds": min(run[event] for run in runs)} if event in expected
        else {"name": name, "seconds": None, "error": MISSING}
        for event, name in EVENTS.items()
    ]  # fmt: skip


def await_events(
    lines: Iterable[str], expected: Iterable[str], started_s: float
) -> dict[str, float]:
    """Read `{"event": ...}` lines until all expected ones came; return seconds since the start.

    Other lines are skipped. Ends early, with what came, when the lines end.
    """
    missing = set(expected)
    seen: dict[str, float] = {}
    for line in lines:
        if line.startswith('{"event"'):
            event = str(json.loads(line)["event"])
            seen.setdefault(event, round(time.perf_counter() - started_s, 2))
            missing.discard(event)
        if not missing:
            break
    return seen


def _start(
    request: BenchRequest, expected: list[str], environment: Mapping[str, str] | None
) -> dict[str, float]:
    command = live_command(
        "--source", "tone", "--mute", "--seconds", str(LONGEST_S), "--osc-port", "0",
        "--announce", "--device-compute", request.device_compute, window="window" in expected,
    )  # fmt: skip
    started_s = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        seen = await_events(process.stdout, expected, started_s)
        process.terminate()  # it ends as with Ctrl-C
    missing = [event for event in expected if event not in seen]
    if missing:
        raise EngineError(
            f"the program announced no {missing[0].replace('_', ' ')} within {LONGEST_S} s; "
            "try `sonolume live --debug`"
        )
    return seen
