"""Teaches frozen ember to hear, by its own example: one call that hears against two that are told.

The teacher is ember itself, told in words what the sound shows and where (`where`); the pupil is
the same ember, told the scene alone, with the adapter that hears. Both start from the same noisy
latents and the teacher's answer is a function of them, so the pupil has no average to learn and
stays as crisp as its teacher. (The flow loss on painted pictures of both was tried first: after
1 100 steps every fresh picture was a blur.)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.conditioning.projector.plan import COLDEST, HOTTEST
from engine.diffusion.models.ember.autoencoder import LATENT_CHANNELS
from engine.diffusion.models.ember.text import TextEmbedding
from engine.diffusion.models.ember.weights import EmberNetworks
from engine.errors import TrainingError
from engine.training.ember.captions import caption
from engine.training.ember.checkpoint import TrainState
from engine.training.ember.flow import noisy
from engine.training.ember.rates import rate_share
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.sights.adapter import SoundAdapter
from engine.training.sights.sounds import SoundTable
from engine.training.sights.where import LANDS, OFTEN, SIGHT_OF, region

HELD_OUT_FOLD = 4
"""Clips of this fold are never heard in training."""
_SIDES = (16, 32)
"""Of latents: pictures of 256 and 512 pixels."""


@dataclass(frozen=True, slots=True)
class SightPlan:
    """How long and how to train."""

    budget_min: float
    max_steps: int | None = None
    batch: int = 8
    batch_large: int = 2
    learning_rate: float = 1e-3
    gate_rate: float = 1e-2
    """Gates begin at zero, and until they open nothing behind them learns."""
    warm_up: int = 100
    decay_from: float = 0.6
    floor: float = 0.03
    halved_share: float = 0.9
    halved_until: float = 0.75
    caption_dropout: float = 0.05
    view_noise: float = 0.15
    soft_share: float = 0.3
    """Of the batch that hears at less than full amount."""
    average_decay: float = 0.998


_LOWEST_T, _HIGHEST_T = 0.25, 0.85


@dataclass(frozen=True, slots=True)
class _Lesson:
    """One batch: what is told to the pupil and to the teacher."""

    scene: TextEmbedding
    sight: TextEmbedding
    leaning: TextEmbedding
    """The scene's prompt as the teacher has it: leant towards the sight by its mood."""
    share: Tensor
    """How much of each place is the sound's, `(b, 1, h, w)`."""
    amount: Tensor
    """`(b,)`."""
    views: Tensor


class SightTrainer:
    """One step at a time; everything random comes from the seed and the step number."""

    def __init__(
        self, ember: EmberNetworks, sounds: SoundTable, plan: SightPlan, *, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self._unet = ember.unet.requires_grad_(False).eval()
        self._text = ember.text.requires_grad_(False).eval()
        self._sounds, self._plan, self._seed = sounds, plan, seed
        heard = sounds.fold != HELD_OUT_FOLD
        self._rows = {label: sounds.rows_of(label, heard) for label in SIGHT_OF}
        often = [*OFTEN * 5, *(label for label in SIGHT_OF if label not in OFTEN)]
        self._labels = [label for label in often if len(self._rows[label])]
        if not self._labels:
            raise TrainingError(
                "there is no clip of any sound that can be seen outside of fold "
                f"{HELD_OUT_FOLD}: {', '.join(SIGHT_OF)}"
            )
        with torch.inference_mode(False), torch.no_grad():
            self._sights: Mapping[str, TextEmbedding] = {
                label: self._text.encode([sight.prompt]) for label, sight in SIGHT_OF.items()
            }
        self.adapter = SoundAdapter(self._unet)
        self.adapter.get_buffer("mean").copy_(torch.from_numpy(sounds.views[heard].mean((0, 1))))
        spread = sounds.views[heard].std((0, 1)) + 1e-3
        self.adapter.get_buffer("spread").copy_(torch.from_numpy(spread))
        self.adapter.ear.attach(self._unet)
        named = dict(self.adapter.named_parameters())
        gates = [p for name, p in named.items() if name.endswith("gate")]
        rest = [p for name, p in named.items() if not name.endswith("gate")]
        optimiser = torch.optim.AdamW(
            [{"params": gates, "weight_decay": 0.0}, {"params": rest, "weight_decay": 1e-3}],
            plan.learning_rate, betas=(0.9, 0.98),
        )  # fmt: skip
        self.state = TrainState(self.adapter, optimiser, plan.average_decay)

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs."""
        self.state.save(path, {"stage": "adapter"})

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped."""
        self.state.restore(path)

    def averaged(self) -> SoundAdapter:
        """The adapter with averaged weights, in evaluation mode."""
        adapter = SoundAdapter(self._unet)
        adapter.load_state_dict(self.state.averaged_state())
        return adapter.eval().requires_grad_(False)

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch; `share` of the plan in [0, 1] sets rate, size and temperature."""
        began_s = time.perf_counter()
        plan, state = self._plan, self.state
        rng = np.random.default_rng((self._seed, state.step, 1))
        torch.manual_seed(self._seed * 1_000_003 + state.step)
        self._set_rates(rate_share(plan, state.step, share))
        halved = rng.random() < (plan.halved_share if share < plan.halved_until else 0.5)
        side = _SIDES[0] if halved else _SIDES[1]
        lesson = self._lesson(rng, plan.batch if halved else plan.batch_large, side)
        x_t, t, target = self._taught(lesson, side, rng)
        temperature = HOTTEST + (COLDEST - HOTTEST) * min(1.0, share / plan.halved_until)
        velocity = self._heard(lesson, x_t, t, temperature)
        loss = (velocity - target).square().mean()
        norm = state.learn(loss)
        state.spend(time.perf_counter() - began_s)
        told = target.square().mean()
        return {"loss": float(loss.detach()), "of_all": float(loss.detach() / told),
                "gradient_norm": norm}  # fmt: skip

    def _set_rates(self, share: float) -> None:
        gates, rest = self.state.optimiser.param_groups
        gates["lr"], rest["lr"] = self._plan.gate_rate * share, self._plan.learning_rate * share

    @torch.no_grad()
    def _lesson(self, rng: np.random.Generator, count: int, side: int) -> _Lesson:
        plan = self._plan
        labels = [self._labels[index] for index in rng.integers(len(self._labels), size=count)]
        said = ["" if rng.random() < plan.caption_dropout else _caption(rng) for _ in labels]
        scene = self._text.encode(said)
        sight = _joined([self._sights[label] for label in labels])
        amount = np.where(rng.random(count) < plan.soft_share, rng.uniform(0.2, 1.0, count), 1.0)
        soft = torch.from_numpy(amount.astype(np.float32))
        mood = soft * torch.tensor([SIGHT_OF[label].mood for label in labels])
        leaning = TextEmbedding(
            torch.lerp(scene.tokens, sight.tokens, mood[:, None, None]),
            torch.lerp(scene.pooled, sight.pooled, mood[:, None]),
        )
        places = torch.stack([region(SIGHT_OF[label].where, side, side) for label in labels])
        return _Lesson(
            scene, sight, leaning, soft[:, None, None, None] * places[:, None], soft,
            self._views(labels, rng),
        )  # fmt: skip

    @torch.no_grad()
    def _taught(
        self, lesson: _Lesson, side: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Noisy latents of a first and of a later call, their times, the teacher's velocities.

        The later call begins from what the teacher painted, or from the scene without the sound,
        as the picture loop does when the sound comes.
        """
        self.adapter.ear.hear(None)
        count = len(lesson.amount)
        ones = torch.ones(count)
        noise = torch.randn(count, LATENT_CHANNELS, side, side)
        first, alone = self._painted(lesson, noise, ones)
        later = torch.from_numpy(rng.uniform(_LOWEST_T, _HIGHEST_T, count).astype(np.float32))
        unheard = torch.from_numpy(rng.random(count) < 0.5)[:, None, None, None]
        x_t = noisy(torch.where(unheard, alone, first), torch.randn(noise.shape), later)
        second, _ = self._painted(lesson, x_t, later)
        x = torch.cat([noise, x_t])
        t = torch.cat([ones, later])
        return x, t, (x - torch.cat([first, second])) / t[:, None, None, None]

    def _painted(self, lesson: _Lesson, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """What the teacher paints of noisy latents, and what it paints of the scene's part."""
        both = _joined([lesson.leaning, lesson.sight])
        velocity = self._unet(torch.cat([x_t, x_t]), torch.cat([t, t]), both.tokens, both.pooled)
        wide = t[:, None, None, None]
        alone, sight = (x_t - wide * part for part in velocity.chunk(2))
        return torch.lerp(alone, sight, lesson.share), alone

    def _heard(self, lesson: _Lesson, x_t: Tensor, t: Tensor, temperature: float) -> Tensor:
        """The pupil's velocities: it is told the scene and hears the rest."""
        adapter = self.adapter.train()
        told = _joined([lesson.scene, lesson.scene])
        views = torch.cat([lesson.views, lesson.views])
        amount = torch.cat([lesson.amount, lesson.amount])
        adapter.ear.hear(adapter.heard(views, temperature, amount))
        pooled = adapter.ear.leaning(told.pooled)
        velocity: Tensor = self._unet(
            x_t.contiguous(memory_format=torch.channels_last), t, told.tokens, pooled
        )
        adapter.ear.hear(None)
        return velocity

    def _views(self, labels: Sequence[str], rng: np.random.Generator) -> Tensor:
        """Views of a clip of each label, a little off, so that clips are not learnt by heart."""
        picked: list[NDArray[np.int64]] = [rng.choice(self._rows[label]) for label in labels]
        views = torch.from_numpy(self._sounds.views[picked])
        spread = self.adapter.get_buffer("spread")
        return views + self._plan.view_noise * spread * torch.randn(views.shape)


def _caption(rng: np.random.Generator) -> str:
    names = [*LANDS * 3, *SCENES]
    scene = SCENES[names[rng.integers(len(names))]]
    return caption(scene, {a.name: float(rng.random()) for a in scene.attributes}, rng)


def _joined(parts: Sequence[TextEmbedding]) -> TextEmbedding:
    return TextEmbedding(
        torch.cat([part.tokens for part in parts]), torch.cat([part.pooled for part in parts])
    )
