from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.semantic.log_mel import BANDS, FRAMES, WINDOW_S, as_levels, band_centres_hz, mel_power
from engine.semantic.network import ListenerNetwork
from engine.training.listener.network import TrainableListener, count_parameters, folded
from tests.signals import noise, sine

RATES_HZ = (8_000, 16_000, 44_100, 48_000, 96_000, 192_000)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_tone_lies_in_its_band_at_every_sample_rate(rate_hz: int):
    power = mel_power(sine(1000.0, WINDOW_S, rate_hz, level=1.0), rate_hz, FRAMES)
    assert power.shape == (FRAMES, BANDS)
    nearest = int(np.abs(band_centres_hz() - 1000.0).argmin())
    assert abs(int(power.mean(axis=0).argmax()) - nearest) <= 1
    assert power.max() == pytest.approx(0.33, abs=0.05)


def test_the_picture_hardly_depends_on_the_sample_rate():
    time_s = np.arange(round(WINDOW_S * 192_000)) / 192_000
    rng = np.random.default_rng(0)
    sound = sum(
        rng.uniform(0.1, 1.0) * np.sin(2 * np.pi * hz * time_s) for hz in (110, 440, 1500, 3200)
    )
    fine = as_levels(mel_power(sound.astype(np.float32), 192_000, FRAMES))
    coarse = as_levels(mel_power(sound[::4].astype(np.float32), 48_000, FRAMES))
    inside = band_centres_hz() < 3600.0
    assert np.abs(fine - coarse)[:, inside].max() < 0.03


def test_the_gain_of_the_input_does_not_matter():
    sound = noise(WINDOW_S, 16_000) + sine(700.0, WINDOW_S, 16_000)
    loud, quiet = (
        as_levels(mel_power((gain * sound).astype(np.float32), 16_000, FRAMES))
        for gain in (1.0, 0.1)
    )
    assert np.abs(loud - quiet).max() < 1e-3


def test_what_is_too_short_was_silent_before():
    levels = as_levels(mel_power(noise(0.5, 16_000), 16_000, FRAMES))
    assert levels.shape == (FRAMES, BANDS)
    assert levels[: FRAMES // 2].max() == 0.0
    assert levels[-5:].max() > 0.8


def test_the_network_in_numpy_is_the_one_that_was_trained():
    torch.manual_seed(0)
    network = TrainableListener(24)
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(part.running_mean, 0.0, 0.3)
            torch.nn.init.uniform_(part.running_var, 0.5, 2.0)
    network.eval()
    levels = np.random.default_rng(0).random((FRAMES, BANDS), np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(levels)[None])[0].numpy()
    plain = ListenerNetwork({name: tensor.numpy() for name, tensor in folded(network).items()})
    assert np.abs(plain.embed(levels) - wanted).max() < 1e-5
    assert count_parameters(TrainableListener(240)) <= 500_000
