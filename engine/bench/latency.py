"""Click to picture: from the sample that enters the ring to the frame that shows it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import numpy as np

from engine.bench import beat_lock
from engine.bench.area import BenchRequest, Result
from engine.clock import MonotonicClock
from engine.commands import SourceChoice
from engine.messages import Float32, SourceStatus
from engine.ring import SampleRing
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from engine.threads import Worker

RATE_HZ = 48_000
BLOCK_S = 0.01
CLICK_EVERY_S = (0.6, 1.0)
JUMP = 6.0
"""Rise of the mean brightness, out of 255, that a click causes in the preset below."""
PRESET = """
schema_version = 1
name = "Click"
[[prompts]]
text = "a sunset over the sea"
[params]
"motion/zoom" = 0.0
"diffusion/noise_walk" = 0.0
"colour/exposure" = -0.5
[[routes]]
source = "onset.pulse"
target = "colour/exposure"
amount = 1.0
attack_ms = 0
release_ms = 120
"""


class ClickSource:
    """A sound card of 10 ms blocks that plays quiet noise and clicks, and notes when."""

    sample_rate = RATE_HZ
    overflows = 0

    def __init__(self) -> None:
        self.ring = SampleRing(RATE_HZ * 3)
        self.clicks_s: list[float] = []
        self._clock = MonotonicClock()
        self._rng = np.random.default_rng(1)
        self._worker = Worker("audio-in", self._run)

    def open(self) -> None:
        """Start."""
        self._worker.start()

    def heard_s(self, now_s: float) -> float:
        """Musical time of the newest sample."""
        return self.ring.written / RATE_HZ

    def status(self) -> SourceStatus:
        """A connected line."""
        return SourceStatus("mic", "clicks", connected=True)

    def service(self, now_s: float) -> None:
        """Nothing to look after."""

    def close(self) -> None:
        """Stop."""
        self._worker.stop()

    def _run(self, stopping: threading.Event) -> None:
        next_s = self._clock.now()
        click_s = next_s + 6.0
        while not stopping.is_set():
            next_s += BLOCK_S
            stopping.wait(max(0.0, next_s - self._clock.now()))
            block = self._noise()
            if next_s >= click_s:
                block[:64] += np.hanning(64).astype(np.float32)[:, None] * 0.9
                # The click is the block's first sample: a sound card hands it over one block late.
                self.clicks_s.append(self._clock.now() - BLOCK_S)
                click_s = next_s + float(self._rng.uniform(*CLICK_EVERY_S))
            self.ring.push(block)

    def _noise(self) -> Float32:
        noise = self._rng.standard_normal((round(BLOCK_S * RATE_HZ), 2))
        quiet: Float32 = (0.003 * noise).astype(np.float32)
        return quiet


def bench(request: BenchRequest) -> list[Result]:
    """Return `latency/click` and `latency/beat`, ms, with ember painting all the while."""
    return [*_clicks(request), *beat_lock.bench(request)]


def _clicks(request: BenchRequest) -> list[Result]:
    """Return `latency/click`: median and p95 from the click to the frame handed over."""
    with tempfile.TemporaryDirectory() as folder:
        preset = Path(folder) / "click.toml"
        preset.write_text(PRESET, "utf-8")
        config = EngineConfig(
            source=SourceChoice("tone"), preset=str(preset), device_compute=request.device_compute
        )
        source = ClickSource()
        engine = Engine(config, open_source=lambda choice: source)
        delays_ms = _watch(engine, source, max(request.seconds, 15.0))
    if not delays_ms:
        return [{"name": "latency/click", "median_ms": None, "p95_ms": None, "clicks": 0}]
    median, p95 = np.percentile(np.array(delays_ms), (50, 95))
    return [
        {"name": "latency/click", "median_ms": round(float(median), 1),
         "p95_ms": round(float(p95), 1), "clicks": len(delays_ms),
         "missed": len(source.clicks_s) - len(delays_ms)}
    ]  # fmt: skip


def _watch(engine: Engine, source: ClickSource, seconds: float) -> list[float]:
    """Run the engine and return the delay of every click that was seen."""
    clock = MonotonicClock()
    engine.start()
    source.open()
    delays_ms: list[float] = []
    seen = 0
    version = 0
    before = 0.0
    end_s = clock.now() + seconds
    try:
        while clock.now() < end_s:
            frame, version = engine.frames.wait(version, 0.1)
            if frame is None:
                continue
            mean = float(frame.pixels[::8, ::8].mean())
            if mean - before > JUMP and len(source.clicks_s) > seen:
                seen = len(source.clicks_s)
                delays_ms.append(1000.0 * (frame.host_time_s - source.clicks_s[-1]))
            before = mean
    finally:
        engine.close()
        source.close()
    return delays_ms
