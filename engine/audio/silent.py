"""`SilentSource`: what is heard when there is nothing to listen to."""

from __future__ import annotations

import threading

import numpy as np

from engine.audio.pacer import Pacer
from engine.clock import Clock
from engine.messages import SourceStatus
from engine.ring import SampleRing
from engine.threads import Worker

_RING_S = 3.0
_PERIOD_S = 0.01


class SilentSource:
    """Paced silence: "no device" is a state, and musical time goes on without one."""

    def __init__(self, message: str, clock: Clock, sample_rate: int = 48_000) -> None:
        self.message = message
        self._clock = clock
        self._ring = SampleRing(round(_RING_S * sample_rate), 2)
        self._pacer = Pacer(sample_rate)  # guarded by _lock
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    @property
    def sample_rate(self) -> int:
        """Samples per second of the ring."""
        return self._pacer.sample_rate

    @property
    def ring(self) -> SampleRing:
        """Where the silence goes, two channels."""
        return self._ring

    @property
    def overflows(self) -> int:
        """Always 0. Any thread, never blocks."""
        return 0

    def open(self) -> None:
        """Start the clock and the thread that follows it."""
        with self._lock:
            self._pacer.start(self._clock.now(), self._ring.written)
        self._worker = Worker("audio-file", self._run)
        self._worker.start()

    def heard_s(self, now_s: float) -> float:
        """Musical time at host time `now_s`. Any thread, never blocks."""
        return self._pacer.heard_s(now_s)

    def status(self) -> SourceStatus:
        """Not connected, and why. Any thread, never blocks."""
        return SourceStatus("none", "", connected=False, message=self.message)

    def service(self, now_s: float) -> None:
        """Write what is due at `now_s`. Any thread."""
        with self._lock:
            due = self._pacer.due(now_s, self._ring.written)
            if due > 0:
                self._ring.push(np.zeros((due, 2), np.float32))

    def close(self) -> None:
        """Stop; idempotent."""
        if self._worker is not None:
            self._worker.stop()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(_PERIOD_S):
            self.service(self._clock.now())
