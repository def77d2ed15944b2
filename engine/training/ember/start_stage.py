"""The stage "start": begins a run with the weights that ship instead of with nothing.

autoencoder.safetensors     the shipped one, as if this run had trained it
start/                      flow.safetensors and text/, which the stage "flow" begins with
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from engine.diffusion.models.ember.bundle import ember_folder
from engine.diffusion.models.ember.weights import read_parts
from engine.training.ember.checkpoint import save_checkpoint


def run_start(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Write what the shipped ember knows into `out_dir`. See `engine.training.ember.stages.Stage`.

    Leaves a run alone that has an autoencoder of its own, when it is to `resume`.
    """
    path = out_dir / "autoencoder.safetensors"
    if resume and path.exists():
        return
    folder = ember_folder()
    parts = read_parts(folder)
    config, autoencoder = parts["autoencoder"]
    autoencoder["norm.mean"] = torch.tensor(config["latents_mean"])
    autoencoder["norm.variance"] = torch.tensor(config["latents_std"]).square()
    autoencoder["norm.seen"] = torch.tensor(1 << 30)  # its statistics are known and stay
    _save(path, autoencoder)
    flow = {f"{part}.{k}": v for part in ("unet", "text") for k, v in parts[part][1].items()}
    _save(out_dir / "start" / "flow.safetensors", flow)
    text = out_dir / "start" / "text"
    text.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.txt", "word_table.safetensors"):
        shutil.copyfile(folder / "text" / name, text / name)
    (text / "word_table.json").write_text(json.dumps(parts["text"][0]["word_table"]) + "\n")


def _save(path: Path, weights: dict[str, torch.Tensor]) -> None:
    tensors = {f"network.{k}": v for k, v in weights.items()}
    tensors |= {f"average.{k}": v for k, v in weights.items() if v.is_floating_point()}
    save_checkpoint(path, tensors, {"stage": "start", "step": 0, "seconds": 0.0})
