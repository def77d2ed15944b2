from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from engine.analysis.pulse import PulseNetwork
from engine.analysis.pulse_bands import PULSE_INPUTS
from engine.training.beat.pulse_stage import NETWORK_FILE, TRAINING_FILE, run_pulse
from engine.training.ember.checkpoint import load_checkpoint


def train(folder: Path, *, seed: int = 0, resume: bool = False) -> dict[str, np.ndarray]:
    run_pulse(
        folder, budget_min=1.0, resume=resume, device="cpu", seed=seed, threads=1, quick=True
    )
    return load_file(folder / NETWORK_FILE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pulse")
    train(folder)
    return folder


def test_what_is_trained_is_a_network_that_the_analysis_runs(trained: Path) -> None:
    network = PulseNetwork(trained / NETWORK_FILE)
    for _ in range(20):
        beat, downbeat = network.step(np.zeros(PULSE_INPUTS, np.float32))
    assert 0.0 < beat < 1.0
    assert 0.0 < downbeat < 1.0


def test_the_same_seed_gives_the_same_weights_and_another_one_others(
    trained: Path, tmp_path: Path
) -> None:
    first = load_file(trained / NETWORK_FILE)
    again, other = train(tmp_path / "again"), train(tmp_path / "other", seed=1)
    for name, values in first.items():
        np.testing.assert_array_equal(again[name], values)
    assert any((other[name] != values).any() for name, values in first.items())


def test_a_resumed_run_of_a_spent_plan_keeps_what_it_has(
    trained: Path,
) -> None:
    before = load_file(trained / NETWORK_FILE)
    after = train(trained, resume=True)
    assert load_checkpoint(trained / TRAINING_FILE)[1]["step"] == 4
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
