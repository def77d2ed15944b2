"""`sonolume train listener`: clips in, a folder that ships out.

    clips.npz                 power per band of every clip, made once
    fold4.safetensors/csv     checkpoint and figures of training without fold 4; `all` of all folds
    listener_held_out.csv     how often each label is named rightly, fold that was left out
    listener/                 model.safetensors, README.md, ATTRIBUTIONS.md

It depends on nothing but its arguments and the clips. Trained on all folds, the model card repeats
the figures of the run before, of the same recipe, that left one out.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from engine.conditioning.word_table_file import shipped_word_table
from engine.errors import LimitError
from engine.semantic.bank import Bank
from engine.semantic.embedded import LEAST_TAUGHT, TAUGHT_TEMPERATURE
from engine.semantic.log_mel import FRAMES, HOP_S, as_levels
from engine.semantic.text_space import TextSpace
from engine.training.ember.metrics import CsvLog
from engine.training.ember.training_loop import run_training
from engine.training.listener.batches import WindowSource
from engine.training.listener.card import attributions, model_card
from engine.training.listener.clips import (
    CLIP_FRAMES,
    FOLDS,
    ClipTable,
    clip_rows,
    prepare_clips,
    taught_bank,
)
from engine.training.listener.network import TrainableListener, count_parameters, folded
from engine.training.listener.trainer import ListenerPlan, ListenerTrainer, label_directions

PER_SOUND = 48
"""Clips synthesised of every sound."""
_TEST_HOP_S = 1.0
_QUIET_DB = -45.0
"""A test window whose loudest frame is this far below its clip's is not asked about."""


@dataclass(frozen=True, slots=True)
class ListenerRequest:
    """What to train from and for how long."""

    data: Path
    """Folder of licensed clips with their table."""
    out_dir: Path
    budget_min: float
    resume: bool = False
    seed: int = 0
    threads: int = 1
    fold: int = 4
    """This fold is left out and tested on; 0: train on all, as for the weights that ship."""
    quick: bool = False
    """Shrinks everything to seconds, for tests."""


def run_listener(request: ListenerRequest) -> dict[str, float]:
    """Train, test, write; return the figures of the test.

    Raises `TrainingError`, and `LimitError` for a fold that there is not.
    """
    if not 0 <= request.fold <= FOLDS:
        raise LimitError(f"there is no fold {request.fold}: 1 to {FOLDS}, or 0 for none")
    torch.set_num_threads(request.threads)
    per_sound = 1 if request.quick else PER_SOUND
    cache = request.out_dir / "clips.npz"
    clips = prepare_clips(request.data, cache, seed=request.seed, per_sound=per_sound)
    bank, space = taught_bank(), TextSpace(shipped_word_table())
    learned = clips.chosen(clips.fold != request.fold)
    often = [bank.names.index("voice")]
    source = WindowSource(learned, len(bank.labels), often)
    plan = ListenerPlan(request.budget_min)
    if request.quick:
        plan = ListenerPlan(request.budget_min, max_steps=4, batch=4)
    trainer = ListenerTrainer(source, bank, space, plan, seed=request.seed)
    name = f"fold{request.fold}" if request.fold else "all"
    checkpoint = request.out_dir / f"{name}.safetensors"
    run_training(trainer, plan, checkpoint, resume=request.resume, show=lambda: None)
    network = trainer.averaged()
    held_out = request.out_dir / "listener_held_out.csv"
    if request.fold:
        figures = held_out_figures(network, clips.chosen(clips.fold == request.fold), bank, space)
        log = CsvLog(held_out, resume=False)
        for figure, value in figures.items():
            log.write({"figure": figure, "value": value})
    else:
        figures = _figures_before(held_out)
    _write(
        request,
        network,
        label_directions(bank, space),
        figures,
        trainer.state.step,
        trainer.state.seconds / 60.0,
    )
    return figures


@torch.no_grad()
def held_out_figures(
    network: TrainableListener, clips: ClipTable, bank: Bank, space: TextSpace
) -> dict[str, float]:
    """Share of windows (2 s, one a second, quiet ones left out) and of clips named rightly.

    `recorded` and `synthesised` over all labels, then `<label>` per label of recorded clips and
    `<label> synthesised`. A clip is named by the mean of its windows' probabilities. What the
    listener would not speak of, because it is too unlike every label, counts as wrong in
    `recorded, refused ones wrong`; `nothing refused` is how much of what has no label it refuses.
    """
    words = label_directions(bank, space)
    hits: dict[str, list[tuple[float, float]]] = {}
    for row in range(len(clips.label)):
        windows = _test_windows(clips.power_db[row].astype(np.float32))
        cosines = network(torch.from_numpy(windows)) @ words.T
        known = cosines.amax(dim=1) >= LEAST_TAUGHT
        right = int(clips.label[row])
        if right >= len(bank.labels):
            refused = float((~known).float().mean())
            hits.setdefault("nothing refused", []).append((refused, float(refused > 0.5)))
            continue
        named = cosines.argmax(dim=1) == right
        by_window = float(named.float().mean())
        by_clip = float(
            int((cosines / TAUGHT_TEMPERATURE).softmax(dim=1).mean(dim=0).argmax()) == right
        )
        real = bool(clips.recorded[row])
        name = bank.names[right] if real else f"{bank.names[right]} synthesised"
        for key in ("recorded" if real else "synthesised", name):
            hits.setdefault(key, []).append((by_window, by_clip))
        if real:
            spoken = float((named & known).float().mean())
            by_clip *= float(known.float().mean() >= 0.5)
            hits.setdefault("recorded, refused ones wrong", []).append((spoken, by_clip))
    figures: dict[str, float] = {}
    for key in sorted(hits, key=lambda key: (" " in key, key not in ("recorded", "synthesised"))):
        by_window, by_clip = np.mean(hits[key], axis=0)
        figures[f"{key} windows"] = round(float(by_window), 4)
        figures[f"{key} clips"] = round(float(by_clip), 4)
    return figures


def _test_windows(level_db: np.ndarray) -> np.ndarray:
    step = round(_TEST_HOP_S / HOP_S)
    starts = range(0, CLIP_FRAMES - FRAMES + 1, step)
    windows = np.stack([level_db[start : start + FRAMES] for start in starts])
    loud = windows.max(axis=(1, 2)) >= level_db.max() + _QUIET_DB
    return as_levels(np.power(np.float32(10.0), windows[loud] / np.float32(10.0)))


def _figures_before(path: Path) -> dict[str, float]:
    """Figures of an earlier run that left a fold out; none where there was no such run."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["figure"]: float(row["value"]) for row in csv.DictReader(file)}


def _write(
    request: ListenerRequest,
    network: TrainableListener,
    taught: torch.Tensor,
    figures: dict[str, float],
    steps: int,
    minutes: float,
) -> None:
    folder = request.out_dir / "listener"
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.half() for name, tensor in folded(network).items()}
    tensors["taught.directions"] = taught.half()
    save_file(tensors, folder / "model.safetensors", metadata={"format_version": "1"})
    rows = clip_rows(request.data)
    (folder / "ATTRIBUTIONS.md").write_text(attributions(rows), "utf-8")
    facts = {"parameters": count_parameters(network), "steps": steps, "minutes": minutes,
             "seed": request.seed, "fold": request.fold, "clips": len(rows),
             "per_sound": PER_SOUND, "budget": request.budget_min}  # fmt: skip
    (folder / "README.md").write_text(model_card(facts, figures), "utf-8")
