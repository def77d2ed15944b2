from __future__ import annotations

import numpy as np
import pytest

from engine.messages import Float32
from engine.semantic.log_mel import FRAMES, mel_power
from engine.semantic.sound_vectors import EarVectors
from engine.semantic.views import EAR_WIDTH, split_power, view_levels

RATE_HZ = 44_100
FOREGROUND, BACKGROUND, ATMOSPHERE = range(3)


def tone() -> Float32:
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 440.0 * t)).astype(np.float32)


def clicks() -> Float32:
    out = np.zeros(2 * RATE_HZ, np.float32)
    out[:: RATE_HZ // 4] = 0.9
    return out


def hiss() -> Float32:
    return (0.1 * np.random.default_rng(0).standard_normal(2 * RATE_HZ)).astype(np.float32)


def shares(samples: Float32) -> Float32:
    """Power of each view, of the whole."""
    power = mel_power(samples, RATE_HZ, FRAMES)
    return np.asarray(split_power(power).sum((1, 2)) / power.sum(), np.float32)


def test_a_tone_is_in_the_background_and_a_click_in_the_foreground() -> None:
    assert shares(tone())[BACKGROUND] > 0.9
    assert shares(clicks())[FOREGROUND] > 0.9


def test_what_stays_is_the_atmosphere_and_what_strikes_is_not() -> None:
    assert shares(tone())[ATMOSPHERE] > 0.9
    assert shares(hiss())[ATMOSPHERE] > 0.3
    assert shares(clicks())[ATMOSPHERE] < 0.01


def test_foreground_and_background_are_the_whole_together() -> None:
    power = mel_power(tone() + clicks(), RATE_HZ, FRAMES)
    split = split_power(power)
    np.testing.assert_allclose(split[FOREGROUND] + split[BACKGROUND], power, rtol=1e-5)


def test_a_part_that_is_missing_is_dark_and_not_stretched_to_full_brightness() -> None:
    levels = view_levels(mel_power(tone(), RATE_HZ, FRAMES))
    assert levels[BACKGROUND].max() == pytest.approx(1.0, abs=0.02)
    assert levels[FOREGROUND].mean() < 0.5 * levels[BACKGROUND].mean()


def test_the_gain_of_a_sound_does_not_change_its_views() -> None:
    power = mel_power(tone() + clicks(), RATE_HZ, FRAMES)
    np.testing.assert_allclose(view_levels(power), view_levels(100.0 * power), atol=1e-3)


def test_the_ear_gives_three_vectors_that_differ_between_tone_and_clicks() -> None:
    ear = EarVectors()
    heard = [ear.views(sound, RATE_HZ) for sound in (tone(), clicks())]
    assert all(view.shape == (EAR_WIDTH,) for views in heard for view in views)
    assert np.abs(heard[0][BACKGROUND] - heard[1][BACKGROUND]).max() > 0.5
    again = ear.views(tone(), RATE_HZ)
    assert all(np.array_equal(a, b) for a, b in zip(heard[0], again, strict=True))
