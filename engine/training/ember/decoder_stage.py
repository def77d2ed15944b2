"""The decoder stage: crisper pictures from the same latents, and how crisp they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from engine.training.ember.autoencoder import TrainedAutoencoder, load_autoencoder
from engine.training.ember.checkpoint import averaged_weights
from engine.training.ember.dataset import CropSource, PictureFile, to_tensor
from engine.training.ember.decoder import DecoderPlan, DecoderTrainer, edges
from engine.training.ember.metrics import CsvLog, psnr_db, write_pictures
from engine.training.ember.repertoire import kind_of, taught_pictures
from engine.training.ember.training_loop import run_training

_SHOWN = 32
_CROP_PX = 192


def run_decoder(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Sharpen the trained decoder on all painted pictures; latents stay as they are.

    Ends with `decoder_held_out.csv`: PSNR in dB and edges (the mean slope per pixel, that of the
    painted pictures being 1) of held-out pictures, of the autoencoder before and after.
    """
    torch.set_num_threads(threads)
    files = taught_pictures(out_dir)
    plan = DecoderPlan(budget_min)
    if quick:
        plan = replace(plan, max_steps=4, batch=2, crop_px=64, critic_alone=1)
    trainer = DecoderTrainer(
        load_autoencoder(out_dir / "autoencoder.safetensors")[1],
        CropSource(files, plan.crop_px, seed=seed),
        plan,
        device=device,
        seed=seed,
    )
    path = out_dir / "decoder.safetensors"

    def show() -> None:
        _write_sheet(trainer, files, out_dir / "sheets" / f"decoder_{trainer.state.step:06d}.png")

    run_training(trainer, plan, path, resume=resume, show=show)
    before = load_autoencoder(out_dir / "autoencoder.safetensors")[1]
    log = CsvLog(out_dir / "decoder_held_out.csv", resume=False)
    for name, network in (("before", before.to(device)), ("after", sharpened(out_dir, device))):
        for row in held_out_crispness(network, files, device):
            log.write({"decoder": name, **row})


def sharpened(out_dir: Path, device: str = "cpu") -> TrainedAutoencoder:
    """The autoencoder of a run, with the decoder of the decoder stage where that was run."""
    network = load_autoencoder(out_dir / "autoencoder.safetensors")[1]
    path = out_dir / "decoder.safetensors"
    if path.exists():
        network.decoder.load_state_dict(averaged_weights(path))
    return network.to(device).eval().requires_grad_(False)


@torch.inference_mode()
def held_out_crispness(
    network: TrainedAutoencoder, files: Sequence[PictureFile], device: str, *, per_file: int = 2
) -> list[dict[str, float | str]]:
    """PSNR in dB and edges of held-out square pictures, one row per kind of the repertoire."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for file in (file for file in files if file.shape == "square"):
        held_out = file.held_out_rows()[:per_file]
        if not len(held_out):
            continue
        pictures = to_tensor(np.asarray(file.pictures[held_out])).to(device)
        again = network.decoder(network.encode(pictures)).float().clamp(-1, 1)
        figures = (float(psnr_db(again, pictures).mean()), float(edges(again) / edges(pictures)))
        rows.setdefault(kind_of(file.scene), []).append(figures)
    means = {kind: np.mean(figures, axis=0) for kind, figures in rows.items()}
    return [
        {"kind": kind, "psnr_db": float(mean[0]), "edges": float(mean[1])}
        for kind, mean in means.items()
    ]


@torch.inference_mode()
def _write_sheet(trainer: DecoderTrainer, files: Sequence[PictureFile], path: Path) -> None:
    """Crops of painted pictures above what is left of them, in their own size."""
    network = trainer.autoencoder
    square = [file for file in files if file.shape == "square"]
    chosen = [square[k * len(square) // _SHOWN] for k in range(min(_SHOWN, len(square)))]
    painted = to_tensor(np.stack([np.asarray(file.pictures[0]) for file in chosen]))
    drawn = [network.decoder(network.encode(x[None].to(trainer.device))).float() for x in painted]
    crops = [x[..., :_CROP_PX, :_CROP_PX].cpu() for x in (painted, torch.cat(drawn))]
    columns = 8
    rows = [x[k : k + columns] for k in range(0, len(painted), columns) for x in crops]
    write_pictures(torch.cat(rows), path, columns=columns, cell_px=crops[0].shape[3])
