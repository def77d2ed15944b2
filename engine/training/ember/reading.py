"""Teaches the text encoder to read what people type, without a picture in sight.

The flow network has learnt from captions in the painters' own words, so its text encoder, the
*teacher*, knows where each of those is. The *reader* hears the same said freely, with aliases,
asides and words in between that mean nothing (`everyday.py`), and has to arrive at the same slots
and the same pooled vector:

    L = mean_k ((z_k - z*_k) / sigma_k)^2,

sigma_k the spread of each element over captions. A hundred thousand captions take minutes, where a
hundred thousand pictures take hours, and what is read right is painted right.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.diffusion.models.ember.text import TextEncoder
from engine.training.ember.captions import free_and_plain
from engine.training.ember.checkpoint import TrainState
from engine.training.ember.dataset import PictureFile
from engine.training.ember.everyday import EverydayWords
from engine.training.ember.meaning import meaning_loss
from engine.training.ember.rates import learning_rate
from engine.training.ember.repertoire import SHARES, Kind, kind_of, repertoire
from engine.training.ember.words import look_up

_SPREAD_CAPTIONS = 2048
_LEAST_SPREAD = 1e-2


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """How long and how to train."""

    budget_min: float
    max_steps: int | None = None
    batch: int = 192
    learning_rate: float = 5e-4
    warm_up: int = 100
    decay_from: float = 0.3
    floor: float = 0.02
    plain_share: float = 0.15
    """How many captions the reader hears in the teacher's words, so that it keeps those."""
    word_noise: float = 0.1
    meaning_weight: float = 0.05
    meaning_scenes: int = 48
    average_decay: float = 0.998


class CaptionSource:
    """What may be said of the painted pictures; they themselves are not looked at."""

    def __init__(self, files: Sequence[PictureFile]) -> None:
        self._scenes = repertoire()
        self._files: dict[Kind, list[PictureFile]] = {}
        for file in files:
            self._files.setdefault(kind_of(file.scene), []).append(file)
        self._kinds = list(self._files)
        shares = np.array([SHARES[kind] for kind in self._kinds])
        self._shares = shares / shares.sum()

    def batch(self, rng: np.random.Generator, count: int) -> tuple[list[str], list[str]]:
        """Draw `count` captions, freely said and in the painters' words."""
        free, plain = [], []
        for kind in rng.choice(len(self._kinds), count, p=self._shares):
            files = self._files[self._kinds[kind]]
            file = files[int(rng.integers(len(files)))]
            row = int(rng.choice(file.training_rows()))
            values = {name: column[row] for name, column in file.values.items()}
            mirrored = bool(rng.random() < 0.5)
            seed = int(rng.integers(2**63))
            both = free_and_plain(self._scenes[file.scene], values, seed, mirrored=mirrored)
            free.append(both[0])
            plain.append(both[1])
        return free, plain


class ReadingTrainer:
    """One step at a time; everything random comes from the seed and the step number."""

    def __init__(
        self,
        teacher: TextEncoder,
        source: CaptionSource,
        plan: ReadingPlan,
        *,
        device: str,
        seed: int,
    ) -> None:
        if teacher.table is None:
            raise ValueError("the teacher has no word table")
        self.plan = plan
        self._teacher = teacher.to(device).eval().requires_grad_(False)
        self.network = _copy(self._teacher).requires_grad_(True).train()
        optimiser = torch.optim.AdamW(
            self.network.parameters(), plan.learning_rate, betas=(0.9, 0.98), weight_decay=1e-3
        )
        self.state = TrainState(self.network, optimiser, plan.average_decay)
        self._everyday = EverydayWords(teacher.table)
        self._source = source
        self._device = device
        self._seed = seed
        self._spread = self._measure_spread()

    def save(self, path: Path) -> None:
        """Write everything that `restore` needs."""
        self.state.save(path, {"stage": "reading"})

    def restore(self, path: Path) -> None:
        """Take up where `save` stopped."""
        self.state.restore(path)

    def averaged(self) -> TextEncoder:
        """A copy of the reader with the averaged weights."""
        reader = _copy(self.network)
        reader.load_state_dict(self.state.averaged_state())
        return reader.eval().requires_grad_(False)

    def step(self, share: float) -> dict[str, float]:
        """Train on one batch; `share` of the plan in [0, 1] sets the rate."""
        began = time.perf_counter()
        plan, state = self.plan, self.state
        rng = np.random.default_rng((self._seed, state.step, 3))
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + state.step)
        state.set_rate(learning_rate(plan, state.step, share))
        free, plain = self._source.batch(rng, plan.batch)
        own_words = rng.random(plan.batch) < plan.plain_share
        said = [
            plain[k] if own_words[k] else self._everyday.said(text, rng)
            for k, text in enumerate(free)
        ]
        with torch.no_grad():
            wanted = self._read(self._teacher, plain, 0.0, generator)
        read = self._read(self.network, said, plan.word_noise, generator)
        slots, pooled = (
            ((z - w) / s).square().mean()
            for z, w, s in zip(read, wanted, self._spread, strict=True)
        )
        meaning = meaning_loss(
            self.network, rng, generator, scenes=plan.meaning_scenes,
            word_noise=plan.word_noise, teacher=self._teacher,
        )  # fmt: skip
        state.learn(slots + pooled + plan.meaning_weight * meaning)
        state.spend(time.perf_counter() - began)
        figures = {"slots_loss": slots, "pooled_loss": pooled, "meaning_loss": meaning}
        return {name: float(value.detach()) for name, value in figures.items()}

    def _measure_spread(self) -> tuple[Tensor, Tensor]:
        """Standard deviation of each element of the teacher's slots and pooled vector."""
        rng = np.random.default_rng((self._seed, 4))
        _, plain = self._source.batch(rng, _SPREAD_CAPTIONS)
        with torch.no_grad():
            read = self._read(self._teacher, plain, 0.0, torch.Generator())
        slots, pooled = (z.std(dim=0).clamp_min(_LEAST_SPREAD) for z in read)
        return slots, pooled

    def _read(
        self, text: TextEncoder, prompts: Sequence[str], noise: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        words, counts = look_up(text, prompts, noise, generator, self._device)
        longest = max(1, int(counts.max()))
        slots, pooled = text(words[:, :longest], counts)
        return slots, pooled


@torch.inference_mode()
def read_share(
    reader: TextEncoder,
    teacher: TextEncoder,
    phrases: Mapping[str, Sequence[str]],
    prompts: Mapping[str, Sequence[str]],
) -> float:
    """Share of `prompts`, by scene, that the reader puts nearest to the `phrases` of their scene.

    The distance is that of slots and pooled vector, as the teacher places the phrases, each
    element measured by its spread over the phrases.
    """
    names = list(phrases)
    owners = np.array([k for k, name in enumerate(names) for _ in phrases[name]])
    places = _flat(teacher, [phrase for name in names for phrase in phrases[name]])
    asked = [(k, text) for k, name in enumerate(names) for text in prompts.get(name, ())]
    read = _flat(reader, [text for _, text in asked])
    # Slots and pooled vector count the same, as in training.
    config = teacher.config
    scale = places.std(dim=0).clamp_min(_LEAST_SPREAD)
    scale[: config.slots * config.width] *= config.slots**0.5
    nearest = torch.cdist(read / scale, places / scale).argmin(dim=1).cpu().numpy()
    return float((owners[nearest] == np.array([k for k, _ in asked])).mean())


def _copy(text: TextEncoder) -> TextEncoder:
    """The same weights on the same word table."""
    copy = TextEncoder(text.config, text.table).to(text.start.device)
    copy.load_state_dict(text.state_dict())
    return copy


def _flat(text: TextEncoder, prompts: Sequence[str]) -> Tensor:
    embedding = text.encode(prompts)
    return torch.cat([embedding.tokens.flatten(1), embedding.pooled], dim=1)
