"""Batches for the pulse network: pieces, tempo switches, rooms, noise, other people's sounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.analysis.pulse_bands import PULSE_BANDS, PulseBands
from engine.messages import Float32
from engine.training.beat.band_music import coloured_noise, random_piece
from engine.training.beat.spectra import DT_S, SoundBank

TAUGHT_DELAY_S = 0.025
"""How late the network may answer: it may hear the attack before it says so."""
_NEAR_A_BEAT = ((0, 1.0), (-1, 0.5), (1, 0.5))
_LOST_BANDS = (11, 13, 15, 17, 18)
"""Where low sample rates end."""
_LEVEL = 1e-3


class Lessons:
    """Makes batches without end. `noises` are band powers `(hops, 20)` of sounds without beat."""

    def __init__(
        self, rng: np.random.Generator, bank: SoundBank, noises: Sequence[Float32]
    ) -> None:
        self._rng, self._bank, self._noises = rng, bank, noises

    def batch(self, count: int, hops: int) -> tuple[Float32, Float32]:
        """Return inputs `(count, hops, 40)` and targets `(count, hops, 2)` in [0, 1]."""
        power = np.zeros((count, hops, PULSE_BANDS), np.float32)
        target = np.zeros((count, hops, 2), np.float32)
        for row in range(count):
            start = 0
            for musical, length in self._plan(hops):
                part, truth = self._music(length) if musical else (self._noise(length), None)
                level = _LEVEL * 10.0 ** self._rng.uniform(-0.7, 0.7)
                power[row, start : start + len(part)] = (
                    part * self._equaliser() * (level / max(float(part.mean()), 1e-20))
                )
                if truth is not None:
                    target[row, start : start + len(part)] = truth
                start += length
        self._spoil(power)
        return heard(power), target

    def _plan(self, hops: int) -> list[tuple[bool, int]]:
        """What sounds one after the other: (is it music, for how many hops)."""
        drawn, cut = self._rng.random(), int(self._rng.integers(hops // 4, 3 * hops // 4))
        if drawn < 0.06:
            return [(False, hops)]
        if drawn < 0.30:
            return [(True, cut), (True, hops - cut)]
        if drawn < 0.36:
            first = bool(self._rng.random() < 0.5)
            return [(first, cut), (not first, hops - cut)]
        return [(True, hops)]

    def _music(self, hops: int) -> tuple[Float32, Float32]:
        piece = random_piece(self._rng, self._bank, hops * DT_S + 0.5 * DT_S)
        power = piece.power[:hops]
        if self._rng.random() < 0.45:
            noise = self._noise(hops)[: len(power)]
            level = 10.0 ** self._rng.uniform(-2.4, -0.2) * power.mean() / max(noise.mean(), 1e-20)
            power = power.copy()
            power[: len(noise)] += np.float32(level) * noise
        truth = [targets(len(power), times) for times in (piece.beats_s, piece.downbeats_s)]
        return power, np.stack(truth, axis=1)

    def _noise(self, hops: int) -> Float32:
        if self._noises and self._rng.random() < 0.5:
            noise = self._noises[int(self._rng.integers(len(self._noises)))]
            start = int(self._rng.integers(0, max(1, len(noise) - hops)))
            return noise[start : start + hops]
        return coloured_noise(self._rng, hops)

    def _equaliser(self) -> Float32:
        nodes = self._rng.normal(0.0, 5.0, 6)
        db = np.interp(np.linspace(0.0, 5.0, PULSE_BANDS), np.arange(6), nodes)
        return np.asarray(10.0 ** (db / 10.0), np.float32)

    def _spoil(self, power: Float32) -> None:
        """Put each piece into a room, make some ragged, take the treble from some."""
        rng, count = self._rng, power.shape[0]
        decay = rng.uniform(0.85, 0.975, (count, 1)).astype(np.float32)
        wet = 10.0 ** rng.uniform(-3.0, -1.0, (count, 1)) * (rng.random((count, 1)) < 0.6)
        tail = np.zeros((count, PULSE_BANDS), np.float32)
        for hop in range(power.shape[1]):
            direct = power[:, hop].copy()
            power[:, hop] += wet.astype(np.float32) * tail
            tail = decay * tail + direct
        for row in power:
            if rng.random() < 0.25:
                row *= rng.lognormal(0.0, 0.5, row.shape).astype(np.float32)
            if rng.random() < 0.25:
                row[:, int(rng.choice(_LOST_BANDS)) :] = 0.0


def targets(hops: int, times_s: Sequence[float]) -> Float32:
    """Return 1 in the hop that should say so, `TAUGHT_DELAY_S` late, and half beside it."""
    result = np.zeros(hops, np.float32)
    for time_s in times_s:
        middle = round((time_s + TAUGHT_DELAY_S) / DT_S - 1.0)
        for offset, value in _NEAR_A_BEAT:
            if 0 <= middle + offset < hops:
                result[middle + offset] = max(result[middle + offset], value)
    return result


def heard(power: Float32) -> Float32:
    """Return what the network hears of `(count, hops, 20)`, from a fresh start."""
    bands = PulseBands(DT_S, (power.shape[0],))
    return np.stack([bands.step(power[:, hop]) for hop in range(power.shape[1])], axis=1)
