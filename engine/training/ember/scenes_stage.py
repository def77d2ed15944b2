"""The stage "scenes": paints the data set, one file per entry of the repertoire and shape.

pictures/, pictures_halved/     what `engine.training.ember.dataset` describes
sheets/                         scenes.png, styles.png, compositions.png
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from engine.training.ember.dataset import (
    FOLDER,
    HALVED_FOLDER,
    PictureFile,
    open_pictures,
    paint_file,
    to_tensor,
)
from engine.training.ember.metrics import write_pictures
from engine.training.ember.repertoire import (
    PICTURES,
    PICTURES_HALVED,
    Kind,
    kind_of,
    repertoire,
)

_QUICK_PICTURES = {"square": 12}
_QUICK_SCALE = 0.25
_QUICK_SCENES: dict[Kind, int] = {"plain": 3, "styled": 1, "composed": 1}
_KINDS: tuple[Kind, ...] = ("plain", "styled", "composed")
_SHEETS: dict[Kind, tuple[str, int]] = {
    "plain": ("scenes.png", 4),
    "styled": ("styles.png", 4),
    "composed": ("compositions.png", 2),
}
"""File name of a sheet and how many pictures of each file it shows."""

_PaintTask = tuple[str, str, int, Path, int, str, float]


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
    """Paint the data set and its contact sheets. On a CPU, `threads` processes paint.

    See `engine.training.ember.stages.Stage`.
    """
    folder, halved = out_dir / FOLDER, out_dir / HALVED_FOLDER
    if not resume:
        for old in (path for place in (folder, halved) for path in place.glob("*.*")):
            old.unlink()
    tasks = _tasks(halved, PICTURES_HALVED, 0.5, seed, device, quick=quick)
    tasks += _tasks(folder, PICTURES, 1.0, seed, device, quick=quick)
    # Plain scenes first, then styled, composed: a budget that runs out leaves whole kinds.
    tasks.sort(key=lambda task: _KINDS.index(kind_of(task[0])))
    deadline_s = time.monotonic() + 60 * budget_min
    with tqdm(total=len(tasks), desc="scenes", unit="file", disable=None) as bar:
        if device == "cpu" and threads > 1:
            _paint_in_processes(tasks, threads, deadline_s, bar)
        else:
            for task in tasks:
                if time.monotonic() < deadline_s:
                    _paint_task(task)
                    bar.update()
    _write_sheets(open_pictures(folder), out_dir / "sheets")


def _tasks(
    folder: Path,
    counts: Mapping[Kind, Mapping[str, int]],
    scale: float,
    seed: int,
    device: str,
    *,
    quick: bool,
) -> list[_PaintTask]:
    """What there is to paint into `folder`, in pictures of `scale` times the usual sides."""
    names: dict[Kind, list[str]] = {kind: [] for kind in _KINDS}
    for name in repertoire():
        names[kind_of(name)].append(name)
    tasks: list[_PaintTask] = []
    scale *= _QUICK_SCALE if quick else 1.0
    for kind, of_kind in names.items():
        kept = of_kind[: _QUICK_SCENES[kind] if quick else None]
        for shape, count in (_QUICK_PICTURES if quick else counts[kind]).items():
            tasks += [(name, shape, count, folder, seed, device, scale) for name in kept]
    return tasks


def _paint_task(task: _PaintTask) -> None:
    """Paint one file; the scene goes by name because painters cannot always be pickled."""
    name, shape, count, folder, seed, device, scale = task
    paint_file(repertoire()[name], shape, count, folder, seed=seed, device=device, scale=scale)


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


def _write_sheets(files: list[PictureFile], folder: Path) -> None:
    """One sheet for each kind of picture that there is."""
    for kind, (name, count) in _SHEETS.items():
        shown = [
            to_tensor(np.asarray(file.pictures[:count]))
            for file in files
            if file.shape == "square" and kind_of(file.scene) == kind
        ]
        if shown:
            write_pictures(torch.cat(shown), folder / name, columns=16, cell_px=112)
