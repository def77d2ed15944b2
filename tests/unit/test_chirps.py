"""Clicks that went through a room, and where they are found again."""

from __future__ import annotations

import numpy as np
import pytest

from engine.audio.chirps import ChirpTrain
from tests.signals import noise


def through_a_room(train: ChirpTrain, delay_s: float, rate: int, gain: float) -> np.ndarray:
    """The train, late, quiet, turned upside down, with echoes, at another rate."""
    sound = train.samples()[:, 0]
    t = np.arange(round(train.duration_s * rate)) / rate
    at = np.arange(sound.shape[0]) / train.sample_rate

    def late(by_s: float) -> np.ndarray:
        return np.interp(t - by_s, at, sound, left=0.0, right=0.0)

    heard = -late(delay_s) + 0.4 * late(delay_s + 0.011) + 0.2 * late(delay_s + 0.037)
    return (gain * heard).astype(np.float32)


@pytest.mark.parametrize(("delay_s", "rate"), [(0.0, 48_000), (0.0834, 44_100), (0.412, 48_000),
                                               (-0.02, 96_000)])  # fmt: skip
def test_the_delay_is_found_within_a_third_of_a_millisecond(delay_s: float, rate: int) -> None:
    train = ChirpTrain(48_000, 8, np.random.default_rng(1))
    heard = through_a_room(train, delay_s, rate, 0.05)
    heard += 0.003 * noise(heard.shape[0] / rate, rate)[: heard.shape[0]]
    delays_s = train.find(heard, rate, 0.0)
    assert np.isfinite(delays_s).sum() >= 7
    assert np.nanmedian(delays_s) == pytest.approx(delay_s, abs=3e-4)


def test_a_recording_that_began_later_is_on_the_same_clock() -> None:
    train = ChirpTrain(48_000, 8, np.random.default_rng(2))
    heard = through_a_room(train, 0.1, 48_000, 0.2)[12_000:]
    delays_s = train.find(heard, 48_000, 0.25)
    assert np.nanmedian(delays_s) == pytest.approx(0.1, abs=3e-4)


def test_in_noise_alone_no_click_is_heard() -> None:
    train = ChirpTrain(48_000, 8, np.random.default_rng(3))
    for level in (0.3, 0.0):
        heard = level * noise(train.duration_s, 48_000)
        assert not np.isfinite(train.find(heard, 48_000, 0.0)).any()
