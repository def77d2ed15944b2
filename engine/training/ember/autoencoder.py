"""Trains the autoencoder on painted pictures.

Loss: absolute error at four scales, weighted towards small details that L1 alone forgets (stars,
windows, lightning), plus absolute error of the gradients. A penalty
holds the latents at zero mean and unit variance per channel; noise is added so that the decoder
tolerates what a flow network draws; and a share of each batch goes round twice through a
slight warp, as it will in the feedback loop.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from engine.diffusion.models.ember.autoencoder import (
    LATENT_CHANNELS,
    AutoencoderConfig,
    Decoder,
    Encoder,
)
from engine.training.ember.checkpoint import TrainState, averaged_weights
from engine.training.ember.dataset import CropSource, PictureFile, to_tensor
from engine.training.ember.metrics import CsvLog, mean_by, psnr_db, write_pictures
from engine.training.ember.number_format import fast_numbers

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AutoencoderPlan:
    """How long and how to train."""

    budget_min: float
    max_steps: int | None = None
    batch: int = 8
    crop_px: int = 256
    learning_rate: float = 1e-3
    warm_up: int = 200
    round_trip_share: float = 0.25
    latent_noise: float = 0.08
    moment_weight: float = 0.02
    save_every_s: float = 120.0
    sheet_every_s: float = 300.0


class FirstNorm(nn.Module):
    """Divides each channel by the statistics of the first batches it has seen.

    Statistics that went on moving could be chased by the encoder for ever, and those of each batch
    would take its brightness out of the latents; later a penalty holds the moments.
    """

    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(self, channels: int, batches: int = 20) -> None:
        super().__init__()
        self._batches = batches
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(b, channels, h, w)`."""
        seen = int(self.seen)
        if self.training and seen < self._batches:
            with torch.no_grad():
                self.mean.lerp_(x.mean(dim=(0, 2, 3)), 1 / (1 + seen))
                self.variance.lerp_(x.var(dim=(0, 2, 3)), 1 / (1 + seen))
                self.seen += 1
        return (x - self.mean[None, :, None, None]) * self.variance[None, :, None, None].rsqrt()


class TrainedAutoencoder(nn.Module):
    """Encoder, normalisation and decoder as they are trained together."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.norm = FirstNorm(LATENT_CHANNELS)

    def encode(self, pictures: Tensor) -> Tensor:
        """Normalised latents."""
        latents: Tensor = self.norm(self.encoder(pictures).float())
        return latents


def train_autoencoder(
    files: list[PictureFile],
    out: Path,
    plan: AutoencoderPlan,
    *,
    device: str,
    seed: int,
    resume: bool,
) -> Path:
    """Train until the plan's budget or steps are spent; return the checkpoint."""
    torch.manual_seed(seed)
    network = TrainedAutoencoder(AutoencoderConfig()).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), plan.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4
    )
    state = TrainState(network, optimiser, decay=0.998)
    path = out / "autoencoder.safetensors"
    resume = resume and path.exists()
    if resume:
        state.restore(path)
    log = CsvLog(out / "autoencoder.csv", resume=resume)
    source = CropSource(files, plan.crop_px, seed=seed)
    clock = _Clock(plan, state)
    with tqdm(initial=state.step, desc="autoencoder", unit="step", disable=None) as bar:
        while not clock.done():
            figures = _step(network, state, source, plan, clock.share(), device, seed)
            bar.update()
            if state.step % 50 == 0:
                bar.set_postfix(loss=f"{figures['loss']:.4f}")
                log.write({"step": state.step, "seconds": state.seconds, **figures})
            if clock.due("save", plan.save_every_s):
                state.save(path, {"stage": "autoencoder"})
            if clock.due("sheet", plan.sheet_every_s):
                _report(state, files, out, device)
    state.save(path, {"stage": "autoencoder"})
    _report(state, files, out, device)
    return path


def load_autoencoder(path: Path) -> tuple[AutoencoderConfig, TrainedAutoencoder]:
    """Averaged weights of a checkpoint, normalisation in the configuration and in the network."""
    state = averaged_weights(path)
    network = TrainedAutoencoder(AutoencoderConfig())
    network.load_state_dict(state)
    config = replace(
        AutoencoderConfig(),
        latents_mean=tuple(network.norm.mean.tolist()),
        latents_std=tuple(network.norm.variance.sqrt().tolist()),
    )
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return config, network.eval().requires_grad_(False)


def measure(
    network: TrainedAutoencoder, files: list[PictureFile], *, device: str, per_scene: int = 2
) -> tuple[dict[str, float], list[Tensor]]:
    """Mean PSNR in dB per scene on held-out pictures, and originals above reconstructions."""
    figures: list[float] = []
    names: list[str] = []
    shown: list[Tensor] = []
    network.eval()
    with torch.inference_mode():
        for file in (file for file in files if file.shape == "square"):
            rows = file.held_out_rows()[:per_scene]
            if not len(rows):
                continue
            pictures = to_tensor(np.asarray(file.pictures[rows])).to(device)
            again = network.decoder(network.encode(pictures)).float()
            figures += psnr_db(again, pictures).tolist()
            names += [file.scene] * len(rows)
            shown.append(torch.stack([pictures[0], again[0].clamp(-1, 1)]).cpu())
    network.train()
    return mean_by(figures, names), shown


def warp(pictures: Tensor, generator: torch.Generator, mode: str, strength: float = 1) -> Tensor:
    """Zoom by up to 4 %, turn by up to 2 degrees and shift slightly, per picture."""
    grid = warp_grid(len(pictures), generator, pictures.shape[2:], strength).to(pictures.device)
    return F.grid_sample(pictures, grid, mode=mode, padding_mode="reflection", align_corners=False)


def warp_grid(count: int, generator: torch.Generator, size: torch.Size, strength: float) -> Tensor:
    """Sampling grid `(count, h, w, 2)` of a random slight affine motion."""
    zoom = 1 - strength * 0.04 * torch.rand(count, generator=generator)
    turn = strength * 0.07 * (torch.rand(count, generator=generator) - 0.5)
    shift = strength * 0.02 * (torch.rand(count, 2, generator=generator) - 0.5)
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    rows = torch.stack(
        [torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1
    )
    return F.affine_grid(rows, [count, 3, *size], align_corners=False)


def _step(
    network: TrainedAutoencoder,
    state: TrainState,
    source: CropSource,
    plan: AutoencoderPlan,
    share: float,
    device: str,
    seed: int,
) -> dict[str, float]:
    """One optimiser step on one batch."""
    began = time.perf_counter()
    pictures = source.batch(state.step, plan.batch).to(device)
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed * 1_000_003 + state.step)
    warm = min(1.0, (state.step + 1) / plan.warm_up)
    state.set_rate(plan.learning_rate * warm * min(1.0, (1 - share) / 0.5 + 0.02))
    with fast_numbers(device):
        latents = network.encode(pictures)
        sigma = plan.latent_noise * torch.rand(plan.batch, 1, 1, 1, generator=generator)
        noise = sigma * torch.randn(latents.shape, generator=generator)
        first = network.decoder(latents + noise.to(device)).float()
        loss, detail = picture_loss(first, pictures)
        again = max(1, round(plan.batch * plan.round_trip_share))
        same = generator.get_state()
        moved = warp(first[:again].clamp(-1, 1), generator, "bilinear")
        generator.set_state(same)
        with torch.no_grad():
            target = warp(pictures[:again], generator, "bicubic").clamp(-1, 1)
        second = network.decoder(network.encode(moved)).float()
        loop, _ = picture_loss(second, target)
    total = loss + plan.round_trip_share * loop + plan.moment_weight * moments(latents)
    norm = state.learn(total)
    state.spend(time.perf_counter() - began)
    return {
        "loss": float(loss.detach()),
        "detail": float(detail.detach()),
        "loop": float(loop.detach()),
        "gradient_norm": norm,
        "psnr_db": float(psnr_db(first.detach(), pictures).mean()),
    }


def picture_loss(pictures: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Total loss and its part for details; both pictures `(b, 3, h, w)` in [-1, 1]."""
    error = pictures - targets
    # How far a pixel stands out from its surroundings says how much its error counts.
    with torch.no_grad():
        around = F.interpolate(F.avg_pool2d(targets, 8), scale_factor=8, mode="bilinear")
        focus = 1 + 6 * (targets - around).abs_().mean(dim=1, keepdim=True)
    detail = (error.abs() * focus).mean()
    gradient = _gradient(error, 2).abs().mean() + _gradient(error, 3).abs().mean()
    squared = error.square().mean()
    coarse = torch.zeros((), device=pictures.device)
    for _ in range(3):
        error = F.avg_pool2d(error, 2)
        coarse = coarse + error.abs().mean()
    return detail + gradient + 0.5 * coarse + 2 * squared, detail


def moments(latents: Tensor) -> Tensor:
    """How far the channels are from zero mean and unit variance; 0 where they are there."""
    variance, mean = torch.var_mean(latents, dim=(0, 2, 3))
    return mean.square().mean() + variance.clamp_min(1e-4).log().square().mean()


def _gradient(x: Tensor, dim: int) -> Tensor:
    return x.diff(dim=dim)


def _report(state: TrainState, files: list[PictureFile], out: Path, device: str) -> None:
    """Contact sheet and PSNR of the averaged weights on held-out pictures."""
    network = TrainedAutoencoder(AutoencoderConfig())
    network.load_state_dict(state.averaged_state())
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    by_scene, shown = measure(network, files, device=device)
    if not by_scene:
        return
    mean = sum(by_scene.values()) / len(by_scene)
    worst = sorted(by_scene.items(), key=lambda item: item[1])[:6]
    logger.info("step %d: held-out PSNR %.2f dB, lowest %s", state.step, mean, worst)
    log = CsvLog(out / "autoencoder_psnr.csv", resume=True)
    log.write(
        {"step": state.step, "mean_db": mean, "lowest": worst[0][0], "lowest_db": worst[0][1]}
    )
    columns = 8
    rows: list[Tensor] = []
    for first in range(0, min(len(shown), 64), columns):
        group = torch.stack(shown[first : first + columns])  # (columns, 2, 3, h, w)
        blank = group.new_ones(columns - len(group), *group.shape[1:])
        rows.append(torch.cat([group, blank]).transpose(0, 1).flatten(0, 1))
    path = out / "sheets" / f"autoencoder_{state.step:06d}.png"
    write_pictures(torch.cat(rows), path, columns=columns)


class _Clock:
    """How much of the plan is spent, and what is due again."""

    def __init__(self, plan: AutoencoderPlan, state: TrainState) -> None:
        self._plan = plan
        self._state = state
        self._last: dict[str, float] = {}

    def share(self) -> float:
        """Spent share of the plan in [0, 1]: of the steps where they are given, else of time."""
        if self._plan.max_steps is not None:
            return min(1.0, self._state.step / self._plan.max_steps)
        return min(1.0, self._state.seconds / (60 * self._plan.budget_min))

    def done(self) -> bool:
        """Whether the plan is spent."""
        return self.share() >= 1

    def due(self, what: str, every_s: float) -> bool:
        """Whether `every_s` of training went by since this was last due."""
        last = self._last.setdefault(what, self._state.seconds)
        if self._state.seconds - last < every_s:
            return False
        self._last[what] = self._state.seconds
        return True
