"""`MomentMaker`: half a second of sound as one small vector, what sections are told apart by."""

from __future__ import annotations

import numpy as np

from engine.analysis.spectrum import band_weights
from engine.messages import CHROMA_BINS, Float32

MOMENT_S = 0.512
_LOOK_S = MOMENT_S / 12
_BAND_EDGES_HZ = (
    (40.0, 143.0), (143.0, 259.0), (259.0, 544.0), (544.0, 1137.0), (1137.0, 2387.0),
    (2387.0, 4490.0), (4490.0, 8024.0), (8024.0, 16_000.0),
)  # fmt: skip
"""Groups of 1, 1, 2, 3, 4, 4, 4 and 5 of 24 mel bands.

Narrower bands hear every change of chord as a change of section: with 24 of them 33 % of the
boundaries of synthesised songs lay below what 1 % of their insides reach, with these 16 %.
"""
_BANDS = len(_BAND_EDGES_HZ)
SHAPE, RISE = slice(0, _BANDS), slice(_BANDS, 2 * _BANDS)
RATE, LEVEL = 2 * _BANDS, 2 * _BANDS + 1
CHROMA = slice(2 * _BANDS + 2, 2 * _BANDS + 2 + CHROMA_BINS)
MOMENT_SIZE = CHROMA.stop
_FLOOR_DB = -45.0
"""A band this far below the whole is empty: its noise neither rises nor falls."""
_CHROMA_LOW_HZ, _CHROMA_HIGH_HZ = 100.0, 2100.0
_SEMITONE_WIDTH = 0.35


class MomentMaker:
    """Sums up the sound at about 23 looks a second. Analysis thread only.

    A moment is a vector `(MOMENT_SIZE,)` without memory, so that moments of minutes ago compare
    with those of now: band levels against the whole (10 dB is 1 over the root of their number),
    how much they rise, onsets (10 a second are 1), level (10 dB are 1; a louder copy moves by a
    constant) and chroma (length 1). None passes while silent; one that silence cuts is lost.
    """

    def __init__(self, frequencies_hz: np.ndarray, dt_s: float) -> None:
        self._hops_per_look = max(1, round(_LOOK_S / dt_s))
        self._looks_per_moment = max(1, round(MOMENT_S / (self._hops_per_look * dt_s)))
        self._seconds = self._hops_per_look * self._looks_per_moment * dt_s
        self._weights = np.concatenate(
            [band_weights(frequencies_hz, _BAND_EDGES_HZ), _chroma_weights(frequencies_hz)]
        )
        self._bands = self._weights[:_BANDS]
        self._chroma = self._weights[_BANDS:]
        self._power = np.zeros(_BANDS)
        self._rise = np.zeros(_BANDS)
        self._tones = np.zeros(CHROMA_BINS)
        self._past_db: np.ndarray | None = None
        self._hops = 0
        self._looks = 0
        self._onsets = 0

    def step(self, power: Float32, onset_count: int, *, silent: bool) -> Float32 | None:
        """Take the power per bin of the exact spectrum; a moment when one is full."""
        if silent:
            self._begin(onset_count)
            return None
        self._hops += 1
        if self._hops < self._hops_per_look:
            return None
        self._hops = 0
        self._look(power)
        if self._looks < self._looks_per_moment:
            return None
        moment = self._sum_up(onset_count)
        past_db = self._past_db
        self._begin(onset_count)
        self._past_db = past_db
        return moment

    def _begin(self, onset_count: int) -> None:
        self._power[:], self._rise[:], self._tones[:] = 0.0, 0.0, 0.0
        self._past_db = None
        self._hops, self._looks = 0, 0
        self._onsets = onset_count

    def _look(self, power: Float32) -> None:
        bands = (self._bands @ power).astype(np.float64)
        floor = float(bands.sum()) * 10.0 ** (_FLOOR_DB / 10.0)
        bands_db = 10.0 * np.log10(np.maximum(bands, floor) + 1e-7)
        if self._past_db is not None:
            self._rise += np.maximum(bands_db - self._past_db, 0.0)
        self._past_db = bands_db
        self._power += bands
        self._tones += self._chroma @ np.sqrt(power)
        self._looks += 1

    def _sum_up(self, onset_count: int) -> Float32:
        moment = np.zeros(MOMENT_SIZE, np.float32)
        power = self._power / self._looks
        whole_db = 10.0 * np.log10(float(power.sum()) + 1e-10)
        shape_db = np.clip(10.0 * np.log10(power + 1e-10) - whole_db, -50.0, 0.0)
        moment[SHAPE] = shape_db / 10.0 / np.sqrt(_BANDS)
        moment[RISE] = self._rise / self._looks / 3.0 / np.sqrt(_BANDS)
        moment[RATE] = (onset_count - self._onsets) / self._seconds / 10.0
        moment[LEVEL] = whole_db / 10.0
        tones = self._tones - self._tones.min()  # what is in all of them is noise
        moment[CHROMA] = tones / max(float(np.sqrt(np.dot(tones, tones))), 1e-9)
        return moment


def _chroma_weights(frequencies_hz: np.ndarray) -> Float32:
    """Weights `(12, bins)` for magnitudes: a bell around each pitch class, C first."""
    inside = (frequencies_hz >= _CHROMA_LOW_HZ) & (frequencies_hz <= _CHROMA_HIGH_HZ)
    hz = np.where(inside, frequencies_hz, _CHROMA_LOW_HZ)
    notes = 69.0 + 12.0 * np.log2(hz / 440.0)
    away = (notes - np.arange(CHROMA_BINS)[:, None] + 6.0) % 12.0 - 6.0
    bells = np.exp(-0.5 * np.square(away / _SEMITONE_WIDTH)) / np.sqrt(hz)
    return np.where(inside, bells, 0.0).astype(np.float32)
