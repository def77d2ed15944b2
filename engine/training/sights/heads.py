"""Trains `SoundHeads`: softmax regression on what the judge's network sees in painted pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from engine.scoring.sound_heads import heads_metadata
from engine.training.ember.dataset import HELD_OUT
from engine.training.sights.pictures import Sights

_STEPS = 500
_RATE = 1e-2
_DECAY = 0.05


def train_heads(sights: Sights, path: Path, *, seed: int) -> dict[str, float]:
    """Train on most pictures, measure on the rest, write to `path`; return the figures.

    `sound` and `scene` are the shares of held-out pictures in which the right one comes first,
    `sound in 3` and `scene in 3` among the first three.
    """
    torch.manual_seed(seed)
    rows = np.arange(len(sights.labels))
    held = torch.from_numpy(rows // 3 % HELD_OUT == HELD_OUT - 1)
    features = torch.from_numpy(sights.features.astype(np.float32))
    mean, spread = features[~held].mean(dim=0), features[~held].std(dim=0) + 1e-3
    seen = (features - mean) / spread
    tensors, figures = {"mean": mean, "spread": spread}, {}
    names = {}
    for what, texts in (("sound", sights.labels), ("scene", sights.scenes)):
        names[what] = tuple(sorted(set(texts)))
        wanted = _indices(texts, names[what])
        head = _fitted(seen[~held], wanted[~held], len(names[what]))
        tensors |= {f"{what}s.weight": head.weight.detach(), f"{what}s.bias": head.bias.detach()}
        ranks = _ranks(head(seen[held]).detach(), wanted[held])
        figures[what] = float((ranks < 1).float().mean())
        figures[f"{what} in 3"] = float((ranks < 3).float().mean())
    path.parent.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    save_file(half, path, metadata=heads_metadata(names["sound"], names["scene"]))
    return figures


def _indices(texts: Sequence[str], names: tuple[str, ...]) -> Tensor:
    return torch.tensor([names.index(text) for text in texts])


def _fitted(seen: Tensor, wanted: Tensor, classes: int) -> nn.Linear:
    head = nn.Linear(seen.shape[1], classes)
    optimiser = torch.optim.AdamW(head.parameters(), _RATE, weight_decay=_DECAY)
    for _ in range(_STEPS):
        loss = F.cross_entropy(head(seen), wanted)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return head


def _ranks(scores: Tensor, wanted: Tensor) -> Tensor:
    return (scores > scores.gather(1, wanted[:, None])).sum(dim=1)
