"""`BeatListener`: from the quick spectrum to beat, tempo and bar."""

from __future__ import annotations

import numpy as np

from engine.analysis.bar import BarTracker
from engine.analysis.beat import BeatTracker
from engine.analysis.pointer import MOST_UNHEARD_HOPS
from engine.analysis.pulse import PULSE_DELAY_S, PulseNetwork
from engine.analysis.pulse_bands import PULSE_BANDS, PulseBands, pulse_weights
from engine.analysis.strokes import StrokeMeter
from engine.messages import Bar, Float32

_DEAF_HOPS = 4
"""After a gap everything seems to rise; a beat that began in it would be placed too late."""


class BeatListener:
    """Everything between one spectrum per hop and the beat clock. Analysis thread only."""

    def __init__(self, frequencies_hz: np.ndarray, dt_s: float) -> None:
        self.clock = BeatTracker(dt_s, PULSE_DELAY_S)
        """Tempo, phase and count; taps and nudges go there."""
        self._weights = pulse_weights(frequencies_hz)
        self._bands = PulseBands(dt_s)
        self._network = PulseNetwork()
        self._bars = BarTracker()
        self._strokes = StrokeMeter(dt_s)
        self._deaf = 0  # so many hops more say nothing about the beat

    @property
    def bar(self) -> Bar:
        """Where in the bar the clock is."""
        return self._bars.bar

    def skip(self, hops: int) -> tuple[int, bool]:
        """Run on over hops that nobody heard; how many beats began, and whether they count.

        The network goes through them as if the sound lasted: it knows rhythms by their time.
        """
        held = self._bands.held()
        for _ in range(min(hops, MOST_UNHEARD_HOPS)):
            self._network.step(held)
        self._deaf = _DEAF_HOPS
        begun, counted = self.clock.skip(hops)
        self._bars.skip(begun, self.clock.phase, counted=counted)
        return begun, counted

    def step(self, power: Float32, *, silent: bool) -> None:
        """Take the power spectrum of one hop."""
        inputs = self._bands.step(self._weights @ power, silent=silent)
        beat, downbeat = self._network.step(inputs)
        self._hear_strokes(float(inputs[:PULSE_BANDS].sum()) / PULSE_BANDS, silent=silent)
        beat *= self._strokes.value
        counted = self.clock.step(None if self._deaf else beat, silent=silent)
        self._deaf = max(self._deaf - 1, 0)
        self._bars.step(downbeat, self.clock.phase, counted=counted, paused=silent)

    def _hear_strokes(self, level: float, *, silent: bool) -> None:
        if self._deaf:
            self._strokes.rejoin(level)
        elif not silent:
            self._strokes.step(level)
