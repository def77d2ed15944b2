"""The analysis: cost per hop, and how well beats are found on music with exact truth."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from tqdm import tqdm

from engine.analysis.analyzer import QUICK_RISE, QUICK_S, Analyzer
from engine.analysis.beat_listener import BeatListener
from engine.analysis.report import analyze
from engine.analysis.spectrum import Spectrum
from engine.audio.decode import SoundReader
from engine.bench.area import BenchRequest, Result
from engine.bench.beat_scores import BEAT_WINDOW_S
from engine.bench.beat_table import beat_table, table_clips
from engine.bench.lanes import bench_lanes
from engine.bench.listening import measure as measure_listener
from engine.bench.matching import f_of, matched
from engine.bench.open_set import measure as measure_open_set
from engine.bench.stray_strokes import stray_strokes, stray_strokes_outdoors
from engine.bench.structure import bench_structure
from engine.bench.tonal import bench_tonal
from engine.messages import Float32
from engine.runtime.listening import demo_track


def bench(request: BenchRequest) -> list[Result]:
    """Return `hearing/hop` and `hearing/tracker` (ms) and `hearing/sonolume` (on the demo).

    With `--data` the table of beat trackers instead of the demo; see `beat_table`.
    """
    clips = table_clips(request.data) if request.data is not None else None
    with SoundReader(demo_track()) as reader:
        samples, rate = reader.read_all(), reader.sample_rate
    hop_ms, tracker_ms = _hop_times(samples[: 40 * rate], rate)
    speed: list[Result] = [
        {"name": "hearing/hop", **_percentiles(hop_ms)},
        {"name": "hearing/tracker", **_percentiles(tracker_ms)},
    ]
    if request.data is not None and clips is not None:
        return [*speed, *beat_table(clips), stray_strokes_outdoors(request.data)]
    truth = json.loads(demo_track().with_suffix(".json").read_text("utf-8"))
    report, _ = analyze((samples[i : i + 4096] for i in range(0, len(samples), 4096)), rate)
    hits = matched(report["beats_s"], truth["beats_s"], BEAT_WINDOW_S)
    f = f_of(len(hits), len(report["beats_s"]), len(truth["beats_s"]))
    error = abs(report["tempo_bpm"] / truth["tempo_bpm"] - 1.0)
    on_demo: Result = {
        "name": "hearing/sonolume", "f": round(f, 3), "acc1": float(error <= 0.04),
        "tempo_error": round(error, 4), "on": "demo",
    }  # fmt: skip
    return [*speed, on_demo, *_each_part()]


def _each_part() -> list[Result]:
    """Run what takes minutes, part by part; which one is at work is seen in a terminal."""
    results: list[Result] = []
    with tqdm(total=len(_PARTS), desc="hearing", unit="part", disable=None) as bar:
        for name, measure in _PARTS.items():
            bar.set_postfix_str(name)
            results += measure()
            bar.update()
    return results


_PARTS: Mapping[str, Callable[[], list[Result]]] = MappingProxyType(
    {
        "listener": measure_listener,
        "open set": measure_open_set,
        "tones": bench_tonal,
        "form": lambda: [bench_structure()],
        "lanes": bench_lanes,
        "stray strokes": lambda: [stray_strokes()],
    }
)


def _hop_times(samples: Float32, rate: int) -> tuple[list[float], list[float]]:
    """Milliseconds of every analysis hop, and of the beat tracker alone on the same sound."""
    analyzer = Analyzer(rate)
    hop_ms: list[float] = []
    hop = analyzer.hop_length
    for start in range(0, len(samples) - hop, hop):
        started = time.perf_counter()
        analyzer.push(samples[start : start + hop])
        hop_ms.append(1000.0 * (time.perf_counter() - started))
    spectrum = Spectrum(rate, QUICK_S, QUICK_RISE)
    listener = BeatListener(spectrum.frequencies_hz, hop / rate)
    mono = samples.mean(axis=1)
    tracker_ms: list[float] = []
    for start in range(0, len(samples) - spectrum.length, hop):
        power = spectrum.power(mono[start : start + spectrum.length])
        started = time.perf_counter()
        listener.step(power, silent=False)
        tracker_ms.append(1000.0 * (time.perf_counter() - started))
    return hop_ms, tracker_ms


def _percentiles(times_ms: list[float]) -> Result:
    p50, p99 = np.percentile(np.array(times_ms), (50, 99))
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}
