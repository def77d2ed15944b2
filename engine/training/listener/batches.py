"""Batches of windows as they might be heard: faster, filtered, in rooms, in noise, in company."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from engine.messages import Float32
from engine.semantic.log_mel import BANDS, FRAMES, HIGH_HZ, HOP_S, as_levels, band_centres_hz
from engine.training.listener.clips import CLIP_FRAMES, ClipTable

_SPEEDS = np.linspace(0.75, 1.33, 9)
_RECORDED_SHARE = 0.8
"""Of the windows of a label that has recordings, how many come from them."""
_OFTEN = 2.0
"""How often a label that has recordings, or is as varied, is drawn against another."""
_NOTHING_SHARE = 0.15
"""Windows of what is none of the labels: hum, hiss and strangers."""
_COMPANY_SHARE = 0.3
_ENTRY_SHARE = 0.3
"""Windows in which another sound, or silence, comes first."""
_NOISE_SHARE = 0.5
_ROOM_SHARE = 0.3
_NARROW_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows and what they are about."""

    levels: Float32
    """`(n, FRAMES, BANDS)` in [0, 1]."""
    shares: Float32
    """`(n, labels)`: sum 1; even over all labels where there is nothing to name."""


class WindowSource:
    """Draws windows from clips. Deterministic by the generator given."""

    def __init__(self, clips: ClipTable, labels: int, often: Collection[int] = ()) -> None:
        """Of labels 0 to `labels - 1`, those in `often` are drawn like those with recordings."""
        self._clips = clips
        self._labels = labels
        self._loud_db = clips.power_db.astype(np.float32).max(axis=2)
        self._rows = {
            (label, real): np.flatnonzero((clips.label == label) & (clips.recorded == real))
            for label in range(labels + 1)
            for real in (False, True)
        }
        self._known = [
            label for label in range(labels)
            if len(self._rows[label, False]) or len(self._rows[label, True])
        ]  # fmt: skip
        weights = np.array(
            [
                _OFTEN if label in often or len(self._rows[label, True]) else 1.0
                for label in self._known
            ]
        )
        self._chances = weights / weights.sum()
        self._turns = np.stack([_turned(speed) for speed in _SPEEDS])

    def batch(self, rng: np.random.Generator, count: int) -> Batch:
        """Return `count` windows."""
        label = rng.choice(self._known, count, p=self._chances)
        label[rng.random(count) < _NOTHING_SHARE] = self._labels
        power = self._windows(rng, label)
        shares = self._shares(label)
        other = rng.choice(self._known, count, p=self._chances)
        power, shares = _in_company(rng, power, shares, self._windows(rng, other),
                                    self._shares(other))  # fmt: skip
        power, shares = _after_another(rng, power, shares)
        power = _heard_somewhere(rng, power)
        levels = as_levels(power)
        floor = rng.uniform(-0.1, 0.35, (count, 1, 1)).astype(np.float32)
        levels = np.maximum(levels, np.where(rng.random((count, 1, 1)) < 0.5, floor, 0.0))
        return Batch(_with_holes(rng, levels.astype(np.float32)), shares)

    def _shares(self, label: np.ndarray) -> Float32:
        shares = np.full((len(label), self._labels), 1.0 / self._labels, np.float32)
        named = label < self._labels
        shares[named] = np.eye(self._labels, dtype=np.float32)[label[named]]
        return shares

    def _windows(self, rng: np.random.Generator, label: np.ndarray) -> Float32:
        """Power `(n, FRAMES, BANDS)` of stretches of clips, at some speed."""
        rows = np.array([self._row(rng, int(each)) for each in label])
        speed = rng.integers(0, len(_SPEEDS), len(rows))
        span = FRAMES * _SPEEDS[speed] * rng.uniform(0.9, 1.1, len(rows))
        start = self._start(rng, rows, span)
        place = start[:, None] + np.linspace(0.0, 1.0, FRAMES) * (span[:, None] - 1.0)
        place %= CLIP_FRAMES - 1
        left = place.astype(np.int64)
        share = (place - left)[..., None].astype(np.float32)
        table = self._clips.power_db
        level_db = table[rows[:, None], left].astype(np.float32) * (1.0 - share)
        level_db += table[rows[:, None], left + 1].astype(np.float32) * share
        power = np.power(np.float32(10.0), level_db / np.float32(10.0))
        return np.asarray(np.matmul(power, self._turns[speed]), np.float32)

    def _row(self, rng: np.random.Generator, label: int) -> int:
        made, recorded = self._rows[label, False], self._rows[label, True]
        real = len(recorded) > 0 and (not len(made) or rng.random() < _RECORDED_SHARE)
        rows = recorded if real else made
        return int(rows[rng.integers(len(rows))])

    def _start(self, rng: np.random.Generator, rows: np.ndarray, span: np.ndarray) -> np.ndarray:
        """Where to begin: of three places mostly the one where most is heard."""
        starts = rng.uniform(0.0, 1.0, (3, len(rows))) * np.maximum(CLIP_FRAMES - span, 1.0)
        steps = np.arange(FRAMES)
        loud = np.stack([
            np.maximum(self._loud_db[rows[:, None], (start[:, None].astype(np.int64) + steps)
                                     % CLIP_FRAMES], -45.0).mean(axis=1)
            for start in starts
        ])  # fmt: skip
        best = np.where(rng.random(len(rows)) < 0.8, loud.argmax(axis=0), 0)
        return np.asarray(starts[best, np.arange(len(rows))])


def _in_company(
    rng: np.random.Generator, power: Float32, shares: Float32, other: Float32, its: Float32
) -> tuple[Float32, Float32]:
    """Some windows hold a second sound; from -6 dB on it is named, too."""
    count = len(power)
    below_db = rng.uniform(0.0, 22.0, count)
    with_it = rng.random(count) < _COMPANY_SHARE
    gain = np.where(with_it, 10.0 ** (-below_db / 10.0), 0.0)
    gain *= power.mean(axis=(1, 2)) / (other.mean(axis=(1, 2)) + 1e-12)
    named = np.where(with_it & (below_db < 6.0), 0.5 - below_db / 12.0 * 0.5, 0.0)[:, None]
    mixed = power + gain[:, None, None].astype(np.float32) * other
    return mixed.astype(np.float32), ((1.0 - named) * shares + named * its).astype(np.float32)


def _after_another(
    rng: np.random.Generator, power: Float32, shares: Float32
) -> tuple[Float32, Float32]:
    """In some windows the sound begins late, after another window's sound or after silence."""
    count = len(power)
    other = np.roll(power, 1, axis=0)
    its = np.roll(shares, 1, axis=0)
    begins = rng.integers(FRAMES // 6, FRAMES * 3 // 4, count)
    silence = rng.random(count) < 0.4
    late = rng.random(count) < _ENTRY_SHARE
    gain = power.mean(axis=(1, 2)) / (other.mean(axis=(1, 2)) + 1e-12)
    gain *= np.where(silence, 1e-5, 10.0 ** (rng.uniform(-10.0, 6.0, count) / 10.0))
    before = late[:, None] & (np.arange(FRAMES) < begins[:, None])
    mixed = np.where(before[..., None], gain[:, None, None].astype(np.float32) * other, power)
    # What is newest counts most: a third of the window is enough to be believed.
    past = np.clip((begins / FRAMES - 0.4) / 0.35, 0.0, 1.0) * (late & ~silence)
    named = (1.0 - 0.7 * past[:, None]) * shares + 0.7 * past[:, None] * its
    return mixed.astype(np.float32), named.astype(np.float32)


def _heard_somewhere(rng: np.random.Generator, power: Float32) -> Float32:
    """Rooms, equalisers, narrow lines and noise."""
    count = len(power)
    tau_s = np.where(rng.random(count) < _ROOM_SHARE, rng.uniform(0.03, 0.25, count), 1e-3)
    keep = np.exp(-HOP_S / tau_s)[:, None].astype(np.float32)
    wet = rng.uniform(0.1, 0.6, count)[:, None].astype(np.float32)
    tail = np.zeros((count, BANDS), np.float32)
    out = np.empty_like(power)
    for frame in range(FRAMES):
        out[:, frame] = power[:, frame] + wet * tail
        tail = keep * (tail + power[:, frame])
    knots = rng.normal(0.0, 3.5, (count, 6))
    curve_db = np.stack([np.interp(np.linspace(0, 5, BANDS), np.arange(6), k) for k in knots])
    out *= (10.0 ** (curve_db / 10.0)).astype(np.float32)[:, None]
    centres_hz = band_centres_hz()
    top_hz = np.where(rng.random(count) < _NARROW_SHARE, rng.uniform(3000.0, HIGH_HZ, count), 1e9)
    low_hz = np.where(rng.random(count) < 0.15, rng.uniform(60.0, 300.0, count), 0.0)
    inside = (centres_hz < top_hz[:, None]) & (centres_hz > low_hz[:, None])
    tilt = rng.uniform(-1.5, 0.5, count)[:, None]
    hiss = (centres_hz[None] / 1000.0) ** tilt * np.gradient(centres_hz)
    hiss /= hiss.mean(axis=1, keepdims=True)
    noisy = rng.random(count) < _NOISE_SHARE
    snr_db = rng.uniform(5.0, 45.0, count)
    gain = np.where(noisy, 10.0 ** (-snr_db / 10.0), 0.0) * out.mean(axis=(1, 2))
    jitter = rng.gamma(4.0, 0.25, (count, FRAMES, BANDS)).astype(np.float32)
    out += (gain[:, None] * hiss).astype(np.float32)[:, None] * jitter
    return np.asarray(out * inside[:, None], np.float32)


def _with_holes(rng: np.random.Generator, levels: Float32) -> Float32:
    """Masks a few frames and bands (SpecAugment, Park et al. 2019)."""
    for picture in levels:
        for axis, size, widest in ((0, FRAMES, 10), (1, BANDS, 8)):
            if rng.random() < 0.4:
                width = int(rng.integers(1, widest))
                first = int(rng.integers(0, size - width))
                hole = slice(first, first + width)
                picture[hole if axis == 0 else slice(None), hole if axis else slice(None)] = 0.0
    return levels


def _turned(speed: float) -> Float32:
    """What playing `speed` times as fast does to the bands: a matrix `(BANDS, BANDS)`."""
    centres_hz = band_centres_hz()
    place = np.interp(centres_hz / speed, centres_hz, np.arange(BANDS), left=0.0)
    beyond = centres_hz / speed > centres_hz[-1]
    left = np.minimum(place.astype(np.int64), BANDS - 2)
    share = place - left
    turn = np.zeros((BANDS, BANDS), np.float32)
    turn[left, np.arange(BANDS)] = 1.0 - share
    turn[left + 1, np.arange(BANDS)] = share
    turn[:, beyond] = 0.0
    return turn
