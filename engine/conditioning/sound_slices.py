"""A sound cut into slices, one per picture of a video: where each begins and what surrounds it.

Sound-Diffusion takes one STFT of the whole file with a hop of `len // (77 F) - 1` for F pictures
and gives picture k the columns 77 k to 77 k + 76. That hop is rounded down and shortened by one,
so its slices fall behind the video, by 34 s after ten minutes at 30 pictures a second, and a
fraction of a second at the end is dropped. Here the hop within a slice is theirs, but slice k
begins where picture k does, and the last one is as long as what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

REACH = 4_096
"""Samples at 44.1 kHz on either side of a slice that its spectra may reach into."""
_RATE_HZ = 44_100


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """Slices of a sound."""

    samples: int
    """Of the whole sound."""
    sample_rate: int
    per_second: float
    overlap: float = 0.0
    """How much of both neighbours each slice hears besides, as a share of a slice."""

    @property
    def count(self) -> int:
        """How many there are; a fraction of a slice at the end is one."""
        exact = self.samples * self.per_second / self.sample_rate
        return max(1, math.ceil(exact - 1e-6))

    @property
    def margin(self) -> int:
        """Samples of the sound on either side that are handed over beside a slice."""
        return round(REACH * self.sample_rate / _RATE_HZ)

    def span(self, index: int) -> tuple[int, int]:
        """First sample of a slice and one past its last; outside the sound there is silence."""
        length = self.sample_rate / self.per_second
        begin = round((index - self.overlap) * length)
        end = round((index + 1 + self.overlap) * length)
        return begin, max(end, begin + 1)

    def shares(self, time_s: float) -> tuple[tuple[int, float], ...]:
        """Slices that a moment of the sound lies between, with their shares; sum 1.

        A slice counts alone where it begins, and half and half with the next one midway.
        """
        place = min(max(time_s * self.per_second, 0.0), float(self.count - 1))
        index = math.floor(place + 1e-6)
        share = place - index
        if share < 1e-3 or index + 1 >= self.count:
            return ((index, 1.0),)
        return ((index, 1.0 - share), (index + 1, share))
