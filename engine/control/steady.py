"""`SteadyTempo`: a beat clock without hardware, the dull twin of the real ones."""

from __future__ import annotations

import math

from engine.messages import TempoReading, TempoState


class SteadyTempo:
    """Beats at one tempo from `start_s` on, bars of `beats_per_bar`. Any thread, never blocks."""

    kind = "midi"
    name = "steady"

    def __init__(self, bpm: float, start_s: float = 0.0, beats_per_bar: int = 4) -> None:
        self._bpm = bpm  # immutable, as the rest
        self._start_s = start_s
        self._beats_per_bar = beats_per_bar

    def open(self) -> None:
        """Nothing to open."""

    def state_at(self, host_time_s: float) -> TempoReading:
        """Tempo and phase at `host_time_s`."""
        beats = (host_time_s - self._start_s) * self._bpm / 60.0
        return TempoReading(
            bpm=self._bpm,
            beat_phase=beats - math.floor(beats),
            bar_phase=beats / self._beats_per_bar % 1.0,
            beats_per_bar=self._beats_per_bar,
            state=TempoState.RUNNING,
        )

    def service(self, now_s: float) -> None:
        """Nothing to look after."""

    def close(self) -> None:
        """Nothing to free."""
