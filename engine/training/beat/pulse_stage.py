"""`sonolume train beat --stage pulse`: trains the network of `engine.analysis.pulse`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engine.analysis.pulse_bands import PULSE_INPUTS
from engine.audio.decode import SoundReader
from engine.errors import TrainingError
from engine.messages import Float32
from engine.training.beat.lessons import Lessons
from engine.training.beat.spectra import RATE_HZ, SoundBank, SoundEye
from engine.training.ember.checkpoint import TrainState, save_checkpoint
from engine.training.ember.rates import learning_rate
from engine.training.ember.training_loop import run_training

NETWORK_FILE = "pulse.safetensors"
TRAINING_FILE = "pulse_training.safetensors"
NOISE_FOLDER = "noise"
_AVERAGE = 0.99
_WARM_UP_HOPS = 30
"""The first third of a second is nobody's fault."""


@dataclass(frozen=True, slots=True)
class PulsePlan:
    """How to train."""

    budget_min: float
    max_steps: int | None = None
    size: int = 64
    count: int = 32
    short_hops: int = 450
    long_hops: int = 1400
    short_share: float = 0.45
    """Share of the time with short pieces: attacks are learned before bars."""
    learning_rate: float = 5e-3
    warm_up: int = 20
    decay_from: float = 0.0
    floor: float = 0.005
    kits: int = 24


class PulseGru(nn.Module):
    """What `PulseNetwork` runs: two layers, two logits a hop."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gru = nn.GRU(PULSE_INPUTS, size, 2, batch_first=True)
        self.head = nn.Linear(size, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:  # (b, hops, 40) -> (b, hops, 2)
        """Return the logits of a beat and of a downbeat."""
        logits: torch.Tensor = self.head(self.gru(inputs)[0])
        return logits


class PulseTrainer:
    """One step at a time; everything random comes from the seed and the step number."""

    def __init__(
        self,
        bank: SoundBank,
        noises: Sequence[Float32],
        plan: PulsePlan,
        *,
        device: str,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.network = PulseGru(plan.size).to(device)
        optimiser = torch.optim.AdamW(
            self.network.parameters(), plan.learning_rate, weight_decay=0.0
        )
        self.state = TrainState(self.network, optimiser, _AVERAGE)
        self._bank, self._noises, self._plan = bank, noises, plan
        self._device, self._seed = device, seed

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch, `share` of the plan being spent; return figures."""
        began = time.perf_counter()
        plan, state = self._plan, self.state
        state.set_rate(learning_rate(plan, state.step, share))
        rng = np.random.default_rng((self._seed, state.step))
        hops = plan.short_hops if share < plan.short_share else plan.long_hops
        batch = Lessons(rng, self._bank, self._noises).batch(plan.count, hops)
        inputs, target = (torch.from_numpy(part).to(self._device) for part in batch)
        logits = self.network(inputs)[:, _WARM_UP_HOPS:]
        loss = nn.functional.binary_cross_entropy_with_logits(logits, target[:, _WARM_UP_HOPS:])
        state.learn(loss)
        state.spend(time.perf_counter() - began)
        return {"loss": float(loss.detach())}

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs."""
        self.state.save(path, {"stage": "pulse"})

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped."""
        self.state.restore(path)


def run_pulse(
    folder: Path, *, budget_min: float, resume: bool, device: str, seed: int, threads: int,
    quick: bool = False,
) -> None:  # fmt: skip
    """Train until `budget_min` minutes of work are spent, earlier runs included.

    `folder/pulse.safetensors` is what `resources/beat` ships, `folder/pulse_training.safetensors`
    what `resume` goes on from. Sounds without a beat in `folder/noise/*.ogg` (44.1 kHz) are mixed
    in, if there are any. `quick` shrinks everything to seconds, for tests.
    """
    plan = PulsePlan(budget_min)
    if quick:
        plan = PulsePlan(budget_min, max_steps=4, count=2, short_hops=90, long_hops=90, kits=1)
    torch.set_num_threads(threads)
    bank = SoundBank(np.random.default_rng(seed), plan.kits)
    noises = _noises(folder / NOISE_FOLDER)
    trainer = PulseTrainer(bank, noises, plan, device=device, seed=seed)
    run_training(trainer, plan, folder / TRAINING_FILE, resume=resume, show=lambda: None)
    note = {"step": trainer.state.step}
    save_checkpoint(folder / NETWORK_FILE, trainer.network.state_dict(), note)


def _noises(folder: Path) -> list[np.ndarray]:
    eye = SoundEye()
    noises = []
    for path in sorted(folder.glob("*.ogg")):
        with SoundReader(path) as reader:
            if reader.sample_rate != RATE_HZ:
                raise TrainingError(f"{path} has {reader.sample_rate} Hz instead of {RATE_HZ}")
            noises.append(eye.look(np.asarray(reader.read_all(), np.float32).mean(axis=1)))
    return noises
