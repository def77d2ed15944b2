"""Teaches the decoder to draw crisply; the encoder, and so every latent, stays as it is.

Absolute error alone draws what may lie a little to the left or to the right in between: edges go
soft. A patch critic (Isola et al. 2017), which sees the latents too, learns to tell decoded
pictures from painted ones, and the decoder follows its gradient, scaled to that of the error as in
VQGAN (Esser et al. 2021). The round trip through warp and encoder stays part of the lessons.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.diffusion.models.ember.autoencoder import LATENT_CHANNELS
from engine.training.ember.adversary import Adversary, mean_opinion, pushed
from engine.training.ember.autoencoder import TrainedAutoencoder, picture_loss, warp
from engine.training.ember.checkpoint import TrainState
from engine.training.ember.dataset import CropSource
from engine.training.ember.metrics import psnr_db
from engine.training.ember.number_format import fast_numbers

_GROUPS = 8


@dataclass(frozen=True, slots=True)
class DecoderPlan:
    """How long and how to train; `critic_weight` is the critic's pull against the error's."""

    budget_min: float
    max_steps: int | None = None
    batch: int = 8
    crop_px: int = 256
    learning_rate: float = 3e-4
    critic_rate: float = 3e-4
    warm_up: int = 200
    critic_alone: int = 300
    """Steps that the critic learns before anyone listens to it."""
    critic_weight: float = 0.7
    round_trip: int = 2
    round_trip_weight: float = 0.25
    latent_noise: float = 0.08


class PatchCritic(nn.Module):
    """Judges each place of a picture, given its latents; positive means painted."""

    def __init__(self, widths: Sequence[int] = (32, 64, 128, 128)) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, widths[0], 4, stride=2, padding=1)
        self.downs = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, width) for width in widths[1:])
        self.with_latents = nn.Conv2d(widths[-1] + LATENT_CHANNELS, widths[-1], 3, padding=1)
        self.fine = nn.Conv2d(widths[2], 1, 3, padding=1)
        self.out = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, pictures: Tensor, latents: Tensor) -> list[Tensor]:
        """Judgements of pictures `(b, 3, h, w)` per 8 and per 16 pixels."""
        h = F.leaky_relu(self.first(pictures), 0.2)
        levels = []
        for down, norm in zip(self.downs, self.norms, strict=True):
            h = F.leaky_relu(norm(down(h)), 0.2)
            levels.append(h)
        h = F.leaky_relu(self.with_latents(torch.cat([h, latents.to(h.dtype)], dim=1)), 0.2)
        return [self.fine(levels[-2]).float(), self.out(h).float()]


class DecoderTrainer:
    """One step at a time; everything random comes from the seed and the step number."""

    def __init__(
        self,
        autoencoder: TrainedAutoencoder,
        source: CropSource,
        plan: DecoderPlan,
        *,
        device: str,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.plan = plan
        self.autoencoder = autoencoder.to(device).eval()
        autoencoder.encoder.requires_grad_(False)
        autoencoder.decoder.requires_grad_(True)
        self.critic = PatchCritic().to(device)
        for network in (autoencoder, self.critic):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        drawing = torch.optim.AdamW(
            autoencoder.decoder.parameters(), plan.learning_rate, betas=(0.5, 0.98)
        )
        self.state = TrainState(autoencoder.decoder, drawing, 0.998)
        self._adversary = Adversary(self.critic, plan.critic_rate)
        self._source = source
        self.device = device
        self._device = device
        self._seed = seed

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs: the decoder to `path`, the critic beside it."""
        self._adversary.save(path)
        self.state.save(path, {"stage": "decoder"})

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped."""
        self._adversary.restore(path)
        self.state.restore(path)

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch; `share` of the plan in [0, 1] sets the rate."""
        began = time.perf_counter()
        plan, state = self.plan, self.state
        warm = min(1.0, (state.step + 1) / plan.warm_up)
        state.set_rate(plan.learning_rate * warm * min(1.0, (1 - share) / 0.4 + 0.02))
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + state.step)
        pictures = self._source.batch(state.step, plan.batch).to(self.device)
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with fast_numbers(self._device):
            with torch.no_grad():
                latents = self.autoencoder.encode(pictures)
            sigma = plan.latent_noise * torch.rand(plan.batch, 1, 1, 1, generator=generator)
            noise = sigma * torch.randn(latents.shape, generator=generator)
            made = self.autoencoder.decoder(latents + noise.to(self.device)).float()
        leaf = made.detach().requires_grad_()
        state.optimiser.zero_grad(set_to_none=True)
        error = self._error(leaf, pictures, generator)
        torch.autograd.backward(error)
        pull = leaf.grad
        if pull is None:  # the error is of `leaf`
            raise AssertionError
        push, critic_loss = self._criticise(made.detach(), pictures, latents)
        if self._adversary.state.step > plan.critic_alone:
            pull = pushed(pull, push, plan.critic_weight)
        torch.autograd.backward(made, pull)
        norm = state.advance()
        state.spend(time.perf_counter() - began)
        return {
            "error": float(error.detach()),
            "critic_loss": critic_loss,
            "gradient_norm": norm,
            "psnr_db": float(psnr_db(made.detach(), pictures).mean()),
            "edges": float(edges(made.detach()) / edges(pictures)),
        }

    def _error(self, made: Tensor, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Of the pictures, and of a part of them after a round through warp and encoder."""
        plan, rows = self.plan, slice(0, self.plan.round_trip)
        loss, _ = picture_loss(made, pictures)
        same = generator.get_state()
        moved = warp(made[rows].clamp(-1, 1), generator, "bilinear")
        generator.set_state(same)
        with torch.no_grad():
            target = warp(pictures[rows], generator, "bicubic").clamp(-1, 1)
        with fast_numbers(self._device):
            again = self.autoencoder.decoder(self.autoencoder.encode(moved)).float()
        loop, _ = picture_loss(again, target)
        return loss + plan.round_trip_weight * loop

    def _criticise(self, made: Tensor, pictures: Tensor, latents: Tensor) -> tuple[Tensor, float]:
        """Gradient that makes `made` look painted; trains the critic on both (hinge loss)."""
        fake = made.clone().requires_grad_()
        with fast_numbers(self._device):
            (push,) = torch.autograd.grad(-mean_opinion(self.critic(fake, latents)), fake)
            on_fake = self.critic(made, latents)
            on_real = self.critic(pictures, latents)
        return push, self._adversary.learn(on_real, on_fake)


def edges(pictures: Tensor) -> Tensor:
    """Mean slope per pixel of pictures `(b, 3, h, w)`: how crisp they are; a scalar."""
    across, down = pictures.diff(dim=3)[..., :-1, :], pictures.diff(dim=2)[..., :-1]
    return (across.square() + down.square()).sum(dim=1).sqrt().mean()
