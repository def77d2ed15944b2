"""`sonolume train projector`: one stage from a folder of pairs to a file that says what it is."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.projector.network import Projector, SonicProjector, projector
from engine.conditioning.projector.plan import plan_for
from engine.conditioning.projector.projector_file import load_projector, save_projector
from engine.errors import TrainingError
from engine.semantic.sound_vectors import SoundViews, open_sound_views
from engine.training.ember.metrics import CsvLog
from engine.training.projector.dataset import has_split, read_pairs
from engine.training.projector.examples import Examples, hear
from engine.training.projector.plan import StagePlan
from engine.training.projector.stage_loss import TextFacts, retrieval, text_facts
from engine.training.projector.targets import Target, open_target
from engine.training.projector.trainer import ProjectorTrainer, accelerator

TRAIN = "train"
_HELD_OUT = ("val", "valid", "validation", "test")
_SAVE_EVERY_S = 120.0
_LOG_EVERY = 10
_MOST_CAPTIONS = 512
"""Captions whose mean is taken; more do not move it."""


@dataclass(frozen=True, slots=True)
class ProjectorRequest:
    """What is asked of one run."""

    data: Path
    work: Path
    plan: StagePlan
    target: str = "ember"
    encoder: str = "ear"
    weights: Path | None = None
    decomposer: str = "soft"
    generator: str = "transformer"
    routing: str = "published"
    insertion: str = "gated"
    norm: float | None = None
    precision: str = "auto"
    device: str = "cpu"
    budget_min: float = 60.0
    resume: bool = False


def projector_file(work: Path, stage: int) -> Path:
    """What a stage leaves for the next one and for the stage."""
    return work / f"projector-stage{stage}.safetensors"


def run_projector(request: ProjectorRequest, say: Callable[[str], None]) -> dict[str, Any]:
    """Train one stage within its budget; return its figures. `say` takes one line for people.

    Raises `TrainingError` and `ModelLoadError`.
    """
    plan = request.plan
    _check_earlier(request)
    accelerate = accelerator(request.device, request.precision, plan.accumulate)
    encoder = open_sound_views(request.encoder, request.weights, request.device)
    examples, words = _examples(request, encoder, TRAIN, frames=plan.stage > 1)
    if words:
        say(words)
    device = str(accelerate.device)
    torch.manual_seed(plan.seed)  # a new adapter's weights
    target = open_target(request.target, device, request.norm, request.routing, request.insertion)
    captions = sorted({pair.caption for pair in examples.pairs})
    chosen = np.random.default_rng(0).permutation(len(captions))[:_MOST_CAPTIONS]
    facts = text_facts(target, [captions[place] for place in chosen])
    torch.manual_seed(plan.seed)
    network = _network(request, encoder, target, examples, facts)
    trainer = ProjectorTrainer(network, target, examples, facts, plan, accelerate)
    losses = _train(request, trainer, accelerate)
    figures = {"pairs": len(examples.pairs), "steps": trainer.step_count, **losses}
    figures |= _judged(request, encoder, network, target, facts, examples)
    if accelerate.is_main_process:
        _write(request, encoder, network, target, figures)
    if trainer.step_count < plan.steps:
        say(
            f"stopped at step {trainer.step_count} of {plan.steps} after "
            f"{request.budget_min:g} minutes: go on with --resume"
        )
    return figures


def _check_earlier(request: ProjectorRequest) -> None:
    """Raise `TrainingError` before a long listening, where the stage before has not run."""
    stage = request.plan.stage - 1
    earlier = projector_file(request.work, stage)
    if stage and not earlier.is_file():
        raise TrainingError(
            f"{earlier} is missing: run --stage {stage} first, with the same --work"
        )


def _examples(
    request: ProjectorRequest, encoder: SoundViews, split: str, *, frames: bool
) -> tuple[Examples, str]:
    """A split, and one line about what it lacks."""
    pairs = read_pairs(request.data, split, frames=frames)
    pictures = "-pictures" if frames else ""
    cache = request.work / f"views-{split}-{encoder.name}{pictures}.npz"
    examples, whole = hear(pairs, encoder, cache)
    words = whole.write_missing(request.work / f"missing-{split}.csv")
    if not examples.pairs:
        raise TrainingError(f"no pair of {request.data} can be read: {words}")
    return examples, words


def _network(
    request: ProjectorRequest, encoder: SoundViews, target: Target, examples: Examples,
    facts: TextFacts,
) -> Projector | SonicProjector:  # fmt: skip
    """A new network for stage 1, the one of the stage before for the others."""
    if request.plan.stage == 1:
        norm = facts.norm if target.norm is None else target.norm
        return projector(
            plan_for(
                examples.input_width, target.spec, decomposer=request.decomposer,
                generator=request.generator, routing=request.routing, norm=norm,
                chained=request.decomposer == "sonic",
            )
        )  # fmt: skip
    earlier = projector_file(request.work, request.plan.stage - 1)
    card, network = load_projector(earlier)
    card.check(encoder.name, examples.input_width, target.spec, earlier)
    target.load_adapter(earlier)
    return network


def _train(
    request: ProjectorRequest, trainer: ProjectorTrainer, accelerate: Any
) -> dict[str, Any]:
    """Step until plan or budget is spent; return the loss of the first steps and of the last."""
    plan = request.plan
    path = request.work / f"stage{plan.stage}.safetensors"
    resume = request.resume and path.exists()
    if resume:
        trainer.restore(path)
    main = accelerate.is_main_process
    log = CsvLog(path.with_suffix(".csv"), resume=resume) if main else None
    began_s = saved_s = time.perf_counter()
    sums: dict[str, float] = {}
    seen: list[float] = []
    hide = None if main else True
    with tqdm(initial=trainer.step_count, total=plan.steps, desc=path.stem, unit="step",
              disable=hide) as bar:  # fmt: skip
        while trainer.step_count < plan.steps:
            figures = trainer.step()
            seen.append(figures["loss"])
            for name, value in figures.items():
                sums[name] = sums.get(name, 0.0) + value / _LOG_EVERY
            bar.update()
            if trainer.step_count % _LOG_EVERY == 0:
                bar.set_postfix({name: f"{value:.4f}" for name, value in sums.items()})
                if log is not None:
                    log.write({"step": trainer.step_count, **sums})
                sums = {}
            now_s = time.perf_counter()
            if main and now_s - saved_s >= _SAVE_EVERY_S:
                saved_s = now_s
                trainer.save(path)
            if now_s - began_s >= 60.0 * request.budget_min:
                break
    if main:
        trainer.save(path)
    if not seen:
        return {}
    few = max(1, min(_LOG_EVERY, len(seen) // 2))
    return {"first_loss": float(np.mean(seen[:few])), "last_loss": float(np.mean(seen[-few:]))}


def _judged(
    request: ProjectorRequest, encoder: SoundViews, network: Projector | SonicProjector,
    target: Target, facts: TextFacts, examples: Examples,
) -> dict[str, float]:  # fmt: skip
    """Figures of sounds that were left out, where the folder has such; else of its own."""
    split = next((name for name in _HELD_OUT if has_split(request.data, name)), None)
    judged, prefix = examples, "train"
    if split is not None:
        judged, prefix = _examples(request, encoder, split, frames=False)[0], split
    places = np.random.default_rng(0).permutation(len(judged.pairs))[:_MOST_CAPTIONS]
    captions = [judged.pairs[place].caption for place in places]
    views = judged.newest_views()[places]
    found = retrieval(network, target, facts, views, captions)
    return {f"{prefix}_{name}": value for name, value in found.items()}


def _write(
    request: ProjectorRequest, encoder: SoundViews, network: Projector | SonicProjector,
    target: Target, figures: dict[str, Any],
) -> None:  # fmt: skip
    plan = network.plan
    card = AdapterCard(
        "projector", encoder.name, plan.input_width, plan.target, target.family,
        {**plan.settings(), "stage": request.plan.stage}, figures,
    )  # fmt: skip
    unet = target.adapter_tensors() if request.plan.stage > 1 else {}
    save_projector(
        projector_file(request.work, request.plan.stage), card, network.state_dict(), unet
    )


def with_overrides(
    plan: StagePlan, *, steps: int | None, batch: int | None, seed: int
) -> StagePlan:
    """A stage's plan with what was asked for instead."""
    changes: dict[str, int] = {"seed": seed}
    if steps is not None:
        changes["steps"] = steps
    if batch is not None:
        changes["batch"] = batch
    return dataclasses.replace(plan, **changes)
