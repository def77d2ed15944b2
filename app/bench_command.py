"""`sonolume bench`: figures of speed and memory, as a table or as JSON."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from engine.bench.area import AREAS, BenchRequest, load_area
from engine.bench.machine import machine
from engine.errors import CommandError, EngineError
from engine.runtime.limits import check_seconds


def run(options: argparse.Namespace) -> int:
    """Run one area, or each area in a process of its own so that none warms another up."""
    if options.area is not None and options.area not in AREAS:
        raise CommandError(f"no benchmark {options.area!r}; there are {', '.join(AREAS)}")
    check_seconds(options.seconds)
    if options.area is not None:
        request = BenchRequest(options.seconds, options.device_compute)
        results = load_area(options.area)(request)
    else:
        results = [result for area in AREAS for result in _in_a_process(area, options)]
    if options.json:
        print(json.dumps({"machine": machine(), "results": results}))
        return 0
    for result in results:
        figures = ", ".join(f"{key} {value}" for key, value in result.items() if key != "name")
        print(f"{result['name']:28} {figures}")
    return 0


def _in_a_process(area: str, options: argparse.Namespace) -> list[dict[str, object]]:
    print(f"{area} ...", file=sys.stderr, flush=True)
    command = [
        sys.executable, "-m", "app", "bench", area, "--json", "--seconds", str(options.seconds),
        "--device-compute", options.device_compute,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise EngineError(f"benchmark {area} failed: {reason.removeprefix('sonolume: ')}")
    results: list[dict[str, object]] = json.loads(done.stdout.strip().splitlines()[-1])["results"]
    return results
