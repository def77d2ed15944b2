"""Teaches the flow network to arrive in one call: lessons from itself, and a critic.

The student starts as a copy of the trained flow network, the teacher, and predicts the clean
picture in one call from any noise level. Two forces act on its prediction:

* *lessons*: where the teacher arrives in several guided steps from the same noise. Few-step
  distillation by regression (Luhman and Luhman 2021, with guidance as in Meng et al. 2023): it
  keeps what belongs to which noise, and alone it stays a little soft.
* *the critic*: small heads on the features of the frozen teacher, which see the prediction and a
  painted picture, both with new noise, and learn to tell them apart (latent adversarial diffusion
  distillation, Sauer et al. 2024). It makes pictures crisp and, alone, forgets variety.

The critic's gradient is scaled to the lessons' so that neither has to be balanced by hand.

Live, every picture starts from the one before. Two things keep that loop from burning: lessons are
guided fully from pure noise only (what is already there has been guided before), and some rows
start from pictures that the student itself made in earlier steps, some of them many times over.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.ember.checkpoint import TrainState, stored_part
from engine.training.ember.flow import FlowNetwork, integrate
from engine.training.ember.latents import LatentSource
from engine.training.ember.meaning import meaning_loss
from engine.training.ember.words import look_up

_LOWEST_T = 0.05
_NEARLY_CLEAN_T = 0.35
"""Below this a prediction is held to the painted picture itself: little is left to guess."""

_REPLAY_T = (0.35, 0.85)
"""Noise levels of the feedback loop."""

_HEAD_WIDTH = 96
_GROUPS = 8


@dataclass(frozen=True, slots=True)
class DistillPlan:
    """How long and how to distil; `critic_weight` 0 leaves the lessons alone."""

    budget_min: float
    max_steps: int | None = None
    batch: int = 16
    learning_rate: float = 1e-4
    critic_rate: float = 4e-4
    warm_up: int = 50
    decay_from: float = 0.6
    caption_dropout: float = 0.04
    word_noise: float = 0.08
    degraded_share: float = 0.125
    lesson_share: float = 0.5
    lesson_steps: int = 3
    lesson_guidance: float = 1.8
    replay_share: float = 0.25
    critic_weight: float = 1.0
    meaning_weight: float = 0.02
    meaning_scenes: int = 24
    average_decay: float = 0.997

    @property
    def lessons(self) -> int:
        """Rows of a batch that learn from the teacher."""
        return round(self.lesson_share * self.batch)


@dataclass(frozen=True, slots=True)
class _Replay:
    """Pictures that the student made `(k, 16, h, w)`, the painted ones, and their words."""

    made: Tensor
    clean: Tensor
    words: Tensor
    lengths: Tensor


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


class DistillTrainer:
    """One step at a time; everything random comes from the seed and the step number."""

    def __init__(
        self,
        teacher: FlowNetwork,
        source: LatentSource,
        plan: DistillPlan,
        *,
        device: str,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.plan = plan
        self._teacher = teacher.to(device).eval().requires_grad_(False)
        self.network = FlowNetwork(teacher.text.table).to(device)
        self.network.load_state_dict(teacher.state_dict())
        self.network.unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        config = teacher.unet.config
        w0, w1, w2 = config.widths
        self.critic = Critic((w0, w1, w2, w1, w0), config.text_width).to(device)
        self.critic.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        student = torch.optim.AdamW(
            self.network.parameters(), plan.learning_rate, betas=(0.8, 0.98), weight_decay=1e-3
        )
        judge = torch.optim.AdamW(
            self.critic.parameters(), plan.critic_rate, betas=(0.5, 0.98), weight_decay=1e-3
        )
        self.state = TrainState(self.network, student, plan.average_decay)
        self._critic_state = TrainState(self.critic, judge, 0.99)
        self._replay: _Replay | None = None
        self._source = source
        self._device = device
        self._seed = seed

    def averaged(self) -> FlowNetwork:
        """A copy of the student with the averaged weights, for sampling."""
        copy = FlowNetwork(self.network.text.table).to(self._device)
        copy.load_state_dict(self.state.averaged_state())
        copy.unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return copy.eval().requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs: the student to `path`, the critic beside it."""
        self._critic_state.save(critic_path(path), {"stage": "critic"})
        replay = {} if self._replay is None else dataclasses.asdict(self._replay)
        extra = {f"replay.{name}": tensor for name, tensor in replay.items()}
        self.state.save(path, {"stage": "distill"}, extra)

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped."""
        self._critic_state.restore(critic_path(path))
        self.state.restore(path)
        replay = stored_part(path, "replay.")
        if replay:
            self._replay = _Replay(**{key: x.to(self._device) for key, x in replay.items()})

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch; `share` of the plan in [0, 1] sets the rate."""
        began = time.perf_counter()
        plan, state = self.plan, self.state
        rng = np.random.default_rng((self._seed, state.step, 2))
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + state.step)
        _set_rate(state.optimiser, plan.learning_rate, plan, state.step, share)
        _set_rate(self._critic_state.optimiser, plan.critic_rate, plan, state.step, share)
        clean, start, prompts = self._source.batch(rng, plan.batch, plan.degraded_share)
        prompts = ["" if rng.random() < plan.caption_dropout else text for text in prompts]
        lessons = plan.lessons
        t = draw_t(plan.batch, lessons, generator)
        noise = torch.randn(clean.shape, generator=generator)
        clean, start, noise, t = (x.to(self._device) for x in (clean, start, noise, t))
        words, lengths = look_up(
            self.network.text, prompts, plan.word_noise, generator, self._device
        )
        replayed = self._put_replay(clean, start, words, lengths, t, lessons)
        wide = t[:, None, None, None]
        x_t = ((1 - wide) * start + wide * noise).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.split(":")[0], torch.bfloat16):
            velocity = self.network(x_t, t, words, lengths)
        made = x_t - wide * velocity.float()
        self._keep_replay(made, clean, words, lengths, replayed)
        pull, lesson_loss = self._lessons(made, clean, x_t, t, words, lengths, lessons)
        figures = {"lesson_loss": lesson_loss}
        if plan.critic_weight:
            push, critic_loss = self._criticise(made, clean, words, lengths, generator)
            scale = plan.critic_weight * pull.norm() / push.norm().clamp_min(1e-12)
            pull = pull + scale * push
            figures["critic_loss"] = critic_loss
        state.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(made, pull)
        figures["meaning_loss"] = self._keep_meaning(rng, generator)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        state.optimiser.step()
        state.step += 1
        state.update_average()
        state.spend(time.perf_counter() - began)
        return {**figures, "gradient_norm": float(norm)}

    def _keep_meaning(self, rng: np.random.Generator, generator: torch.Generator) -> float:
        """Draw names of scenes and styles to where the teacher's network reads its phrases."""
        plan = self.plan
        with torch.autocast(self._device.split(":")[0], torch.bfloat16):
            loss = meaning_loss(
                self.network.text, rng, generator, scenes=plan.meaning_scenes,
                word_noise=plan.word_noise, teacher=self._teacher.text,
            )  # fmt: skip
        torch.autograd.backward(plan.meaning_weight * loss)
        return float(loss.detach())

    def _put_replay(
        self,
        clean: Tensor,
        start: Tensor,
        words: Tensor,
        lengths: Tensor,
        t: Tensor,
        lessons: int,
    ) -> slice:
        """Let the first rows after the lessons start from what was made before, in place."""
        replay = self._replay
        if replay is None or replay.made.shape[1:] != start.shape[1:]:
            return slice(0, 0)
        rows = slice(lessons, lessons + len(replay.made))
        start[rows], clean[rows] = replay.made, replay.clean
        words[rows], lengths[rows] = replay.words, replay.lengths
        t[rows] = _REPLAY_T[0] + (_REPLAY_T[1] - _REPLAY_T[0]) * t[rows]
        return rows

    def _keep_replay(
        self, made: Tensor, clean: Tensor, words: Tensor, lengths: Tensor, replayed: slice
    ) -> None:
        """Keep half of what was replayed, so that some rows go round many times, and new ones."""
        count = min(round(self.plan.replay_share * len(made)), len(made) - self.plan.lessons)
        old = list(range(*replayed.indices(len(made))))[: count // 2]
        rows = [*old, *range(count - len(old))]
        self._replay = (
            _Replay(made[rows].detach(), clean[rows], words[rows], lengths[rows]) if rows else None
        )

    @torch.no_grad()
    def _lessons(
        self,
        made: Tensor,
        clean: Tensor,
        x_t: Tensor,
        t: Tensor,
        words: Tensor,
        lengths: Tensor,
        lessons: int,
    ) -> tuple[Tensor, float]:
        """Gradient of the squared error to where each row ought to arrive, and that error."""
        part = slice(0, lessons)
        with torch.autocast(self._device.split(":")[0], torch.bfloat16):
            end = integrate(
                self._teacher,
                x_t[part],
                t[part],
                words[part],
                lengths[part],
                steps=self.plan.lesson_steps,
                guidance=lesson_guidance(self.plan, t[part]),
            )
        pull = torch.zeros_like(made)
        pull[part] = made[part] - end
        loss = float(pull[part].square().mean())
        rest = slice(lessons, None)
        near = (t[rest] < _NEARLY_CLEAN_T)[:, None, None, None]
        pull[rest] = (made[rest] - clean[rest]) * near
        return 2 * pull / made[0].numel() / max(1, len(made)), loss

    def _criticise(
        self,
        made: Tensor,
        clean: Tensor,
        words: Tensor,
        lengths: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, float]:
        """Gradient that makes `made` look painted; trains the critic on both (hinge loss)."""
        count = len(made)
        level = torch.sigmoid(torch.randn(count, generator=generator) - 0.4).clamp(0.02, 0.9)
        noise = torch.randn(made.shape, generator=generator).to(made.device)
        t = level.to(made.device)
        wide = t[:, None, None, None]
        fake = made.detach().requires_grad_()
        device = self._device.split(":")[0]
        with torch.autocast(device, torch.bfloat16):
            with torch.no_grad():
                tokens, pooled = self._teacher.text(words, lengths)
                real = _mixed(clean, noise, wide)
                painted = self._teacher.unet.features(real, t, tokens, pooled)
            seen = self._teacher.unet.features(_mixed(fake, noise, wide), t, tokens, pooled)
            opinions = self.critic(seen, pooled)
        (push,) = torch.autograd.grad(-_mean(opinions), fake)
        with torch.autocast(device, torch.bfloat16):
            on_fake = self.critic([h.detach() for h in seen], pooled)
            on_real = self.critic(painted, pooled)
        loss = _mean([F.relu(1 - x) for x in on_real]) + _mean([F.relu(1 + x) for x in on_fake])
        state = self._critic_state
        state.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.critic.parameters(), 1.0)
        state.optimiser.step()
        state.step += 1
        state.update_average()
        return push, float(loss.detach())


def critic_path(path: Path) -> Path:
    """Where the critic lies that belongs to the student at `path`."""
    return path.with_name(f"{path.stem}_critic{path.suffix}")


def lesson_guidance(plan: DistillPlan, t: Tensor) -> Tensor:
    """Guidance `(b,)` of lessons from noise level `t`: none below 1/2, all of it at 1."""
    return 1 + (plan.lesson_guidance - 1) * (2 * t - 1).clamp(0, 1)


def draw_t(count: int, lessons: int, generator: torch.Generator) -> Tensor:
    """Times `(count,)`: of the lessons 60 % exactly 1, else in [0.4, 1]; the rest in [0.05, 1]."""
    uniform = torch.rand(count, generator=generator)
    pure = torch.rand(count, generator=generator) < 0.6
    taught = torch.where(pure, torch.ones(count), 0.4 + 0.6 * uniform)
    free = _LOWEST_T + (1 - _LOWEST_T) * uniform
    return torch.where(torch.arange(count) < lessons, taught, free)


def _mean(maps: Sequence[Tensor]) -> Tensor:
    """Every map counts the same, however many places it has."""
    return torch.stack([judgement.mean() for judgement in maps]).mean()


def _mixed(latents: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    mixed = (1 - t) * latents + t * noise
    return mixed.contiguous(memory_format=torch.channels_last)


def _set_rate(
    optimiser: torch.optim.AdamW, rate: float, plan: DistillPlan, step: int, share: float
) -> None:
    """Linear warm-up, constant, then cosine to 5 % over the last part of the plan."""
    warm = min(1.0, (step + 1) / plan.warm_up)
    late = max(0.0, share - plan.decay_from) / max(1e-6, 1 - plan.decay_from)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, late)))
    for group in optimiser.param_groups:
        group["lr"] = rate * warm * (0.05 + 0.95 * cosine)
