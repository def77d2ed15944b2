from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from engine.analysis.pulse import PulseNetwork
from engine.analysis.pulse_bands import PULSE_BANDS, PULSE_INPUTS, PulseBands, pulse_weights

DT_S = 512 / 48_000


def test_numpy_and_torch_agree(tmp_path: Path) -> None:
    torch.manual_seed(5)
    gru = torch.nn.GRU(PULSE_INPUTS, 12, 2, batch_first=True)
    head = torch.nn.Linear(12, 2)
    weights = {f"gru.{name}": value.detach().numpy() for name, value in gru.named_parameters()}
    weights |= {f"head.{name}": value.detach().numpy() for name, value in head.named_parameters()}
    save_file(weights, tmp_path / "pulse.safetensors")
    inputs = np.random.default_rng(1).random((40, PULSE_INPUTS), np.float32)
    with torch.no_grad():
        wanted = torch.sigmoid(head(gru(torch.from_numpy(inputs)[None])[0]))[0].numpy()
    network = PulseNetwork(tmp_path / "pulse.safetensors")
    np.testing.assert_allclose([network.step(row) for row in inputs], wanted, atol=1e-5)


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000, 192_000])
def test_every_rate_has_its_bands(rate: int) -> None:
    n_fft = 1 << (round(1024 / 48_000 * rate) - 1).bit_length()
    weights = pulse_weights(np.fft.rfftfreq(n_fft, 1.0 / rate))
    assert weights.shape[0] == PULSE_BANDS
    assert np.all(weights >= 0.0)
    assert np.all(weights[:10].sum(axis=1) > 0.5)


def test_what_is_heard_does_not_depend_on_the_gain() -> None:
    power = np.random.default_rng(2).random((300, PULSE_BANDS)).astype(np.float32)
    soft, loud = PulseBands(DT_S), PulseBands(DT_S)
    for row in power:
        quiet_inputs, inputs = soft.step(row * np.float32(1e-4)), loud.step(row)
    np.testing.assert_allclose(quiet_inputs, inputs, atol=1e-3)


def test_silence_is_nothing_and_leaves_the_scale_alone() -> None:
    bands = PulseBands(DT_S)
    tone = np.ones(PULSE_BANDS, np.float32)
    first = bands.step(tone)
    for _ in range(2000):
        assert not bands.step(tone * np.float32(1e-6), silent=True).any()
    np.testing.assert_array_equal(bands.step(tone), first)


def test_an_attack_rises_and_a_steady_tone_does_not() -> None:
    bands = PulseBands(DT_S)
    attack = bands.step(np.ones(PULSE_BANDS, np.float32))
    for _ in range(5):
        steady = bands.step(np.ones(PULSE_BANDS, np.float32))
    assert attack[PULSE_BANDS:].min() > 0.5
    assert not steady[PULSE_BANDS:].any()
