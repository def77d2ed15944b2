"""`PacedSource`: what every source without hardware shares; it follows a clock."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from engine.audio.pacer import Pacer
from engine.clock import Clock
from engine.messages import Float32, SourceStatus
from engine.ring import SampleRing
from engine.threads import Worker

_RING_S = 3.0
_PERIOD_S = 0.01


class PacedSource(ABC):
    """Samples by the clock.

    The thread and `service` do the same thing, so with a `ManualClock` a call of `service` after
    each advance gives exactly the samples that are due.
    """

    def __init__(self, clock: Clock, sample_rate: int) -> None:
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
        """Where the samples go, two channels."""
        return self._ring

    @property
    def overflows(self) -> int:
        """Always 0: nothing can overflow. Any thread, never blocks."""
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

    @abstractmethod
    def status(self) -> SourceStatus:
        """How it is doing. Any thread, never blocks."""

    def service(self, now_s: float) -> None:
        """Write what is due at `now_s`. Any thread."""
        with self._lock:
            first = self._ring.written
            due = self._pacer.due(now_s, first)
            if due > 0:
                self._ring.push(self._samples(first, due))

    def close(self) -> None:
        """Stop; idempotent."""
        if self._worker is not None:
            self._worker.stop()

    @abstractmethod
    def _samples(self, first: int, count: int) -> Float32:
        """Return samples `[first, first + count)`, shape `(count, 2)`."""

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(_PERIOD_S):
            self.service(self._clock.now())
