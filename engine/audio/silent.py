"""`SilentSource`: what is heard when there is nothing to listen to."""

from __future__ import annotations

import numpy as np

from engine.audio.paced import PacedSource
from engine.clock import Clock
from engine.messages import Float32, SourceStatus


class SilentSource(PacedSource):
    """Paced silence: "no device" is a state, and musical time goes on without one."""

    def __init__(self, message: str, clock: Clock, sample_rate: int = 48_000) -> None:
        super().__init__(clock, sample_rate)
        self.message = message

    def status(self) -> SourceStatus:
        """Not connected, and why. Any thread, never blocks."""
        return SourceStatus("none", "", connected=False, message=self.message)

    def _samples(self, first: int, count: int) -> Float32:
        return np.zeros((count, 2), np.float32)
