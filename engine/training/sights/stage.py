"""`sonolume train sights`: ember learns to paint what it hears into what it is told.

    sights.npz            painted pictures of scenes with sounds in them, see `pictures`
    sounds/               what the ear makes of the clips, see `sounds`
    adapter.safetensors   checkpoint, with adapter.csv
    sound/                ember.safetensors and heads.safetensors as they ship

Stages in this order: pictures, heads, adapter. Each goes on where it stopped and depends on
nothing but its arguments, the clips, the shipped ember and judge, and the earlier stages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.diffusion.models.ember.bundle import ember_folder
from engine.diffusion.models.ember.weights import load_ember
from engine.scoring.judge import judge_folder, load_judge
from engine.training.ember.training_loop import run_training
from engine.training.sights.heads import train_heads
from engine.training.sights.pictures import SIDE_PX, open_sights, paint_sights
from engine.training.sights.sounds import prepare_sounds
from engine.training.sights.trainer import SightPlan, SightTrainer

PICTURES = 1600
"""Scenes, three sounds laid into each."""
PER_SOUND = 48
SIGHTS_FILE, ADAPTER_FILE, HEADS_FILE = "sights.npz", "ember.safetensors", "heads.safetensors"


@dataclass(frozen=True, slots=True)
class SightsRequest:
    """What to train from and for how long."""

    data: Path | None
    """Folder of licensed clips with their table; only the adapter hears them."""
    out_dir: Path
    budget_min: float
    resume: bool = False
    seed: int = 0
    threads: int = 1
    quick: bool = False
    """Shrinks everything to seconds, for tests."""


def run_pictures(request: SightsRequest) -> dict[str, float]:
    """Paint the pictures; returns how many there are."""
    torch.set_num_threads(request.threads)
    path = request.out_dir / SIGHTS_FILE
    if not (request.resume and path.exists()):
        count, side_px = (2, 128) if request.quick else (PICTURES, SIDE_PX)
        network = load_judge(judge_folder()).network
        paint_sights(path, count, network, seed=request.seed, side_px=side_px)
    return {"pictures": float(len(open_sights(path).labels))}


def run_heads(request: SightsRequest) -> dict[str, float]:
    """Train the judge's heads; returns how often they are right on held-out pictures."""
    torch.set_num_threads(request.threads)
    sights = open_sights(request.out_dir / SIGHTS_FILE)
    return train_heads(sights, request.out_dir / "sound" / HEADS_FILE, seed=request.seed)


def run_adapter(request: SightsRequest) -> dict[str, float]:
    """Train projector and attention; returns the loss of the last steps."""
    assert request.data is not None
    torch.set_num_threads(request.threads)
    sounds = prepare_sounds(
        request.data, request.out_dir / "sounds", seed=request.seed,
        per_sound=1 if request.quick else PER_SOUND,
    )  # fmt: skip
    ember = load_ember(ember_folder(), "cpu", torch.float32)
    plan = SightPlan(request.budget_min)
    if request.quick:
        plan = SightPlan(request.budget_min, max_steps=3, batch=2, batch_large=2)
    trainer = SightTrainer(ember, sounds, plan, seed=request.seed)
    checkpoint = request.out_dir / "adapter.safetensors"
    run_training(trainer, plan, checkpoint, resume=request.resume, show=lambda: None)
    figures = {
        "steps": float(trainer.state.step),
        "minutes": round(trainer.state.seconds / 60.0, 1),
        "windows": float(len(sounds.labels)),
    }
    trainer.averaged().save(request.out_dir / "sound" / ADAPTER_FILE, figures)
    return figures


STAGES: Mapping[str, Callable[[SightsRequest], dict[str, float]]] = {
    "pictures": run_pictures, "heads": run_heads, "adapter": run_adapter,
}  # fmt: skip
"""In the order in which they build on each other."""
