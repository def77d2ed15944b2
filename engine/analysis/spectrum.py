"""`Spectrum`: power per frequency bin of the newest samples, and the weights that sum it up."""

from __future__ import annotations

import numpy as np

from engine.messages import Float32


class Spectrum:
    """Power spectrum over a window of fixed duration. Analysis thread only.

    `rise` is the share of the window that rises. Above one half it leans to the newest samples and
    so reports them earlier, at the price of a wider skirt.
    """

    def __init__(self, sample_rate: float, window_s: float, rise: float = 0.5) -> None:
        self.length = max(16, round(window_s * sample_rate))
        self.n_fft = 1 << (self.length - 1).bit_length()
        self.frequencies_hz = np.fft.rfftfreq(self.n_fft, 1.0 / sample_rate)
        self._window = _leaning_hann(self.length, rise)
        self._scale = np.float32(2.0 / (self.n_fft * float(np.sum(self._window**2))))

    def power(self, samples: Float32) -> Float32:
        """Power per bin of `samples`, shape `(length,)`; the bins sum to their mean square."""
        bins = np.fft.rfft(samples * self._window, self.n_fft)
        power = np.square(bins.real)
        power += np.square(bins.imag)
        power *= self._scale
        result: Float32 = power.astype(np.float32, copy=False)
        return result


def band_weights(frequencies_hz: np.ndarray, edges_hz: tuple[tuple[float, float], ...]) -> Float32:
    """Weights `(bands, bins)`: which share of each bin lies inside each band."""
    width = float(frequencies_hz[1] - frequencies_hz[0])
    rows = []
    for low, high in edges_hz:
        overlap = np.minimum(frequencies_hz + width / 2, high) - np.maximum(
            frequencies_hz - width / 2, low
        )
        rows.append(np.clip(overlap / width, 0.0, 1.0))
    return np.array(rows, np.float32)


def log_filterbank(
    frequencies_hz: np.ndarray, low_hz: float, high_hz: float, bands_per_octave: int
) -> Float32:
    """Triangular bands on a log axis, weights `(bands, bins)`; bands narrower than a bin merge.

    The bank of SuperFlux (Boeck and Widmer, DAFx 2013), each band normalised to sum 1.
    """
    top = min(high_hz, float(frequencies_hz[-1]))
    count = int(np.floor(np.log2(top / low_hz) * bands_per_octave)) + 1
    centres = low_hz * 2.0 ** (np.arange(count) / bands_per_octave)
    width = float(frequencies_hz[1] - frequencies_hz[0])
    bins = np.unique(np.clip(np.round(centres / width), 1, frequencies_hz.shape[0] - 1))
    bins = np.concatenate([[bins[0] - 1], bins, [bins[-1] + 1]])
    index = np.arange(frequencies_hz.shape[0], dtype=np.float64)
    rows = []
    for left, centre, right in zip(bins[:-2], bins[1:-1], bins[2:], strict=True):
        row = np.clip(np.minimum((index - left) / (centre - left),
                                 (right - index) / (right - centre)), 0.0, None)  # fmt: skip
        rows.append(row / row.sum())
    return np.array(rows, np.float32)


def _leaning_hann(length: int, share: float) -> Float32:
    rise = round(length * share)
    up = 0.5 - 0.5 * np.cos(np.pi * (np.arange(rise) + 0.5) / rise)
    fall = length - rise
    down = 0.5 + 0.5 * np.cos(np.pi * (np.arange(fall) + 0.5) / fall)
    window: Float32 = np.concatenate([up, down]).astype(np.float32)
    return window
