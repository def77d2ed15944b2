"""Room and echo: what puts dry voices in one place. Stereo in, stereo out, shape `(n, 2)`."""

from __future__ import annotations

import numpy as np

from engine.synthesis.envelope import n_samples, seconds
from engine.synthesis.filters import convolve, fast_size, high_pass, low_pass
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32, noise


def reverb(
    sound: Float32, rng: np.random.Generator, *, decay_s: float = 1.6, pre_delay_s: float = 0.018
) -> Float32:
    """Wet signal only: convolution with two independent noise tails whose highs die first."""
    sides = [
        convolve(np.ascontiguousarray(channel), _impulse(rng, decay_s, pre_delay_s))
        for channel in sound.T
    ]
    return np.stack(sides, axis=1)


def ping_pong(
    sound: Float32, delay_s: float, *, feedback: float = 0.42, n_echoes: int = 7
) -> Float32:
    """Wet signal only: echoes of the mono sum that change side, each duller than the last."""
    step = n_samples(delay_s)
    size = fast_size(len(sound) + step * n_echoes)
    bins_hz = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ)
    # One round trip: the delay and a gentle loss of highs.
    trip = np.exp(-2j * np.pi * bins_hz * step / SAMPLE_RATE_HZ) / (1.0 + 1j * bins_hz / 5200.0)
    echo = np.fft.rfft(sound.mean(axis=1), size) / feedback
    sides = np.zeros((2, len(bins_hz)), dtype=np.complex128)
    for index in range(1, n_echoes + 1):
        echo = feedback * trip * echo
        near = (index + 1) % 2
        sides[near] += 0.9 * echo
        sides[1 - near] += 0.25 * echo
    heard = [np.fft.irfft(side, size)[: len(sound)] for side in sides]
    return np.stack(heard, axis=1).astype(np.float32)


def _impulse(rng: np.random.Generator, decay_s: float, pre_delay_s: float) -> Float32:
    count = n_samples(decay_s * 1.5)
    at_s = seconds(count)
    tail = noise(count, rng)
    low = low_pass(tail, 1800.0)
    high = tail - low
    # -60 dB after decay_s is a time constant of decay_s / 6.9.
    shaped = low * np.exp(-at_s * np.float32(6.9 / decay_s))
    shaped += 0.7 * high * np.exp(-at_s * np.float32(6.9 / (0.45 * decay_s)))
    shaped = low_pass(high_pass(shaped.astype(np.float32), 220.0), 8500.0)
    shaped /= np.sqrt(np.sum(shaped**2))
    return np.concatenate([np.zeros(n_samples(pre_delay_s), dtype=np.float32), shaped])
