"""The newest sound, longer than what the ring of a source holds."""

from __future__ import annotations

import numpy as np

from engine.messages import Float32


class SoundMemory:
    """Joins windows that overlap into one. After a gap, or another source, it begins anew."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.samples: Float32 = np.zeros(0, np.float32)
        """The newest, mono, at most `seconds` long."""
        self.sample_rate = 0
        self.sample_index = 0
        """One past the last of them."""

    def hear(self, window: Float32, sample_rate: int, sample_index: int) -> None:
        """Take a mono window that ends at `sample_index`."""
        fresh = sample_index - self.sample_index
        if sample_rate == self.sample_rate and 0 <= fresh <= len(window):
            window = np.concatenate([self.samples, window[len(window) - fresh :]])
        self.sample_rate, self.sample_index = sample_rate, sample_index
        most = round(self.seconds * sample_rate)
        self.samples = np.asarray(window[max(0, len(window) - most) :], np.float32)
