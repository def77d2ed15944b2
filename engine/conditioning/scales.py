"""From raw rows of sound to rows that a U-Net can read: four scales.

Cross-attention asks how rows differ from one another. Magnitudes of a spectrum differ hardly: 77
rows in one direction, at fifteen times the length of text, are one token shouted, and min-max to
the range of text makes all sounds alike (everything sits at -28). So rows of sound are given the
mean and the spread that text has there, and directions of their own.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engine.conditioning.raw_features import RANGE_DB, decibels
from engine.conditioning.sound_embedding import SoundEmbedding
from engine.conditioning.sound_mix import fixed_signs
from engine.conditioning.text_statistics import TextStatistics
from engine.messages import Float32

SHARPNESS = 5.0
"""Manifold: by how many standard deviations a prompt of the bank must be nearer to count e^2."""
_USUAL_DB = {
    "fft": (24, 15, 10, 6, 4, 1, 0, -2, -4, -5, -6, -6, -7, -8, -9, -13),
    "mel": (9, 12, 9, 7, 5, 3, 2, 1, -1, -2, -4, -5, -7, -8, -10, -12),
}
"""Mean levels of sixteenths of the channels, dB: four takes each of the 18 sounds that
`engine.synthesis.sounds` makes, and as much of the demo track as a quarter of them."""
_BANDS = 16
"""Manifold: so finely the spectrum is heard."""
_TINY = 1e-6


def scaled(rows: Float32, encoding: str, scale: str, text: TextStatistics) -> SoundEmbedding:
    """Scale raw rows `(tokens, width)`: `raw`, `minmax`, `standard` or `manifold`."""
    match scale:
        case "raw":
            return SoundEmbedding(rows, _summary(rows, text))
        case "minmax":
            return _minmax(rows, text)
        case "standard":
            return _standard(_levels(rows, encoding), text)
        case "manifold":
            levels = _levels(rows, encoding)
            return _manifold(levels if encoding == "waveform" else _lasting(levels), text)
    raise ValueError(f"{scale!r} is no scale")


def _minmax(rows: Float32, text: TextStatistics) -> SoundEmbedding:
    """(x - min) range_text / range_x + min_text, as Sound-Diffusion does it: not centred."""
    pooled = None
    if text.pooled is not None:
        summary = _summary(rows, text)
        assert summary is not None
        pooled = _stretched(summary, float(text.pooled.min()), float(text.pooled.max()))
    return SoundEmbedding(_stretched(rows, text.low, text.high), pooled)


def _stretched(values: Float32, low: float, high: float) -> Float32:
    span = max(float(values.max() - values.min()), _TINY)
    return np.asarray((values - values.min()) * ((high - low) / span) + low, np.float32)


def _standard(levels: Float32, text: TextStatistics) -> SoundEmbedding:
    """Mean + spread * z, row lengths as text has them; rows that text never changes stay.

    z is the row at mean 0 and deviation 1, each channel with a sign of its row and channel: an
    isometry, so sounds stay as far apart as they are, but neighbouring rows, near copies of each
    other in any sound that lasts, no longer point one way.
    """
    z = _unit(levels)
    rows = text.mean + text.spread * z * fixed_signs(*levels.shape)
    rows *= (text.lengths / (np.linalg.norm(rows, axis=1) + _TINY))[:, None]
    kept = text.kept[:, None]
    rows = kept * text.mean + (1.0 - kept) * rows
    if text.pooled is None:
        return SoundEmbedding(np.asarray(rows, np.float32))
    mean, spread = text.pooled.mean(axis=0), text.pooled.std(axis=0)
    summary = _summary(z, text)
    assert summary is not None
    pooled = mean + spread * _unit(summary[None])[0] * fixed_signs(1, len(summary))[0]
    pooled *= np.linalg.norm(text.pooled, axis=1).mean() / (np.linalg.norm(pooled) + _TINY)
    return SoundEmbedding(np.asarray(rows, np.float32), np.asarray(pooled, np.float32))


def _manifold(levels: Float32, text: TextStatistics) -> SoundEmbedding:
    """sum_i w_i E_i over the bank: w from where the standardised rows lie among its prompts.

    c_i is the cosine, from the bank's mean, of the standardised rows and prompt i: the projection
    on the bank's span. A softmax over the standardised c makes it a mixture of few prompts, inside
    their hull and not only in their plane; lengths are restored, which a mean shortens.
    """
    shares = bank_shares(_standard(levels, text).tokens, text)
    rows = np.einsum("i,itc->tc", shares, text.tokens)
    wanted = shares @ np.linalg.norm(text.tokens, axis=2)
    rows *= (wanted / (np.linalg.norm(rows, axis=1) + _TINY))[:, None]
    if text.pooled is None:
        return SoundEmbedding(np.asarray(rows, np.float32))
    pooled = shares @ text.pooled
    pooled *= (shares @ np.linalg.norm(text.pooled, axis=1)) / (np.linalg.norm(pooled) + _TINY)
    return SoundEmbedding(np.asarray(rows, np.float32), np.asarray(pooled, np.float32))


def _lasting(levels: Float32) -> Float32:
    """What a sound is like while it lasts, the same in all rows: no timing, no single partials.

    So a moment later it is the same scene.
    """
    mean = levels.mean(axis=0)
    width = max(1, len(mean) // _BANDS)
    kernel = np.full(width, 1.0 / width)
    padded = np.pad(mean, (width // 2, width - 1 - width // 2), mode="edge")
    smooth = np.convolve(padded, kernel, "valid").astype(np.float32)
    return np.repeat(smooth[None], len(levels), axis=0)


def bank_shares(rows: Float32, text: TextStatistics) -> Float32:
    """How much each prompt of the bank counts for rows `(tokens, width)`; sum 1."""
    centred = (text.tokens - text.mean).reshape(len(text.tokens), -1)
    lengths = np.linalg.norm(centred, axis=1) + _TINY
    cosines = centred @ (rows - text.mean).ravel() / lengths
    scores = SHARPNESS * (cosines - cosines.mean()) / (cosines.std() + _TINY)
    shares = np.exp(scores - scores.max())
    return np.asarray(shares / shares.sum(), np.float32)


def _levels(rows: Float32, encoding: str) -> Float32:
    """What is loud and what is soft, as an ear has it, against how sound usually is.

    dB of magnitudes, as shares of `RANGE_DB`; the others are such levels already, or a waveform.
    Nearly all sounds fall towards high frequencies, which would make them one direction: what is
    left is how this one differs.
    """
    if encoding == "waveform":
        return rows
    levels = decibels(rows, 20.0) / RANGE_DB if encoding == "fft" else rows
    return levels - usual_levels(encoding, rows.shape[1])


@lru_cache(maxsize=8)
def usual_levels(encoding: str, width: int) -> Float32:
    """`_USUAL_DB` on the channels, as shares of `RANGE_DB`."""
    usual_db = _USUAL_DB["fft" if encoding == "fft" else "mel"]
    centres = (np.arange(len(usual_db)) + 0.5) / len(usual_db)
    levels_db = np.interp(np.linspace(0.0, 1.0, width), centres, usual_db)
    return np.asarray(levels_db / RANGE_DB, np.float32)


def _summary(rows: Float32, text: TextStatistics) -> Float32 | None:
    """The mean row, at the width of the pooled vector."""
    if text.pooled is None:
        return None
    width = text.pooled.shape[1]
    mean = rows.mean(axis=0)
    places = np.linspace(0.0, len(mean) - 1.0, width)
    return np.asarray(np.interp(places, np.arange(len(mean)), mean), np.float32)


def _unit(rows: Float32) -> Float32:
    """Each row at mean 0 and deviation 1; a row that holds one value is 0."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(centred / (centred.std(axis=1, keepdims=True) + _TINY), np.float32)
