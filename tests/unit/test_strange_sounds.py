"""Sounds that have no label: those to learn from and those to be tested with."""

from __future__ import annotations

import numpy as np
import pytest

from engine.bench.strange_sounds import STRANGE
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.shape import PEAK
from engine.training.listener.strangers import hum_or_hiss, stranger

KINDS = {**STRANGE, "stranger": stranger, "hum_or_hiss": hum_or_hiss}


@pytest.mark.parametrize("name", KINDS)
def test_every_strange_sound_is_a_pure_function_of_its_generator(name: str):
    first, again = (KINDS[name](np.random.default_rng(5), 1.5) for _ in range(2))
    other = KINDS[name](np.random.default_rng(6), 1.5)
    assert first.shape == (round(1.5 * SAMPLE_RATE_HZ),)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.abs(first).max() == pytest.approx(PEAK, rel=1e-4)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_strangers_are_of_many_kinds():
    """Their spectra lie apart: the median of all pairs has little in common."""
    shapes = []
    for seed in range(16):
        power = np.abs(np.fft.rfft(stranger(np.random.default_rng(seed), 1.0))) ** 2
        edges = np.geomspace(60.0, 12_000.0, 25).astype(int)
        bands = np.sqrt(np.add.reduceat(power, edges)[:-1])
        shapes.append(bands / np.linalg.norm(bands))
    alike = np.array(shapes) @ np.array(shapes).T
    assert np.median(alike[np.triu_indices(16, 1)]) < 0.8
