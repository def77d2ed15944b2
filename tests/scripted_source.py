"""A sound source whose samples come when a test says so."""

from __future__ import annotations

import numpy as np

from engine.clock import Clock
from engine.messages import Float32, SourceStatus
from engine.ring import SampleRing


class ScriptedSource:
    """Implements `AudioSource`; `feed` is the sound card."""

    def __init__(self, sample_rate: int = 48_000) -> None:
        self.sample_rate = sample_rate
        self.ring = SampleRing(sample_rate * 3)
        self.overflows = 0
        self.closed = False

    def feed(self, samples: Float32) -> None:
        """Let these samples arrive now."""
        if samples.ndim == 1:
            samples = np.repeat(samples[:, None], 2, axis=1)
        self.ring.push(samples.astype(np.float32))

    def open(self) -> None:
        """Nothing to open."""

    def heard_s(self, now_s: float) -> float:
        """Musical time of the newest sample."""
        return self.ring.written / self.sample_rate

    def status(self) -> SourceStatus:
        """A connected line."""
        return SourceStatus("mic", "scripted", connected=not self.closed)

    def service(self, now_s: float) -> None:
        """Nothing to look after."""

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


def feed_realtime(source: ScriptedSource, clock: Clock, seconds: float, wait: object) -> None:
    """Feed quiet noise with a thump every half second, as a sound card would."""
    rng = np.random.default_rng(0)
    block = source.sample_rate // 100
    for k in range(round(seconds * 100)):
        noise = 0.01 * rng.standard_normal(block)
        if k % 50 == 0:
            noise += 0.7 * np.sin(np.arange(block) * 2 * np.pi * 60 / source.sample_rate)
        source.feed(noise)
        wait(0.01)  # type: ignore[operator]
