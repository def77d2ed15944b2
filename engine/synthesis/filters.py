"""Filters in the frequency domain: NumPy has no recursive filter that is fast enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32, Float64

Complex = npt.NDArray[np.complex128]

_FRAME = 2048
_HOP = _FRAME // 4


def low_pass(sound: Float32, cutoff_hz: float, order: int = 2, q: float = 0.707) -> Float32:
    """Causal low-pass of a mono one-shot; `order` 1 is 6 dB per octave, 2 uses resonance `q`."""
    return _apply(sound, _low_response(_bins_hz(sound), cutoff_hz, order, q))


def high_pass(sound: Float32, cutoff_hz: float, order: int = 2) -> Float32:
    """Causal high-pass of a mono one-shot, `order` cascaded 6 dB per octave stages."""
    ratio = 1j * _bins_hz(sound) / cutoff_hz
    return _apply(sound, (ratio / (1.0 + ratio)) ** order)


def band_pass(sound: Float32, low_hz: float, high_hz: float, order: int = 2) -> Float32:
    """Causal band-pass of a mono one-shot between two corners."""
    bins_hz = _bins_hz(sound)
    ratio = 1j * bins_hz / low_hz
    response = (ratio / (1.0 + ratio)) ** order * _low_response(bins_hz, high_hz, order, 0.707)
    return _apply(sound, response)


def closing(sound: Float32, bright_hz: float, dark_hz: float, openness: Float32) -> Float32:
    """Filter envelope of a note: `openness` (1 bright .. 0 dark) mixes two low-passes."""
    bright = low_pass(sound, bright_hz)
    dark = low_pass(sound, dark_hz)
    mixed = dark + openness[: len(sound)] * (bright - dark)
    return np.asarray(mixed, dtype=np.float32)


def sweep(
    sound: Float32, cutoff_hz: Float64, *, high: bool = False, order: int = 4, peak: float = 0.0
) -> Float32:
    """Moving filter over a long stereo sound.

    `sound` has shape `(n, 2)`; `cutoff_hz` shape `(n,)` is read once per 512 samples. Low-pass
    with Butterworth magnitude of the given order, or its mirror when `high`. `peak` adds that much
    gain (linear) around the cutoff. Zero phase, overlap-add of 2048-sample frames.
    """
    return np.stack(
        [_sweep_channel(channel, cutoff_hz, high, order, peak) for channel in sound.T], axis=1
    )


def convolve(sound: Float32, impulse: Float32) -> Float32:
    """Linear convolution of two mono sounds, as long as `sound`."""
    size = fast_size(len(sound) + len(impulse))
    product = np.fft.rfft(sound, size) * np.fft.rfft(impulse, size)
    return np.fft.irfft(product, size)[: len(sound)].astype(np.float32)


def fast_size(at_least: int) -> int:
    """Transform length >= `at_least` of which only a factor below 128 is not a power of two."""
    step = 1 << max(0, at_least.bit_length() - 7)
    return -(-at_least // step) * step


def _sweep_channel(
    sound: Float32, cutoff_hz: Float64, high: bool, order: int, peak: float
) -> Float32:
    window = np.sqrt(np.hanning(_FRAME + 1)[:-1]).astype(np.float32)
    padded = np.pad(sound, (_FRAME, _FRAME + (-len(sound)) % _HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    centres = np.arange(len(frames)) * _HOP - _FRAME + _FRAME // 2
    cutoffs_hz = cutoff_hz[np.clip(centres, 0, len(cutoff_hz) - 1)].astype(np.float32)
    bins_hz = np.fft.rfftfreq(_FRAME, 1.0 / SAMPLE_RATE_HZ).astype(np.float32)
    out = np.zeros(len(padded), dtype=np.float32)
    block = 256
    for first in range(0, len(frames), block):
        rows = slice(first, min(first + block, len(frames)))
        ratio = np.maximum(bins_hz[None, :], np.float32(1e-3)) / cutoffs_hz[rows, None]
        gain = 1.0 / np.sqrt(1.0 + (1.0 / ratio if high else ratio) ** (2 * order))
        if peak:
            gain = gain * (1.0 + peak * np.exp(-((np.log2(ratio) / 0.35) ** 2)))
        spectra = np.fft.rfft(frames[rows] * window, axis=1) * gain
        pieces = (np.fft.irfft(spectra, _FRAME, axis=1) * (0.5 * window)).astype(np.float32)
        for row, piece in zip(range(rows.start, rows.stop), pieces, strict=True):
            out[row * _HOP : row * _HOP + _FRAME] += piece
    return out[_FRAME : _FRAME + len(sound)]


def _low_response(bins_hz: Float64, cutoff_hz: float, order: int, q: float) -> Complex:
    ratio = bins_hz / cutoff_hz
    if order == 1:
        return np.asarray(1.0 / (1.0 + 1j * ratio), dtype=np.complex128)
    response = 1.0 / (1.0 - ratio**2 + 1j * ratio / q)
    return np.asarray(response ** (order // 2), dtype=np.complex128)


def _bins_hz(sound: Float32) -> Float64:
    size = fast_size(2 * len(sound))
    return np.asarray(np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ), dtype=np.float64)


def _apply(sound: Float32, response: Complex) -> Float32:
    size = fast_size(2 * len(sound))
    filtered = np.fft.irfft(np.fft.rfft(sound, size) * response, size)
    return filtered[: len(sound)].astype(np.float32)
