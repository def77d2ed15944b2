from __future__ import annotations

import numpy as np
import pytest

from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.synthesis.sounds.shape import PEAK, wander


@pytest.mark.parametrize("name", list(SOUNDS))
def test_every_sound_is_a_pure_function_of_its_generator(name: str):
    first, again = (SOUNDS[name](np.random.default_rng(5), 1.2) for _ in range(2))
    other = SOUNDS[name](np.random.default_rng(6), 1.2)
    assert first.shape == (round(1.2 * SAMPLE_RATE_HZ),)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.abs(first).max() == pytest.approx(PEAK, rel=1e-4)
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_thunder_is_low_and_birds_are_high():
    def centre_hz(name: str) -> float:
        sound = SOUNDS[name](np.random.default_rng(1), 2.0)
        power = np.abs(np.fft.rfft(sound)) ** 2
        return float((power * np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)).sum() / power.sum())

    assert centre_hz("wind") < 900.0 < 2000.0 < centre_hz("birds")


def test_a_wandering_curve_stays_inside_and_never_jumps():
    curve = wander(np.random.default_rng(0), 44_100, 3.0, -0.5, 2.0)
    assert curve.min() >= -0.5
    assert curve.max() <= 2.0
    assert np.abs(np.diff(curve)).max() < 0.005
