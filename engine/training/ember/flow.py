"""Trains the flow network and the text transformer together on latents and captions.

Rectified flow: x_t = (1 - t) x_0 + t n, the networks predict v = n - x_0. Some of the batch starts
from degraded latents (a picture that went through decode, a warp and back, and encode) while the
target stays clean, so that the feedback loop sharpens. The first part of a run learns from latents
of pictures half as wide: three times as many fit into the same time, and what is where in a scene
does not depend on its size.

The captions are in the painters' own words. Everything else that people type is learnt by the text
encoder alone (`reading.py`), a thousand times as fast as it could be from pictures.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engine.conditioning.word_table import WordTable
from engine.diffusion.models.ember.text import TextConfig, TextEncoder
from engine.diffusion.models.ember.unet import FlowUNet, UNetConfig
from engine.training.ember.checkpoint import TrainState
from engine.training.ember.latents import LatentBatch, LatentSource
from engine.training.ember.number_format import fast_numbers
from engine.training.ember.rates import learning_rate
from engine.training.ember.words import look_up

_LOWEST_T = 0.05
_DEGRADED_LOWEST_T = 0.25
"""Below this, undoing the damage would need a velocity far larger than any other."""


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """How long and how to train.

    Up to `halved_until` of the plan all pictures are half as wide, and after it every now and then
    (`halved_share`): three times as many captions for the same work.
    """

    budget_min: float
    max_steps: int | None = None
    batch: int = 24
    learning_rate: float = 7e-4
    warm_up: int = 200
    decay_from: float = 0.7
    floor: float = 0.03
    caption_dropout: float = 0.12
    word_noise: float = 0.08
    degraded_share: float = 0.1
    halved_until: float = 0.6
    halved_batch: int = 80
    halved_share: float = 0.3
    average_decay: float = 0.999


class FlowNetwork(nn.Module):
    """What is trained: the text transformer and the flow U-Net."""

    def __init__(self, table: WordTable | None) -> None:
        super().__init__()
        self.text = TextEncoder(TextConfig(), table)
        self.unet = FlowUNet(UNetConfig())

    def forward(self, x_t: Tensor, t: Tensor, words: Tensor, lengths: Tensor) -> Tensor:
        """Velocity for noisy latents `x_t`, `t` `(b,)`, word vectors and word counts."""
        tokens, pooled = self.text(words, lengths)
        velocity: Tensor = self.unet(x_t, t, tokens, pooled)
        return velocity


def frozen(table: WordTable | None, weights: Mapping[str, Tensor], device: str) -> FlowNetwork:
    """A flow network with these weights that will not be trained on."""
    network = FlowNetwork(table).to(device)
    network.load_state_dict(weights)
    network.unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval().requires_grad_(False)


def noisy(latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t = (1 - t) x_0 + t n, channels last; `t` has shape `(b,)`."""
    wide = t[:, None, None, None]
    return ((1 - wide) * latents + wide * noise).contiguous(memory_format=torch.channels_last)


class FlowTrainer:
    """One step at a time; everything random comes from the seed and the step number."""

    def __init__(
        self,
        table: WordTable,
        source: LatentSource,
        plan: FlowPlan,
        *,
        device: str,
        seed: int,
        halved: LatentSource | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.network = FlowNetwork(table).to(device)
        self.network.unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = torch.optim.AdamW(
            self.network.parameters(), plan.learning_rate, betas=(0.9, 0.98), weight_decay=1e-3
        )
        self.state = TrainState(self.network, optimiser, plan.average_decay)
        self.plan = plan
        self._source = source
        self._halved = halved
        self._device = device
        self._seed = seed

    def averaged(self) -> FlowNetwork:
        """A copy with the averaged weights, for sampling."""
        return frozen(self.network.text.table, self.state.averaged_state(), self._device)

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs."""
        self.state.save(path, {"stage": "flow"})

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped."""
        self.state.restore(path)

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch; `share` of the plan in [0, 1] sets rate and phase."""
        began = time.perf_counter()
        plan, state = self.plan, self.state
        rng = np.random.default_rng((self._seed, state.step, 1))
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + state.step)
        state.set_rate(learning_rate(plan, state.step, share))
        halved = share < plan.halved_until or rng.random() < plan.halved_share
        if self._halved is not None and halved:
            drawn = self._halved.batch(rng, plan.halved_batch, 0.0)
        else:
            drawn = self._source.batch(rng, plan.batch, plan.degraded_share)
        x_t, t, target, prompts = self._noisy(drawn, rng, generator)
        words, lengths = look_up(
            self.network.text, prompts, plan.word_noise, generator, self._device
        )
        with fast_numbers(self._device):
            velocity = self.network(x_t, t, words, lengths)
        loss = (velocity.float() - target).square().mean()
        norm = state.learn(loss)
        state.spend(time.perf_counter() - began)
        return {"loss": float(loss.detach()), "gradient_norm": norm}

    def _noisy(
        self, batch: LatentBatch, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Sequence[str]]:
        """Noisy latents, their times, the velocities to learn and the captions."""
        plan = self.plan
        clean, start = batch.clean, batch.start
        prompts = batch.partly_unsaid(rng, plan.caption_dropout).plain_prompts
        noise = torch.randn(clean.shape, generator=generator)
        t = sample_t(len(clean), generator)
        t[len(t) - batch.degraded :].clamp_(min=_DEGRADED_LOWEST_T)
        clean, start, noise, t = (x.to(self._device) for x in (clean, start, noise, t))
        x_t = noisy(start, noise, t)
        # Where the start is degraded the velocity must still lead to the clean picture.
        return x_t, t, (x_t - clean) / t[:, None, None, None], prompts


def sample_t(count: int, generator: torch.Generator) -> Tensor:
    """Times in [0.05, 1]: 75 % logit-normal around 0.67, 10 % uniform, 15 % exactly 1."""
    t = torch.sigmoid(0.7 + torch.randn(count, generator=generator))
    kind = torch.rand(count, generator=generator)
    uniform = torch.rand(count, generator=generator)
    t = torch.where(kind < 0.25, uniform, t)
    t = torch.where(kind < 0.15, torch.ones_like(t), t)
    return t.clamp(_LOWEST_T, 1)


@torch.no_grad()
def arrive(
    network: FlowNetwork,
    x_t: Tensor,
    t: Tensor,
    noise: Tensor,
    words: Tensor,
    lengths: Tensor,
    *,
    steps: int,
    guidance: float | Tensor = 1.0,
) -> Tensor:
    """Where `x_t`, which has `noise` in it at time `t` `(b,)`, leads to in equal steps to 0.

    Each step predicts the clean picture and puts the same noise back, less of it:
    x_s = (1 - s) x_0 + s n. Of few steps, these arrive better than Euler's (Nov 2026, 3 guided
    ones: the judge knows 95 % of the scenes instead of 91 %, Frechet distance 76 instead of 96).

    `guidance`, one figure or `(b,)`, is classifier-free guidance where it is not 1:
    v = v_empty + guidance (v_text - v_empty).
    """
    tokens, pooled = network.text(words, lengths)
    scale = torch.as_tensor(guidance, device=x_t.device).view(-1, 1, 1, 1)
    guided = bool((scale != 1).any())
    if guided:
        empty_tokens, empty = network.text(torch.zeros_like(words), torch.zeros_like(lengths))
        tokens, pooled = torch.cat([tokens, empty_tokens]), torch.cat([pooled, empty])
    clean = x_t
    for index in range(steps):
        now = t * (1 - index / steps)
        wide = now[:, None, None, None]
        if index:
            x_t = noisy(clean, noise, now)
        if not guided:
            velocity = network.unet(x_t, now, tokens, pooled).float()
        else:
            both = network.unet(torch.cat([x_t, x_t]), torch.cat([now, now]), tokens, pooled)
            with_text, without = both.float().chunk(2)
            velocity = without + scale * (with_text - without)
        clean = x_t - wide * velocity
    return clean


@torch.no_grad()
def sample(
    network: FlowNetwork,
    prompts: Sequence[str],
    noise: Tensor,
    *,
    steps: int,
    guidance: float = 1.0,
) -> Tensor:
    """Latents for prompts from pure noise `(b, 16, h, w)`."""
    vectors, lengths = network.text.look_up(prompts)
    return arrive(
        network,
        noise.contiguous(memory_format=torch.channels_last),
        torch.ones(len(noise), device=noise.device),
        noise,
        torch.from_numpy(vectors).to(noise.device),
        torch.from_numpy(lengths).to(noise.device),
        steps=steps,
        guidance=guidance,
    )
