"""`ChirpTrain`: clicks that can be found again in noise, to a fraction of a millisecond."""

from __future__ import annotations

import numpy as np

from engine.messages import Float32

_CHIRP_S = 0.02
_LOW_HZ, _HIGH_HZ = 800.0, 5000.0
"""What a laptop's loudspeaker and microphone both carry."""
_LEVEL = 0.5
_APART_S = (0.7, 0.95)
"""Uneven, so that one cannot be taken for its neighbour."""
_EARLIEST_S, _LATEST_S = -0.1, 0.55
_CLEAR = 8.0
"""A click stands out of the correlation's own noise (its root mean square) by this much."""


class ChirpTrain:
    """A train of short rising sweeps at one rate, after `lead_s` of silence."""

    def __init__(
        self, sample_rate: int, count: int, rng: np.random.Generator, lead_s: float = 0.0
    ) -> None:
        self.sample_rate = sample_rate
        gaps_s = rng.uniform(*_APART_S, count)
        self.starts_s = lead_s + np.cumsum(gaps_s)
        """When each begins."""
        self.duration_s = float(self.starts_s[-1] + _APART_S[1])
        """Long enough for the last one to come back."""

    def samples(self) -> Float32:
        """The whole train, shape `(n, 2)`, both channels alike."""
        train = np.zeros((round(self.duration_s * self.sample_rate), 2), np.float32)
        chirp = _LEVEL * _chirp(self.sample_rate)
        for start_s in self.starts_s:
            first = round(start_s * self.sample_rate)
            train[first : first + chirp.shape[0]] += chirp[:, None]
        return train

    def find(self, heard: Float32, sample_rate: int, begin_s: float) -> np.ndarray:
        """How much later than it was due each click was heard, seconds; NaN where it was not.

        `heard`, shape `(n,)`, starts at `begin_s` on the clock of `starts_s`. A delay of -100 to
        550 ms is found.
        """
        match = _correlation(heard, _chirp(sample_rate))
        delays_s = np.full(self.starts_s.shape[0], np.nan)
        for k, start_s in enumerate(self.starts_s):
            first = round((start_s + _EARLIEST_S - begin_s) * sample_rate)
            last = round((start_s + _LATEST_S - begin_s) * sample_rate)
            window = match[max(first, 0) : max(last, 0)]
            if window.shape[0] < 8:
                continue
            best = int(np.argmax(window))
            rest = window[np.abs(np.arange(window.shape[0]) - best) > _CHIRP_S * sample_rate]
            noise = float(np.sqrt(np.mean(rest**2))) if rest.size else 0.0
            if window[best] > max(_CLEAR * noise, 1e-9):
                delays_s[k] = (max(first, 0) + best) / sample_rate + begin_s - start_s
        return delays_s


def _chirp(sample_rate: int) -> Float32:
    """A sweep from 0.8 to 5 kHz under a Hann window, shape `(n,)`."""
    n = round(_CHIRP_S * sample_rate)
    t = np.arange(n) / sample_rate
    sweep = _LOW_HZ * t + 0.5 * (_HIGH_HZ - _LOW_HZ) / _CHIRP_S * t**2
    chirp: Float32 = (np.hanning(n) * np.sin(2.0 * np.pi * sweep)).astype(np.float32)
    return chirp


def _correlation(heard: Float32, chirp: Float32) -> np.ndarray:
    """Matched filter: the value at `i` says how much of a chirp begins at sample `i`."""
    n_fft = 1 << (heard.shape[0] + chirp.shape[0] - 1).bit_length()
    spectrum = np.fft.rfft(heard, n_fft) * np.conj(np.fft.rfft(chirp, n_fft))
    match: np.ndarray = np.fft.irfft(spectrum, n_fft)[: heard.shape[0]]
    # The sign of a loudspeaker and the phase of a room are unknown: take the envelope.
    analytic = np.fft.fft(match)
    half = analytic.shape[0] // 2
    analytic[half + 1 :] = 0.0
    analytic[1:half] *= 2.0
    envelope: np.ndarray = np.abs(np.fft.ifft(analytic))
    return envelope
