"""Files of small adapters with random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.projector.network import projector
from engine.conditioning.projector.plan import plan_for
from engine.conditioning.projector.projector_file import save_projector
from engine.conditioning.sound_embedding import TargetSpec

EMBER, OTHER = TargetSpec(8, 256, 256), TargetSpec(77, 768)
VIEW_WIDTH = 24


def write_projector(
    path: Path, seed: int = 0, target: TargetSpec = EMBER, kind: str = "projector"
) -> Path:
    """Write a projector of views of 24 numbers; another `kind` is what its card alone says."""
    torch.manual_seed(seed)
    plan = plan_for(VIEW_WIDTH, target)
    card = AdapterCard(kind, "ear", VIEW_WIDTH, target, "ember", plan.settings())
    save_projector(path, card, projector(plan).state_dict())
    return path
