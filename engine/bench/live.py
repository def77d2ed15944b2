"""Everything together: window, sound, analysis, ember, composer, in the real program."""

from __future__ import annotations

from engine.bench.area import BenchRequest, Result
from engine.bench.program import live_command, run_for_json


def bench(request: BenchRequest) -> list[Result]:
    """Return `live/joint` (output_fps, ai_fps, ...) and `memory/live` (rss_mb)."""
    command, window = live_command(
        "--source", "demo", "--mute", "--seconds", f"{max(request.seconds, 10.0):g}",
        "--osc-port", "0", "--json", "--device-compute", request.device_compute,
    )  # fmt: skip
    figures = run_for_json(command)
    kept = ("output_fps", "ai_fps", "overflows", "dropped", "latency_ms", "longest_gap_ms")
    joint = {key: figures[key] for key in kept}
    return [
        {"name": "live/joint", **joint, "window": window},
        {"name": "memory/live", "rss_mb": figures["rss_mb"]},
    ]
