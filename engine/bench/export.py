"""Export speed: the demo track to 512x512 at 30 frames a second."""

from __future__ import annotations

import tempfile
from pathlib import Path

from engine.bench.area import BenchRequest, Result
from engine.export import ExportSettings, render
from engine.runtime.listening import demo_track


def bench(request: BenchRequest) -> list[Result]:
    """Return `export/512x512@30` (x_realtime)."""
    with tempfile.TemporaryDirectory() as folder:
        report = render(
            ExportSettings(
                demo_track(),
                Path(folder) / "bench.mp4",
                seconds=max(5.0, request.seconds / 2.0),
                device_compute=request.device_compute,
            )
        )
    return [
        {"name": "export/512x512@30", "x_realtime": round(report.x_realtime, 2),
         "audio_offset_ms": report.audio_offset_ms, "dtype": report.dtype}
    ]  # fmt: skip
