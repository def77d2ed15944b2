"""The table of benchmarks: each area is a function that gives named figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

Result = dict[str, object]
"""`name` and its figures."""


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """How to measure."""

    seconds: float = 20.0
    """Length of the live runs."""
    device_compute: str = "auto"
    runner: str = "all"
    """Ember, engine: measure the speed of this runner, or of all beside each other."""
    loop_s: float | None = None
    """Ember: measure so many seconds of feedback instead of speed."""
    morph: bool = False
    """Ember: measure morphs instead of speed."""
    quality: bool = False
    """Ember: measure what the judge sees instead of speed."""
    pictures: int = 8
    """Per scene and per style, for the judge."""
    sheets: Path | None = None
    """Folder for contact sheets of what the judge saw, or of what sounds look like."""
    model: str = "ember"
    """Which model loops, morphs and is judged, and which the engine paints with."""
    size: tuple[int, int] = (512, 512)
    """Of the pictures of engine, loop, morph and quality."""
    data: Path | None = None
    """Hearing: the folder of public audio for the table of beat trackers; None leaves it out."""
    ai_fps: float = 20.0
    """Pictures per second of music in loop and morph."""


Bench = Callable[[BenchRequest], list[Result]]

AREAS: dict[str, str] = {
    "ember": "engine.bench.ember:bench",
    "engine": "engine.bench.engine:bench",
    "hearing": "engine.bench.hearing:bench",
    "sights": "engine.bench.sights:bench",
    "encodings": "engine.bench.sound_encodings:bench",
    "composer": "engine.bench.composer:bench",
    "latency": "engine.bench.latency:bench",
    "start": "engine.bench.start:bench",
    "live": "engine.bench.live:bench",
    "export": "engine.bench.export:bench",
}
"""In the order they run."""


def load_area(name: str) -> Bench:
    """Import the benchmark of one area."""
    module_name, _, attribute = AREAS[name].partition(":")
    bench: Bench = getattr(import_module(module_name), attribute)
    return bench
