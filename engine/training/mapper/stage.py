"""`sonolume train mapper`: sounds or texts in, a mapper that the program can paint with out.

vectors.npz          what the encoder heard in every clip, made once
mapper.safetensors   the mapper; its card has the figures
ridge.safetensors    the straight line it is measured against, a mapper like any other
run.safetensors/csv  checkpoint and figures of every epoch
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.mapper_embedding import EmbeddingMapper
from engine.conditioning.mapper_file import KIND, save_mapper
from engine.conditioning.mapper_names import LINEAR
from engine.conditioning.mapper_shape import MapperShape, default_shape
from engine.semantic.sound_vectors import SoundVectors, open_sound_vectors
from engine.training.mapper.caption_lessons import NOISE, caption_course
from engine.training.mapper.course import Course, clip_course
from engine.training.mapper.figures import distinct, mapper_figures
from engine.training.mapper.fit import FitPlan, MapperTrainer, fit, ridge, set_scalings
from engine.training.mapper.lessons import Lessons
from engine.training.mapper.targets import PromptSpace
from engine.training.sound_datasets.synthesised import synthesised_pairs

Figures = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class MapperRequest:
    """What to train from, what into, and for how long."""

    out_dir: Path
    data: Path | None = None
    """A folder of clips with captions."""
    format_name: str = "auto"
    synthesised: int = 0
    """Clips of every sound of our catalogue to learn from besides."""
    captions: Path | None = None
    """A file of captions, one a line: trains from texts alone, in CLAP's space."""
    encoder: str = "ear"
    weights: Path | None = None
    """Of CLAP or VGGish."""
    target: str = "ember"
    network: str = "v2d"
    fold: int = 4
    """Fold of the clips that is left out and tested on; 0: none is."""
    budget_min: float = 60.0
    resume: bool = False
    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    max_epochs: int = 200


def run_mapper(request: MapperRequest) -> tuple[Figures, list[str]]:
    """Train, test, write; return the figures by what was asked, and lines about what is missing.

    Raises `TrainingError`, `ModelLoadError` where weights are not there, and `LimitError`.
    """
    torch.set_num_threads(request.threads)
    encoder = open_sound_vectors(request.encoder, request.weights, request.device)
    space = PromptSpace(request.target, request.device, request.threads)
    try:
        shape = default_shape(request.network, space.spec, request.encoder)
        course = _course(request, encoder, shape)
        torch.manual_seed(request.seed)
        mapper = EmbeddingMapper(encoder.width, space.spec, shape)
        prompts = space.flat_prompts(course.captions, mapper)
        family = space.family
    finally:
        space.close()
    plain = _fitted_ridge(mapper, course, prompts) if not shape.patches else None
    if request.network == LINEAR and plain is not None:
        mapper = plain
    else:
        set_scalings(mapper, course.learned, prompts)
        mapper = _fitted(request, mapper, course, prompts)
    trained = {"mapper": mapper} | ({"ridge": plain} if plain is not None else {})
    figures: Figures = {}
    for name, network in trained.items():
        network.gap.copy_(torch.from_numpy(course.gap))
        figures |= _asked(name, network, course, prompts)
    for name, network in trained.items():
        save_mapper(
            request.out_dir / f"{name}.safetensors",
            network,
            _card(request, family, network, {**course.facts, **figures}),
        )
    return figures, course.missing


def _course(request: MapperRequest, encoder: SoundVectors, shape: MapperShape) -> Course:
    cache = request.out_dir / "vectors.npz"
    if request.captions is not None:
        return caption_course(
            request.captions, encoder, request.data, request.format_name, cache, request.seed
        )
    assert request.data is not None
    return clip_course(
        request.data, request.format_name, encoder, shape, cache, request.fold, request.seed,
        synthesised_pairs(request.out_dir / "synthesised", request.synthesised, request.seed)
        if request.synthesised else (),
    )  # fmt: skip


def _fitted(
    request: MapperRequest, mapper: EmbeddingMapper, course: Course, prompts: Tensor
) -> EmbeddingMapper:
    plan = FitPlan(
        request.budget_min,
        max_epochs=request.max_epochs,
        noise=NOISE if request.captions is not None else 0.0,
    )
    trainer = MapperTrainer(
        mapper, course.learned, course.checked, prompts, plan, seed=request.seed,
        device=request.device,
    )  # fmt: skip
    facts = {
        "encoder": request.encoder, "target": request.target, "network": request.network,
        "seed": request.seed, "lessons": _digest(course),
    }  # fmt: skip
    fit(trainer, request.out_dir / "run.safetensors", facts, resume=request.resume)
    return trainer.take_best()


def _fitted_ridge(mapper: EmbeddingMapper, course: Course, prompts: Tensor) -> EmbeddingMapper:
    shape = MapperShape(LINEAR, mapper.shape.blocks, unit=mapper.shape.unit)
    plain = EmbeddingMapper(mapper.input_mean.numel(), mapper.target, shape)
    set_scalings(plain, course.learned, prompts)
    return ridge(plain, course.learned, course.checked, prompts)


@torch.no_grad()
def _asked(name: str, mapper: EmbeddingMapper, course: Course, prompts: Tensor) -> Figures:
    """Figures of what was held out, whole clips and windows each; `heard` through the gap."""
    bank = distinct(prompts.numpy())
    figures: Figures = {}
    for what, lessons in course.held_out.items():
        heard = torch.from_numpy(lessons.heard)
        written = mapper(mapper.bridged(heard)).numpy()
        right = prompts[torch.from_numpy(lessons.prompt)].numpy()
        figures[f"{name}, {what}"] = {
            key: round(value, 4) for key, value in mapper_figures(written, right, bank).items()
        }
    return figures


def _card(
    request: MapperRequest, family: str, mapper: EmbeddingMapper, figures: dict[str, Any]
) -> AdapterCard:
    return AdapterCard(
        KIND, request.encoder, mapper.input_mean.numel(), mapper.target, family,
        mapper.shape.settings(), figures,
    )  # fmt: skip


def _digest(course: Course) -> str:
    digest = hashlib.sha256()
    parts: Sequence[Lessons] = (course.learned, course.checked)
    for lessons in parts:
        digest.update(lessons.heard.tobytes())
        digest.update(lessons.prompt.tobytes())
    digest.update("\n".join(course.captions).encode())
    return digest.hexdigest()[:16]
