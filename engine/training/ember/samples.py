"""Contact sheets of what a network draws from one noise per phrase in 1, 2 and 4 calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from engine.training.ember.autoencoder import TrainedAutoencoder
from engine.training.ember.flow import FlowNetwork, sample
from engine.training.ember.metrics import write_pictures
from engine.training.ember.number_format import fast_numbers


def write_samples(
    network: FlowNetwork,
    autoencoder: TrainedAutoencoder,
    prompts: Sequence[str],
    path: Path,
    device: str,
    *,
    size: int = 32,
) -> None:
    """Write the sheet of these prompts to `path`; `size` is that of the latents."""
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn(len(prompts), 16, size, size, generator=generator).to(device)
    columns = 16
    rows: list[Tensor] = []
    with torch.inference_mode(), fast_numbers(device):
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
    write_pictures(torch.cat(rows), path, columns=columns, cell_px=112)
