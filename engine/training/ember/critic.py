"""Learns to tell pictures of a student from painted ones, on the features of its frozen teacher.

Small heads see the features of both with new noise (latent adversarial diffusion distillation,
Sauer et al. 2024) and the words that belong to them; the student follows their gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.ember.adversary import Adversary, mean_opinion
from engine.training.ember.flow import FlowNetwork, noisy
from engine.training.ember.number_format import fast_numbers

_HEAD_WIDTH = 96
_GROUPS = 8


class Critic(nn.Module):
    """Heads on the five feature maps of a frozen flow network; positive means painted."""

    def __init__(self, widths: Sequence[int], text_width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_Head(width, text_width) for width in widths)

    def forward(self, levels: Sequence[Tensor], pooled: Tensor) -> list[Tensor]:
        """Judgements `(b, 1, h, w)` for each place of each map."""
        return [head(h, pooled).float() for head, h in zip(self.heads, levels, strict=True)]


class _Head(nn.Module):
    """A judgement for each place of one map, given the words."""

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, _HEAD_WIDTH, 1)
        self.second = nn.Conv2d(_HEAD_WIDTH, _HEAD_WIDTH, 3, padding=1)
        self.out = nn.Conv2d(_HEAD_WIDTH, 1, 1)
        self.words = nn.Linear(text_width, _HEAD_WIDTH)
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, _HEAD_WIDTH) for _ in range(2))

    def forward(self, h: Tensor, pooled: Tensor) -> Tensor:
        h = F.leaky_relu(self.norms[0](self.first(h)), 0.2)
        h = F.leaky_relu(self.norms[1](self.second(h)), 0.2)
        # The projection of Miyato and Koyama (2018): how well this place goes with the words.
        words = self.words(pooled)[:, :, None, None]
        judgement: Tensor = self.out(h) + (h * words).mean(dim=1, keepdim=True)
        return judgement


class CriticTrainer(Adversary):
    """The critic, and the teacher on whose features it stands."""

    def __init__(self, teacher: FlowNetwork, learning_rate: float, *, device: str) -> None:
        config = teacher.unet.config
        w0, w1, w2 = config.widths
        self.critic = Critic((w0, w1, w2, w1, w0), config.text_width).to(device)
        self.critic.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(self.critic, learning_rate)
        self._teacher = teacher
        self._device = device

    def criticise(
        self,
        made: Tensor,
        clean: Tensor,
        words: tuple[Tensor, Tensor],
        generator: torch.Generator,
    ) -> tuple[Tensor, float]:
        """Gradient that makes `made` look painted; trains the critic on both (hinge loss).

        `words` are the word vectors and word counts that belong to the pictures.
        """
        level = torch.sigmoid(torch.randn(len(made), generator=generator) - 0.4).clamp(0.02, 0.9)
        noise = torch.randn(made.shape, generator=generator).to(made.device)
        t = level.to(made.device)
        fake = made.detach().requires_grad_()
        with fast_numbers(self._device):
            with torch.no_grad():
                tokens, pooled = self._teacher.text(*words)
                painted = self._teacher.unet.features(noisy(clean, noise, t), t, tokens, pooled)
            seen = self._teacher.unet.features(noisy(fake, noise, t), t, tokens, pooled)
            opinions = self.critic(seen, pooled)
        (push,) = torch.autograd.grad(-mean_opinion(opinions), fake)
        with fast_numbers(self._device):
            on_fake = self.critic([h.detach() for h in seen], pooled)
            on_real = self.critic(painted, pooled)
        return push, self.learn(on_real, on_fake)
