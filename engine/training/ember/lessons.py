"""Lessons for distillation: where the flow network arrives in several guided steps.

They are written down once and learnt from several times, for they cost more than learning them
does: twelve calls of the teacher against three for a step of the student. A lesson is the noise,
the level it begins at, what is said of it, and where it leads.

    lessons/<number>.npz    one batch of one shape:
        start, end          float16 (n, 16, h, w): the painted latents, and where the lesson leads
        t                   float32 (n,): 1 is pure noise, else `start` is still seen through it
        noise_seed          of the noise (n, 16, h, w), float32
        free, plain         captions, as people type and in the painters' words; some are empty
        shape, halved       which kind of pictures
        seconds, teacher    how long it took, and a fingerprint of who gave it

What number k holds depends on the teacher, the plan, the seed and k only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from engine.errors import TrainingError
from engine.training.ember.flow import FlowNetwork, arrive, noisy
from engine.training.ember.latents import LatentSource
from engine.training.ember.number_format import fast_numbers
from engine.training.ember.words import look_up

_EVERY_WHOLE = 3
"""Of so many batches one is of whole pictures, the others of pictures half as wide: about the same
time for both."""
_PURE_SHARE, _LOWEST_T = 0.6, 0.4


@dataclass(frozen=True, slots=True)
class LessonPlan:
    """How lessons are given. `guidance` is that from pure noise."""

    budget_min: float
    max_lessons: int | None = None
    """At most so many batches, where given."""
    steps: int = 6
    guidance: float = 1.8
    caption_dropout: float = 0.04
    batch: int = 24
    halved_batch: int = 64


@dataclass(frozen=True, slots=True)
class Lessons:
    """Some lessons of one shape, on the CPU."""

    start: Tensor
    end: Tensor
    noise: Tensor
    """The three `(n, 16, h, w)`, float32."""
    t: Tensor
    free: Sequence[str]
    plain: Sequence[str]
    shape: str
    halved: bool


def give_lessons(
    teacher: FlowNetwork,
    sources: tuple[LatentSource, LatentSource],
    plan: LessonPlan,
    folder: Path,
    *,
    device: str,
    seed: int,
    resume: bool,
) -> None:
    """Write lessons until the plan is spent; those that are there count where it is to `resume`.

    `sources` are those of whole pictures and of pictures half as wide. Raises `TrainingError`
    where the lessons that are there are another teacher's.
    """
    if not resume:
        for old in folder.glob("*.npz"):
            old.unlink()
    number = _next_number(folder)
    mark = _fingerprint(teacher)
    spent_s = _spent_s(folder, number, mark)
    with tqdm(initial=number, desc="lessons", unit="batch", disable=None) as bar:
        while spent_s < 60 * plan.budget_min and number != plan.max_lessons:
            began = time.perf_counter()
            page = _lesson(teacher, sources, number, plan, device=device, seed=seed)
            seconds = time.perf_counter() - began
            spent_s += seconds
            _save(_path(folder, number), {**page, "seconds": seconds, "teacher": mark})
            number += 1
            bar.update()


def _lesson(
    teacher: FlowNetwork,
    sources: tuple[LatentSource, LatentSource],
    number: int,
    plan: LessonPlan,
    *,
    device: str,
    seed: int,
) -> dict[str, object]:
    """The lessons with this `number`, by the names that the file has for them."""
    halved = number % _EVERY_WHOLE != _EVERY_WHOLE - 1
    rng = np.random.default_rng((seed, number, 5))
    drawn = sources[halved].batch(rng, plan.halved_batch if halved else plan.batch, 0.0)
    noise_seed = int(rng.integers(2**31))
    generator = torch.Generator().manual_seed(noise_seed)
    noise = torch.randn(drawn.clean.shape, generator=generator)
    t = _draw_t(len(noise), generator)
    x_t = noisy(drawn.clean, noise, t)
    drawn = drawn.partly_unsaid(rng, plan.caption_dropout)
    words, counts = look_up(teacher.text, drawn.plain_prompts, 0.0, generator, device)
    with fast_numbers(device):
        end = arrive(
            teacher, x_t.to(device), t.to(device), noise.to(device), words, counts,
            steps=plan.steps, guidance=lesson_guidance(plan.guidance, t).to(device),
        )  # fmt: skip
    return {
        "start": drawn.clean.half().numpy(),
        "end": end.half().cpu().numpy(),
        "t": t.numpy(),
        "noise_seed": noise_seed,
        "free": drawn.prompts,
        "plain": drawn.plain_prompts,
        "shape": drawn.shape,
        "halved": halved,
    }


def _save(path: Path, page: dict[str, object]) -> None:
    """Write to a neighbour file and rename it, so that a kill leaves whole files only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    arrays = {name: np.asarray(value) for name, value in page.items()}
    np.savez(temporary, allow_pickle=False, **arrays)
    temporary.replace(path)


def _fingerprint(teacher: FlowNetwork) -> str:
    """Tells one teacher's weights from another's."""
    weights = teacher.unet.out.weight.detach().cpu().float().numpy().tobytes()
    return hashlib.sha256(weights).hexdigest()[:16]


def _spent_s(folder: Path, count: int, teacher: str) -> float:
    """Seconds that the first `count` pages took; raises `TrainingError` for another teacher's."""
    seconds = 0.0
    for number in range(count):
        with np.load(_path(folder, number)) as page:
            seconds += float(page["seconds"])
            if str(page["teacher"]) != teacher:
                raise TrainingError(
                    f"the lessons in {folder} are of another flow network: "
                    "run the stage 'lessons' without --resume"
                )
    return seconds


def _next_number(folder: Path) -> int:
    """The first number of which there are no lessons yet."""
    number = 0
    while _path(folder, number).exists():
        number += 1
    return number


def lesson_guidance(guidance: float, t: Tensor) -> Tensor:
    """Guidance `(b,)` of lessons from noise level `t`: none below 1/2, all of it at 1.

    What is there already has been guided before.
    """
    return 1 + (guidance - 1) * (2 * t - 1).clamp(0, 1)


def _draw_t(count: int, generator: torch.Generator) -> Tensor:
    """Noise levels `(count,)`: 60 % exactly 1, else in [0.4, 1]."""
    pure = torch.rand(count, generator=generator) < _PURE_SHARE
    level = _LOWEST_T + (1 - _LOWEST_T) * torch.rand(count, generator=generator)
    return torch.where(pure, torch.ones(count), level)


class LessonBook:
    """All lessons of a folder, in memory as float16; raises `TrainingError` where none is."""

    def __init__(self, folder: Path) -> None:
        self._pages: dict[tuple[bool, str], list[dict[str, NDArray[np.generic]]]] = {}
        for number in range(_next_number(folder)):
            with np.load(_path(folder, number)) as file:
                page = {name: file[name] for name in file.files}
            generator = torch.Generator().manual_seed(int(page["noise_seed"]))
            noise = torch.randn(page["start"].shape, generator=generator)
            page["noise"] = noise.half().numpy()
            key = bool(page["halved"]), str(page["shape"])
            self._pages.setdefault(key, []).append(page)
        if not self._pages:
            raise TrainingError(f"no lessons in {folder}: run the stage 'lessons' first")

    def draw(self, rng: np.random.Generator, count: int, *, halved: bool) -> Lessons:
        """Draw `count` lessons of one shape; of the other size where there are none of this."""
        keys = [key for key in self._pages if key[0] == halved] or list(self._pages)
        shares = np.array([len(self._pages[key]) for key in keys], np.float64)
        key = keys[int(rng.choice(len(keys), p=shares / shares.sum()))]
        rows = []
        for _ in range(count):
            page = self._pages[key][int(rng.integers(len(self._pages[key])))]
            rows.append((page, int(rng.integers(len(page["t"])))))
        start, end, noise = (
            torch.from_numpy(np.stack([page[name][row] for page, row in rows])).float()
            for name in ("start", "end", "noise")
        )
        t = torch.tensor([float(page["t"][row]) for page, row in rows])
        free, plain = ([str(page[name][row]) for page, row in rows] for name in ("free", "plain"))
        return Lessons(start, end, noise, t, free, plain, key[1], key[0])


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.npz"
