"""Sound as rows of numbers, in the shape of a prompt: what Sound-Diffusion gives its U-Net.

Facts: dzluke/Sound-Diffusion at `a3dd790` (44.1 kHz, 77 x 768): the waveform itself, cut into
rows; the magnitudes of an STFT of `2 (width - 1)` samples; later a mel spectrogram (128 bands up
to 8 kHz, dB) and 13 MFCC. Here for any `tokens x width`, at any sample rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.conditioning.sound_embedding import SoundMoment, TargetSpec
from engine.messages import Float32

RATE_HZ = 44_100
"""What everything is computed at."""
WINDOW = 59_136
"""Samples that spectra look at: 77 x 768, 1.341 s."""
RANGE_DB = 80.0
MELS, HIGHEST_MEL_HZ, MEL_FFT = 128, 8_000.0, 2_048
MFCC = 13
_FLOOR = 1e-10


@dataclass(frozen=True, slots=True)
class Stretch:
    """Mono sound at `RATE_HZ`, and which part of it the rows are laid over."""

    samples: Float32
    first: int
    """Sample at which the first row stands."""
    length: int
    """Samples from there to the end of what is encoded."""
    hop: int
    """Samples from row to row."""


def window_samples(encoding: str, target: TargetSpec) -> int:
    """How much sound at `RATE_HZ` an encoding looks at."""
    return target.tokens * target.width if encoding == "waveform" else WINDOW


def stretch_of(moment: SoundMoment, tokens: int, window: int) -> Stretch:
    """Lay `tokens` rows over the newest `window` samples of a moment, or over all of a slice."""
    samples = resampled(moment.samples, moment.sample_rate)
    if moment.margin is None:
        samples = newest(samples, window)
        return Stretch(samples, 0, window, window_hop(window, tokens))
    margin = round(moment.margin * RATE_HZ / moment.sample_rate)
    length = max(1, len(samples) - 2 * margin)
    return Stretch(samples, margin, length, slice_hop(length, 1, tokens))


def window_hop(samples: int, tokens: int) -> int:
    """Samples from row to row of one picture; with it an STFT has exactly `tokens` frames."""
    return samples // tokens + 1


def slice_hop(samples: int, slices: int, tokens: int) -> int:
    """The same where `samples` are cut into slices, one per picture of a video."""
    return max(1, samples // (tokens * slices) - 1)


def rows_of(encoding: str, stretch: Stretch, target: TargetSpec) -> Float32:
    """Return the raw rows `(tokens, width)` of an encoding: `waveform`, `fft`, `mel`, `mfcc`."""
    match encoding:
        case "waveform":
            return waveform_rows(stretch, target)
        case "fft":
            return spectra(stretch, target.tokens, 2 * (target.width - 1))
        case "mel":
            return _across(mel_levels(stretch, target.tokens), target.width)
        case "mfcc":
            return cepstral_rows(mel_levels(stretch, target.tokens), target.width)
    raise ValueError(f"{encoding!r} is no raw encoding")


def resampled(samples: Float32, sample_rate: int) -> Float32:
    """Mono sound at `RATE_HZ`."""
    if sample_rate == RATE_HZ or not len(samples):
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, sample_rate, RATE_HZ), np.float32)


def newest(samples: Float32, count: int) -> Float32:
    """The last `count` samples; silence stands before the beginning."""
    if len(samples) >= count:
        return samples[len(samples) - count :]
    return np.concatenate([np.zeros(count - len(samples), np.float32), samples])


def waveform_rows(stretch: Stretch, target: TargetSpec) -> Float32:
    """The samples themselves, row after row; a slice of another length is stretched to fit."""
    wanted = target.tokens * target.width
    part = stretch.samples[stretch.first : stretch.first + stretch.length]
    if len(part) != wanted:
        places = np.linspace(0.0, len(part) - 1.0, wanted)
        part = np.interp(places, np.arange(len(part)), part).astype(np.float32)
    return np.asarray(part, np.float32).reshape(target.tokens, target.width)


def spectra(stretch: Stretch, tokens: int, fft: int) -> Float32:
    """Magnitudes `(tokens, fft // 2 + 1)` of Hann windows centred on the rows' places.

    As `abs(librosa.stft(...))`: no scaling, silence beyond both ends. Where rows are further apart
    than a window is long, each is the root mean square of the windows in between: else a prompt of
    few rows would hear a thirtieth of the sound, another one at every picture.
    """
    parts = max(1, -(-stretch.hop // fft))
    inside = (np.arange(parts) - (parts - 1) / 2.0) * stretch.hop / parts
    centres = stretch.first + np.arange(tokens)[:, None] * stretch.hop + inside
    starts = np.round(centres).astype(np.int64).ravel() - fft // 2
    before = max(0, -int(starts.min()))
    after = max(0, int(starts.max()) + fft - len(stretch.samples))
    padded = np.pad(stretch.samples, (before, after))
    views = np.lib.stride_tricks.sliding_window_view(padded, fft)[starts + before]
    magnitudes = np.abs(np.fft.rfft(views * _hann(fft), axis=1))
    if parts == 1:
        return np.asarray(magnitudes, np.float32)
    power = (magnitudes**2).reshape(tokens, parts, -1).mean(axis=1)
    return np.asarray(np.sqrt(power), np.float32)


def mel_levels(stretch: Stretch, tokens: int) -> Float32:
    """Levels `(tokens, MELS)` in [0, 1]: 1 is the loudest cell, 0 is 80 dB below it."""
    power = spectra(stretch, tokens, MEL_FFT) ** 2 @ _mel_bands()
    return (decibels(power, 10.0) + RANGE_DB) / RANGE_DB


def decibels(values: Float32, factor: float) -> Float32:
    """`factor` log10 of values against the largest of them, in [-80, 0] dB."""
    levels = factor * np.log10(np.maximum(values, _FLOOR))
    return np.asarray(np.maximum(levels - levels.max(), -RANGE_DB), np.float32)


def cepstral_rows(levels: Float32, width: int) -> Float32:
    """13 MFCC per row, laid out on `width` channels again: the smooth envelope of the spectrum.

    c_k = sum_m x_m cos(pi k (m + 1/2) / M), the DCT-II; the envelope is its inverse at `width`
    places.
    """
    bands = levels.shape[1]
    order = np.arange(MFCC)
    here = np.cos(np.pi * np.outer((np.arange(bands) + 0.5) / bands, order))
    there = np.cos(np.pi * np.outer((np.arange(width) + 0.5) / width, order))
    share = np.where(order == 0, 1.0, 2.0) / bands
    return np.asarray((levels @ here * share) @ there.T, np.float32)


def _across(rows: Float32, width: int) -> Float32:
    """Rows drawn out, or together, to `width` channels."""
    places = np.linspace(0.0, rows.shape[1] - 1.0, width)
    low = np.minimum(places.astype(np.int64), rows.shape[1] - 2)
    share = (places - low).astype(np.float32)
    return np.asarray(rows[:, low] * (1.0 - share) + rows[:, low + 1] * share, np.float32)


@lru_cache(maxsize=4)
def _hann(length: int) -> Float32:
    """The periodic Hann window."""
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length), np.float32)


@lru_cache(maxsize=1)
def _mel_bands() -> Float32:
    """Triangles `(MEL_FFT // 2 + 1, MELS)` of equal area, on the mel scale of Slaney's toolbox."""
    edges_hz = _slaney_hz(np.linspace(0.0, _slaney_mel(HIGHEST_MEL_HZ), MELS + 2))
    bins_hz = np.arange(MEL_FFT // 2 + 1) * (RATE_HZ / MEL_FFT)
    widths = np.diff(edges_hz)
    rising = (bins_hz[:, None] - edges_hz[:-2]) / widths[:-1]
    falling = (edges_hz[2:] - bins_hz[:, None]) / widths[1:]
    triangles = np.maximum(np.minimum(rising, falling), 0.0)
    return np.asarray(triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2])), np.float32)


_BEND_HZ, _HZ_PER_MEL, _LOG_STEP = 1_000.0, 200.0 / 3.0, np.log(6.4) / 27.0
"""Slaney's scale: straight up to 1 kHz, logarithmic above."""


def _slaney_mel(hz: float) -> float:
    straight = hz / _HZ_PER_MEL
    return float(
        straight if hz < _BEND_HZ else _BEND_HZ / _HZ_PER_MEL + np.log(hz / _BEND_HZ) / _LOG_STEP
    )


def _slaney_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    bend = _BEND_HZ / _HZ_PER_MEL
    return np.where(mels < bend, mels * _HZ_PER_MEL, _BEND_HZ * np.exp(_LOG_STEP * (mels - bend)))
