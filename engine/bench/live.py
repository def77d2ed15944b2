"""Everything together: window, sound, analysis, ember, composer, in the real program."""

from __future__ import annotations

from engine.bench.area import BenchRequest, Result
from engine.bench.display import MISSING, display_environment
from engine.bench.program import live_command, run_for_json


def bench(request: BenchRequest) -> list[Result]:
    """Return `live/joint` (output_fps, ai_fps, ...) and `memory/live` (rss_mb).

    Without any display it runs without the window, which `window` and `error` say.
    """
    with display_environment() as environment:
        window = environment is not None
        command = live_command(
            "--source", "demo", "--mute", "--seconds", f"{max(request.seconds, 10.0):g}",
            "--osc-port", "0", "--json", "--device-compute", request.device_compute, window=window,
        )  # fmt: skip
        figures = run_for_json(command, environment)
    kept = (
        "output_fps", "ai_fps", "overflows", "dropped", "latency_ms", "longest_gap_ms",
        "hop_ms", "tracker_ms",
    )  # fmt: skip
    joint: Result = {key: figures[key] for key in kept} | {"window": window}
    if not window:
        joint["error"] = MISSING
    return [
        {"name": "live/joint", **joint},
        {"name": "memory/live", "rss_mb": figures["rss_mb"]},
    ]
