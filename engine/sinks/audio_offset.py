"""How far the sound of a movie is off its picture, measured and not assumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.errors import SinkError
from engine.messages import Float32

_WINDOW_S = 60.0
_SEARCH_S = 0.5
_AUDIBLE = 1e-3


def measure_audio_offset_ms(
    path: Path, reference_samples: Float32, sample_rate: int
) -> float | None:
    """Return how much later the sound of `path` is than its picture, milliseconds.

    `reference_samples`, shape `(n,)` or `(n, channels)`, is the sound as it should be, its first
    sample belonging to the first picture. The movie's sound is decoded as a player does (edit list
    and priming honoured) and cross-correlated with it within +-500 ms, over 60 s from the first
    audible sample. None when there is nothing audible to compare. Raises `SinkError` for a file
    without picture or sound.
    """
    reference = _mono(reference_samples)
    audible = np.flatnonzero(np.abs(reference) > _AUDIBLE)
    if audible.size == 0:
        return None
    first = int(audible[0])
    reference = reference[first : first + round(_WINDOW_S * sample_rate)]
    margin = round(_SEARCH_S * sample_rate)
    last = first + reference.shape[0] + margin
    heard = _decode_sound(path, sample_rate, first - margin, last)
    if float(np.abs(heard).max(initial=0.0)) < _AUDIBLE:
        return None
    return (_lag(heard, reference) - margin) / sample_rate * 1000.0


def _lag(heard: Float32, reference: Float32) -> int:
    """Shift of `reference` that fits `heard` best, samples."""
    n_fft = 1 << (heard.shape[0] + reference.shape[0]).bit_length()
    spectrum = np.fft.rfft(heard, n_fft) * np.conj(np.fft.rfft(reference, n_fft))
    correlation = np.fft.irfft(spectrum, n_fft)
    return int(np.argmax(correlation[: heard.shape[0] - reference.shape[0] + 1]))


def _decode_sound(path: Path, sample_rate: int, start: int, stop: int) -> Float32:
    """Sound from sample `start` to `stop` after the first picture, mono, silence outside it."""
    import av

    out = np.zeros(stop - start, np.float32)
    try:
        with av.open(str(path)) as movie:
            if not movie.streams.video or not movie.streams.audio:
                raise SinkError(f"{path} has no picture or no sound; nothing to compare")
            picture_s = next(movie.decode(movie.streams.video[0])).time or 0.0
            movie.seek(0)
            resampler = av.AudioResampler("fltp", "mono", sample_rate)
            position = None
            for frame in movie.decode(movie.streams.audio[0]):
                if position is None:
                    position = round(((frame.time or 0.0) - picture_s) * sample_rate)
                for block in resampler.resample(frame):
                    samples = block.to_ndarray()[0]
                    _place(out, position - start, samples)
                    position += samples.shape[0]
                if position >= stop:
                    break
    except (av.FFmpegError, StopIteration) as error:
        raise SinkError(f"cannot decode {path}: {error or 'it has no picture'}") from error
    return out


def _place(out: Float32, at: int, samples: Float32) -> None:
    begin, end = max(at, 0), min(at + samples.shape[0], out.shape[0])
    if begin < end:
        out[begin:end] = samples[begin - at : end - at]


def _mono(samples: Float32) -> Float32:
    block = np.nan_to_num(np.asarray(samples, np.float32))
    mono: Float32 = block if block.ndim == 1 else block.mean(axis=1)
    return mono
