"""`BeatListener`: from the quick spectrum to beat, tempo and bar."""

from __future__ import annotations

import numpy as np

from engine.analysis.bar import BarTracker
from engine.analysis.beat import BeatTracker
from engine.analysis.pulse import PULSE_DELAY_S, PulseNetwork
from engine.analysis.pulse_bands import PulseBands, pulse_weights
from engine.messages import Bar, Float32


class BeatListener:
    """Everything between one spectrum per hop and the beat clock. Analysis thread only."""

    def __init__(self, frequencies_hz: np.ndarray, dt_s: float) -> None:
        self.clock = BeatTracker(dt_s, PULSE_DELAY_S)
        """Tempo, phase and count; taps and nudges go there."""
        self._weights = pulse_weights(frequencies_hz)
        self._bands = PulseBands(dt_s)
        self._network = PulseNetwork()
        self._bars = BarTracker()

    @property
    def bar(self) -> Bar:
        """Where in the bar the clock is."""
        return self._bars.bar

    def step(self, power: Float32, *, silent: bool) -> None:
        """Take the power spectrum of one hop."""
        inputs = self._bands.step(self._weights @ power, silent=silent)
        beat, downbeat = self._network.step(inputs)
        counted = self.clock.step(beat, silent=silent)
        self._bars.step(downbeat, self.clock.phase, counted=counted, paused=silent)
