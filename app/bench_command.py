"""`sonolume bench`: figures of speed and memory, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence

from app.polite_kill import interrupted_by_sigterm
from engine.bench.area import AREAS, BenchRequest, Result, load_area
from engine.bench.machine import machine
from engine.errors import EngineError, UsageError
from engine.registry import DEFAULT_MODEL, DEFAULT_RUNNER
from engine.runtime.limits import check_ai_fps, check_seconds, check_size

RUNNER_AREAS = ("ember", "engine")
"""Areas that measure runners beside each other."""


def run(options: argparse.Namespace) -> int:
    """Run one area, or each area in a process of its own so that none warms another up."""
    if options.area is not None and options.area not in AREAS:
        raise UsageError(f"no benchmark {options.area!r}; there are {', '.join(AREAS)}")
    if options.area != "ember" and (options.loop is not None or options.morph or options.quality):
        raise UsageError(
            "--loop, --morph and --quality belong to ember: sonolume bench ember --loop 10m"
        )
    if options.area not in (None, *RUNNER_AREAS) and options.runner != "all":
        raise UsageError(
            "--runner belongs to ember and engine: sonolume bench ember --runner openvino"
        )
    if options.area not in ("hearing", "sights") and options.data is not None:
        raise UsageError("--data belongs to hearing and sights: sonolume bench hearing --data DIR")
    check_seconds(options.seconds)
    request = _request(options)
    with interrupted_by_sigterm():  # engine's folder of random weights is gigabytes
        if options.area is not None:
            results = load_area(options.area)(request)
        else:
            results = [result for area in AREAS for result in _in_a_process(area, options)]
    if options.json:
        print(json.dumps({"machine": machine(), "results": results}))
        return 0
    for result in results:
        print(_as_text(result))
    return 0


def _request(options: argparse.Namespace) -> BenchRequest:
    """Raise `UsageError` for figures that no benchmark takes."""
    check_size(*options.size)
    check_ai_fps(options.ai_fps)
    return BenchRequest(
        seconds=options.seconds, device_compute=options.device_compute, loop_s=options.loop,
        morph=options.morph, model=options.model or DEFAULT_MODEL, runner=options.runner,
        quality=options.quality, pictures=options.pictures, sheets=options.sheets,
        size=options.size, ai_fps=options.ai_fps, data=options.data,
    )  # fmt: skip


def _as_text(result: Result) -> str:
    """One line of figures, and one more for each row of a table among them."""
    tables = {key: value for key, value in result.items() if isinstance(value, list)}
    lines = [f"{result['name']:28} {_figures(result, ('name', *tables))}"]
    for rows in tables.values():
        lines += [f"    {_figures(row)}" for row in rows]
    return "\n".join(lines)


def _figures(result: Result, left_out: Sequence[str] = ()) -> str:
    return ", ".join(
        f"{key} ({_figures(value)})" if isinstance(value, dict) else f"{key} {value}"
        for key, value in result.items()
        if key not in left_out
    )


def _in_a_process(area: str, options: argparse.Namespace) -> list[dict[str, object]]:
    print(f"{area} ...", file=sys.stderr, flush=True)
    command = [
        sys.executable, "-m", "app", "bench", area, "--json", "--seconds", str(options.seconds),
        "--device-compute", options.device_compute,
    ]  # fmt: skip
    if area in RUNNER_AREAS:  # all runners take a quarter of an hour: only where one area is asked
        command += ["--runner", DEFAULT_RUNNER if options.runner == "all" else options.runner]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise EngineError(f"benchmark {area} failed: {reason.removeprefix('sonolume: ')}")
    results: list[dict[str, object]] = json.loads(done.stdout.strip().splitlines()[-1])["results"]
    return results
