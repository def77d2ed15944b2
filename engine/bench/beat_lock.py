"""Beat to picture: how far from the true beat the flash that follows the beat clock is seen."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import numpy as np

from engine.analysis.analyzer import Analyzer
from engine.bench.area import BenchRequest, Result
from engine.clock import MonotonicClock
from engine.commands import SourceChoice
from engine.messages import SourceStatus
from engine.modulation.stage import Modulation
from engine.presets import load_preset
from engine.ring import SampleRing
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from engine.synthesis.loop import render_loop
from engine.threads import Worker

RATE_HZ = 44_100
TEMPI_BPM = (90.0, 120.0, 174.0)
BLOCK_S = 0.01
LOCK_S = 10.0
"""What the tracker may take before it counts."""
JUMP = 3.0
"""Rise of the mean brightness, out of 255, that a beat causes in the preset below."""
OFFLINE_FPS = 30.0
PRESET = """
schema_version = 1
name = "Beat"
[[prompts]]
text = "a sunset over the sea"
[params]
"motion/zoom" = 0.0
"diffusion/noise_walk" = 0.0
"colour/exposure" = -0.5
[[routes]]
source = "beat.pulse"
target = "colour/exposure"
amount = 0.8
attack_ms = 0
release_ms = 0
"""


class BeatSource:
    """A sound card of 10 ms blocks that plays a drum loop with known beats."""

    sample_rate = RATE_HZ
    overflows = 0

    def __init__(self, bpm: float, seconds: float) -> None:
        bars = int(seconds * bpm / 240.0) + 2
        self._samples, truth = render_loop(bpm=bpm, bars=bars)
        self.ring = SampleRing(RATE_HZ * 3)
        self.beats_s = np.array(truth.beats_s)
        """Musical time of every beat."""
        self.zero_s = 0.0
        """Host time of musical time 0."""
        self._clock = MonotonicClock()
        self._worker = Worker("audio-in", self._run)

    def open(self) -> None:
        """Start."""
        self.zero_s = self._clock.now()
        self._worker.start()

    def heard_s(self, now_s: float) -> float:
        """Musical time in the air at host time `now_s`."""
        return max(0.0, now_s - self.zero_s)

    def status(self) -> SourceStatus:
        """A connected line."""
        return SourceStatus("mic", "beats", connected=True)

    def service(self, now_s: float) -> None:
        """Nothing to look after."""

    def close(self) -> None:
        """Stop."""
        self._worker.stop()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(BLOCK_S / 4):
            due = int((self._clock.now() - self.zero_s) / BLOCK_S) * round(BLOCK_S * RATE_HZ)
            first = self.ring.written
            if due > first:
                self.ring.push(self._samples[first:due])


def bench(request: BenchRequest) -> list[Result]:
    """Return `latency/beat`: |flash - true beat| live, with ember painting, and offline."""
    seconds = max(request.seconds, 20.0)
    tempi: dict[str, Result] = {}
    everything: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        preset = Path(folder) / "beat.toml"
        preset.write_text(PRESET, "utf-8")
        for bpm in TEMPI_BPM:
            source = BeatSource(bpm, seconds)
            flashes_s = _flashes(source, str(preset), seconds, request.device_compute)
            errors_ms, beats = _errors_ms(flashes_s, source.beats_s, seconds)
            everything += errors_ms
            offline_ms, _ = _errors_ms(
                _offline_flashes(bpm, str(preset), seconds), source.beats_s, seconds
            )
            tempi[f"{bpm:g}"] = {
                **_figures(errors_ms), "beats": beats, "offline": _figures(offline_ms),
            }  # fmt: skip
    return [{"name": "latency/beat", **_figures(everything), "bpm": tempi}]


def _flashes(source: BeatSource, preset: str, seconds: float, device: str) -> list[float]:
    """Run the engine and return the musical time of every flash."""
    config = EngineConfig(source=SourceChoice("tone"), preset=preset, device_compute=device)
    engine = Engine(config, open_source=lambda choice: source)
    clock = MonotonicClock()
    engine.start()
    flashes_s: list[float] = []
    version, before = 0, 255.0
    try:
        while not engine.status().pictures:  # the model loads; music that nobody sees says nothing
            engine.frames.wait(version, 0.1)
        source.open()
        while clock.now() - source.zero_s < seconds:
            frame, newer = engine.frames.wait(version, 0.1)
            if frame is None or newer == version:
                continue
            version = newer
            mean = float(frame.pixels[::8, ::8].mean())
            if mean - before > JUMP:
                flashes_s.append(frame.host_time_s - source.zero_s)
            before = mean
    finally:
        engine.close()
        source.close()
    return flashes_s


def _offline_flashes(bpm: float, preset: str, seconds: float) -> list[float]:
    """When an export's frames flash: each frame is made for its own middle."""
    samples, _ = render_loop(bpm=bpm, bars=int(seconds * bpm / 240.0) + 2)
    analyzer, modulation = Analyzer(RATE_HZ), Modulation(load_preset(preset))
    dt_s = analyzer.hop_length / RATE_HZ
    flashes_s: list[float] = []
    heard, before, now = 0, 0.0, 0.0
    for k in range(int(seconds * OFFLINE_FPS)):
        wanted = round((k + 0.5) / OFFLINE_FPS * RATE_HZ)
        for features in analyzer.push(samples[heard:wanted]):
            now = modulation.step(features, dt_s, host_time_s=0.0).values["colour/exposure"]
        heard = wanted
        if now - before > 0.1:
            flashes_s.append((k + 0.5) / OFFLINE_FPS)
        before = now
    return flashes_s


def _errors_ms(
    flashes_s: list[float], beats_s: np.ndarray, seconds: float
) -> tuple[list[float], int]:
    """Flash minus the beat it is nearest to, for every beat after the lock; and how many beats."""
    counted = beats_s[(beats_s > LOCK_S) & (beats_s < seconds - 0.5)]
    half_s = 0.5 * float(np.median(np.diff(beats_s)))
    times_s = np.array(flashes_s)
    errors_ms = []
    for beat_s in counted:
        near = times_s[np.abs(times_s - beat_s) <= half_s] - beat_s
        if near.size:
            errors_ms.append(1000.0 * float(near[np.argmin(np.abs(near))]))
    return errors_ms, len(counted)


def _figures(errors_ms: list[float]) -> Result:
    if not errors_ms:
        return {"median_ms": None, "p95_ms": None, "bias_ms": None, "seen": 0}
    size = np.abs(np.array(errors_ms))
    median, p95 = np.percentile(size, (50, 95))
    return {
        "median_ms": round(float(median), 1),
        "p95_ms": round(float(p95), 1),
        "bias_ms": round(float(np.median(errors_ms)), 1),
        "seen": len(errors_ms),
    }
