"""Cold start: from the command to the first generated picture."""

from __future__ import annotations

import json
import subprocess
import time

from engine.bench.area import BenchRequest, Result
from engine.bench.program import live_command
from engine.errors import EngineError

RUNS = 3


def bench(request: BenchRequest) -> list[Result]:
    """Return `start/first_picture` (seconds, the best of three runs)."""
    runs = [_start(request) for _ in range(RUNS)]
    return [{"name": "start/first_picture", "seconds": min(run["first_picture"] for run in runs)}]


def _start(request: BenchRequest) -> dict[str, float]:
    command, _ = live_command(
        "--source", "tone", "--mute", "--seconds", "8", "--osc-port", "0", "--announce",
        "--device-compute", request.device_compute,
    )  # fmt: skip
    started = time.perf_counter()
    seen: dict[str, float] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith('{"event"'):
                event = str(json.loads(line)["event"])
                seen.setdefault(event, round(time.perf_counter() - started, 2))
    if "first_picture" not in seen:
        raise EngineError("the program painted no picture within 8 s; try `sonolume live --debug`")
    return seen
