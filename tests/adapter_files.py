"""Files of small adapters with random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.mapper_embedding import EmbeddingMapper
from engine.conditioning.mapper_file import save_mapper
from engine.conditioning.mapper_shape import default_shape
from engine.conditioning.projector.network import projector
from engine.conditioning.projector.plan import plan_for
from engine.conditioning.projector.projector_file import save_projector
from engine.conditioning.sound_embedding import TargetSpec

EMBER, OTHER = TargetSpec(8, 256, 256), TargetSpec(77, 768)
VIEW_WIDTH = 24


def write_projector(
    path: Path, seed: int = 0, target: TargetSpec = EMBER, kind: str = "projector",
    encoder: str = "ear", width: int = VIEW_WIDTH, **settings: str,
) -> Path:  # fmt: skip
    """Write a projector of views of 24 numbers; another `kind` is what its card alone says."""
    torch.manual_seed(seed)
    plan = plan_for(width, target, **settings)
    card = AdapterCard(kind, encoder, width, target, "ember", plan.settings())
    save_projector(path, card, projector(plan).state_dict())
    return path


def write_mapper(path: Path, encoder: str, width: int, network: str = "linear") -> Path:
    """Write a mapper for ember."""
    torch.manual_seed(0)
    shape = default_shape(network, EMBER, encoder)
    card = AdapterCard("mapper", encoder, width, EMBER, "ember", shape.settings())
    save_mapper(path, EmbeddingMapper(width, EMBER, shape), card)
    return path
