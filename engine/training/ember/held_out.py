"""How well the flow network predicts pictures that it never saw, and whether it reads captions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from engine.training.ember.dataset import HELD_OUT
from engine.training.ember.flow import FlowNetwork
from engine.training.ember.latents import LatentFile, LatentSource

TIMES = (1.0, 0.7, 0.4)
_BATCH = 32


def held_out_files(files: Sequence[LatentFile]) -> list[LatentFile]:
    """The same latents with the rows that training left out."""
    kept = []
    for file in files:
        rows = np.arange(file.latents.shape[1], dtype=np.int64)
        rows = rows[rows % HELD_OUT == HELD_OUT - 1]
        if len(rows):
            kept.append(dataclasses.replace(file, rows=rows))
    return kept


@torch.inference_mode()
def held_out_losses(
    network: FlowNetwork, files: Sequence[LatentFile], *, device: str, seed: int, batches: int = 8
) -> list[dict[str, float]]:
    """Mean squared error of the velocity per time: own caption, another picture's, none."""
    source = LatentSource(held_out_files(files))
    sums = {time: np.zeros(3) for time in TIMES}
    for index in range(batches):
        rng = np.random.default_rng((seed, index))
        batch = source.batch(rng, _BATCH, 0.0)
        clean, prompts = batch.clean, list(batch.plain_prompts)
        generator = torch.Generator().manual_seed(seed + index)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        clean = clean.to(device)
        others = prompts[1:] + prompts[:1]
        embedded = [network.text.encode(texts) for texts in (prompts, others, [""] * len(prompts))]
        for time in TIMES:
            x_t = (1 - time) * clean + time * noise
            t = torch.full((len(clean),), time, device=device)
            for column, words in enumerate(embedded):
                velocity = network.unet(x_t, t, words.tokens, words.pooled)
                sums[time][column] += float((velocity - noise + clean).square().mean()) / batches
    names = ("own_caption", "other_caption", "no_caption")
    return [{"t": time} | dict(zip(names, map(float, sums[time]), strict=True)) for time in TIMES]
