"""The stage "judge": trains the judge on the painted pictures and writes it as a loadable folder.

judge_pictures/   the pictures, shrunk
judge.safetensors, judge.csv, judge_held_out.csv
sheets/judge.png  what it learns from, worn
judge/            as `load_judge` reads it
"""

from __future__ import annotations

from pathlib import Path

import torch

from engine.scoring.judge import Judge, save_judge
from engine.scoring.judge_network import JudgeConfig, count_parameters
from engine.training.ember.dataset import HALVED_FOLDER, open_pictures
from engine.training.ember.judge import (
    JudgePlan,
    JudgeTrainer,
    held_out_figures,
    look_at_held_out,
)
from engine.training.ember.judge_card import judge_card
from engine.training.ember.judge_pictures import (
    JudgeSource,
    labelled,
    scenes_of,
    shrink_pictures,
    styles_of,
)
from engine.training.ember.metrics import CsvLog, write_pictures
from engine.training.ember.training_loop import run_training

SEED_OFFSET = 7_000
"""The judge draws other numbers than ember does from the same seed."""

_SHOWN = 96


def run_judge(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Train the judge on `out_dir`/pictures_halved, measure it, and write `out_dir`/judge.

    It sees 128x128 pixels, so pictures half as wide are large enough. See
    `engine.training.ember.stages.Stage`.
    """
    torch.set_num_threads(threads)
    files = labelled(open_pictures(out_dir / HALVED_FOLDER))
    if not resume:
        for old in (out_dir / "judge_pictures").glob("*.npy"):
            old.unlink()
    shrunk = shrink_pictures(files, out_dir / "judge_pictures")
    config = JudgeConfig(scenes_of(files), styles_of(files))
    plan = JudgePlan(budget_min)
    if quick:
        plan = JudgePlan(budget_min, max_steps=4, batch=8)
    given_seed, seed = seed, seed + SEED_OFFSET
    source = JudgeSource(files, shrunk, config.scenes, config.styles, seed=seed)
    trainer = JudgeTrainer(config, source, plan, device=device, seed=seed)
    write_pictures(source.batch(0, _SHOWN)[0], out_dir / "sheets" / "judge.png", columns=16)
    run_training(trainer, plan, out_dir / "judge.safetensors", resume=resume, show=lambda: None)
    network = trainer.averaged()
    judge = Judge(network, look_at_held_out(network, files))
    figures = held_out_figures(judge, files, shrunk, seed=seed)
    log = CsvLog(out_dir / "judge_held_out.csv", resume=False)
    for scene, accuracy in figures["by_scene"].items():
        log.write({"scene": scene, "accuracy": accuracy})
    cost = {
        "parameters": count_parameters(network),
        "training_steps": trainer.state.step,
        "training_min": round(trainer.state.seconds / 60, 1),
    }
    figures |= cost
    save_judge(out_dir / "judge", network, judge.reference, figures)
    (out_dir / "judge" / "README.md").write_text(judge_card(config, figures, seed=given_seed))
