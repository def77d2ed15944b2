"""A stretch of sound on its way to a sink."""

from __future__ import annotations

from dataclasses import dataclass

from engine.messages import Float32


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Samples as they were heard, addressed like everything else by sample index."""

    start_sample: int
    """Index of the first sample, on the clock of `Frame.sample_index`."""
    samples: Float32
    """Shape `(n_samples, n_channels)` or `(n_samples,)`, float32 in [-1, 1], frozen."""

    @property
    def end_sample(self) -> int:
        """One past the last sample."""
        return self.start_sample + len(self.samples)
