from __future__ import annotations

import numpy as np
import pytest

from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.sounds.catalogue import SOUNDS
from engine.synthesis.sounds.shape import PEAK, wander
from engine.synthesis.sounds.speech_plan import Manner, plan_of


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


@pytest.mark.parametrize("manner", Manner)
def test_a_voice_keeps_within_what_people_can_do(manner: Manner):
    for seed in range(8):
        track = plan_of(np.random.default_rng(seed), 4.0, manner)
        sounding = track.voiced > 0.05
        assert sounding.any() == (manner is not Manner.WHISPERS)
        if sounding.any():
            low_hz, high_hz = np.percentile(track.pitch_hz[sounding], (2, 98))
            assert 50.0 < low_hz < high_hz < 800.0
        first, second, third = track.formants_hz[:, :3].T
        assert (first > 180.0).all()
        assert (first < 1200.0).all()
        assert (first < second).all()
        assert (second < third).all()


def test_someone_who_talks_pauses_and_the_pitch_moves():
    quiet, spread = [], []
    for seed in range(8):
        track = plan_of(np.random.default_rng(seed), 6.0, Manner.SPEAKS)
        quiet.append(float(np.mean(track.voiced < 0.05)))
        spread.append(float(np.std(np.log2(track.pitch_hz[track.voiced > 0.05]))))
    assert 0.1 < np.mean(quiet) < 0.6
    assert min(spread) > 0.03


def test_a_voice_has_resonances_where_its_plan_says():
    sound = SOUNDS["voice"](np.random.default_rng(3), 4.0)
    power = np.abs(np.fft.rfft(sound)) ** 2
    bins_hz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    within = power[(bins_hz > 80.0) & (bins_hz < 5000.0)].sum() / power.sum()
    assert within > 0.7
