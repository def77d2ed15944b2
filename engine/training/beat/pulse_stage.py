"""`sonolume train beat --stage pulse`: trains the network of `engine.analysis.pulse`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from engine.analysis.pulse_bands import PULSE_INPUTS
from engine.audio.decode import SoundReader
from engine.clock import MonotonicClock
from engine.errors import TrainingError
from engine.training.beat.lessons import Lessons
from engine.training.beat.spectra import RATE_HZ, SoundBank, SoundEye
from engine.training.ember.checkpoint import load_checkpoint, save_checkpoint
from engine.training.ember.metrics import CsvLog
from engine.training.ember.rates import learning_rate

NETWORK_FILE = "pulse.safetensors"
NOISE_FOLDER = "noise"
_SAVE_EVERY = 50
_WARM_UP_HOPS = 30
"""The first third of a second is nobody's fault."""


@dataclass(frozen=True, slots=True)
class PulsePlan:
    """How to train."""

    size: int = 48
    count: int = 32
    short_hops: int = 450
    long_hops: int = 900
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


def run_pulse(
    folder: Path, *, budget_min: float, resume: bool, device: str, seed: int, threads: int,
    plan: PulsePlan | None = None,
) -> None:  # fmt: skip
    """Train for `budget_min`; `folder/pulse.safetensors` is what `resources/beat` ships.

    Sounds without a beat in `folder/noise/*.ogg` (44.1 kHz) are mixed in, if there are any.
    """
    plan = plan or PulsePlan()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network = PulseGru(plan.size).to(device)
    path = folder / NETWORK_FILE
    if resume:
        network.load_state_dict(load_checkpoint(path)[0])
    rng = np.random.default_rng(seed)
    lessons = Lessons(rng, SoundBank(rng, plan.kits), _noises(folder / NOISE_FOLDER))
    optimiser = torch.optim.Adam(network.parameters(), plan.learning_rate)
    log, clock, step = CsvLog(folder / "pulse.csv", resume=resume), MonotonicClock(), 0
    started_s = clock.now()
    with tqdm(desc="pulse", unit="step", disable=None) as bar:
        while (share := (clock.now() - started_s) / (60.0 * budget_min)) < 1.0:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(plan, step, share)
            hops = plan.short_hops if share < plan.short_share else plan.long_hops
            inputs, target = (torch.from_numpy(part) for part in lessons.batch(plan.count, hops))
            loss = _step(network, optimiser, inputs.to(device), target.to(device))
            step += 1
            bar.update()
            if step % _SAVE_EVERY == 0:
                log.write({"step": step, "loss": round(loss, 5)})
                save_checkpoint(path, network.state_dict(), {"step": step})
    save_checkpoint(path, network.state_dict(), {"step": step})


def _step(
    network: PulseGru, optimiser: torch.optim.Adam, inputs: torch.Tensor, target: torch.Tensor
) -> float:
    logits = network(inputs)[:, _WARM_UP_HOPS:]
    loss = nn.functional.binary_cross_entropy_with_logits(logits, target[:, _WARM_UP_HOPS:])
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def _noises(folder: Path) -> list[np.ndarray]:
    eye = SoundEye()
    noises = []
    for path in sorted(folder.glob("*.ogg")):
        with SoundReader(path) as reader:
            if reader.sample_rate != RATE_HZ:
                raise TrainingError(f"{path} has {reader.sample_rate} Hz instead of {RATE_HZ}")
            noises.append(eye.look(np.asarray(reader.read_all(), np.float32).mean(axis=1)))
    return noises
