"""Band-limited oscillators and the pitch they are tuned to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

SAMPLE_RATE_HZ = 44_100
_A4_NOTE = 69
_A4_HZ = 440.0


def midi_hz(note: float) -> float:
    """Frequency of a MIDI note number in equal temperament, A4 = 440 Hz."""
    return float(_A4_HZ * 2.0 ** ((note - _A4_NOTE) / 12.0))


def phase(frequency_hz: float | Float64, n_samples: int, start: float = 0.0) -> Float64:
    """Running phase in cycles, shape `(n_samples,)`, for a constant or moving frequency."""
    if isinstance(frequency_hz, np.ndarray):
        return start + np.cumsum(frequency_hz) / SAMPLE_RATE_HZ
    return start + np.arange(n_samples, dtype=np.float64) * (frequency_hz / SAMPLE_RATE_HZ)


def sine(frequency_hz: float | Float64, n_samples: int, start: float = 0.0) -> Float32:
    """Sine in [-1, 1], shape `(n_samples,)`; `start` is the first phase in cycles."""
    return np.sin(2.0 * np.pi * phase(frequency_hz, n_samples, start)).astype(np.float32)


def saw(frequency_hz: float | Float64, n_samples: int, start: float = 0.0) -> Float32:
    """Rising saw in [-1, 1], shape `(n_samples,)`, its step smoothed by the polyBLEP residual."""
    cycles = phase(frequency_hz, n_samples, start)
    return _naive_saw(cycles, np.asarray(frequency_hz / SAMPLE_RATE_HZ))


def pulse(
    frequency_hz: float | Float64, n_samples: int, start: float = 0.0, width: float = 0.5
) -> Float32:
    """Pulse of duty `width` in (0, 1) as the difference of two band-limited saws."""
    cycles = phase(frequency_hz, n_samples, start)
    step = np.asarray(frequency_hz / SAMPLE_RATE_HZ)
    return 0.5 * (_naive_saw(cycles, step) - _naive_saw(cycles + width, step))


def noise(n_samples: int, rng: np.random.Generator) -> Float32:
    """White noise with unit variance, shape `(n_samples,)`."""
    return rng.standard_normal(n_samples, dtype=np.float32)


def _naive_saw(cycles: Float64, step: Float64) -> Float32:
    position = cycles % 1.0
    wave = 2.0 * position - 1.0
    after = position < step
    before = position > 1.0 - step
    steps = np.broadcast_to(step, position.shape)
    ahead = position[after] / steps[after]
    wave[after] -= 2.0 * ahead - ahead * ahead - 1.0
    behind = (position[before] - 1.0) / steps[before]
    wave[before] -= behind * behind + 2.0 * behind + 1.0
    return wave.astype(np.float32)
