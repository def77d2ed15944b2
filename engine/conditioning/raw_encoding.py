"""Raw encodings behind the seam: a stretch of sound becomes rows without any network."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.conditioning.raw_features import RATE_HZ, rows_of, stretch_of, window_samples
from engine.conditioning.scales import scaled
from engine.conditioning.sound_embedding import SoundEmbedding, SoundMoment
from engine.conditioning.text_statistics import TextStatistics
from engine.messages import Float32

SILENCE_RMS = 1e-3
"""Quieter than -60 dBFS there is nothing to encode: a level against itself would be noise."""


@dataclass(frozen=True, slots=True)
class RawEncoding:
    """A `SoundEncoding` out of what the sound is, microseconds to a few milliseconds each."""

    name: str
    """`waveform`, `fft`, `mel` or `mfcc`."""
    scale: str
    """`raw`, `minmax`, `standard` or `manifold`."""
    text: TextStatistics
    """Of the model that will read the rows."""

    @property
    def encoder(self) -> str:
        """Samples are enough."""
        return ""

    @property
    def window_s(self) -> float:
        """1.341 s at 77 x 768, and for spectra everywhere."""
        return window_samples(self.name, self.text.target) / RATE_HZ

    @property
    def step_s(self) -> float:
        """It costs next to nothing."""
        return 0.0

    @property
    def message(self) -> str:
        """Samples are there at once."""
        return ""

    def embed(self, moment: SoundMoment) -> SoundEmbedding | None:
        """Encode; None in silence."""
        target = self.text.target
        stretch = stretch_of(moment, target.tokens, window_samples(self.name, target))
        if loudness_rms(stretch.samples) < SILENCE_RMS:
            return None
        return scaled(rows_of(self.name, stretch, target), self.name, self.scale, self.text)


def loudness_rms(samples: Float32) -> float:
    """Root mean square of samples, full scale 1; NaN where they are no numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return math.sqrt(power)
