"""The sound adapter of ember: projector and gated attention, learnt together, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.encoder_names import EAR
from engine.conditioning.int8_rows import packed
from engine.conditioning.projector.network import Hearing, Projector
from engine.conditioning.projector.plan import plan_for
from engine.conditioning.projector.projector_file import save_projector
from engine.conditioning.sound_embedding import TargetSpec
from engine.diffusion.models.ember.sound_attention import SoundEar, SoundRows
from engine.diffusion.models.ember.unet import FlowUNet
from engine.semantic.views import EAR_WIDTH

ROWS = 8
_NORM = 16.0
"""About the length of ember's own rows, sqrt(256)."""


class SoundAdapter(nn.Module):
    """Views of a sound in, what ember's U-Net hears out."""

    def __init__(self, unet: FlowUNet) -> None:
        super().__init__()
        width = unet.config.text_width
        target = TargetSpec(ROWS, width, width)
        self.plan = plan_for(
            EAR_WIDTH, target, rank=120, bottleneck=64, generator_width=128, generator_layers=1,
            norm=_NORM,
        )  # fmt: skip
        self.projector = Projector(self.plan)
        self.ear = SoundEar(unet.config)
        self.register_buffer("mean", torch.zeros(EAR_WIDTH))
        self.register_buffer("spread", torch.ones(EAR_WIDTH))

    def heard(self, views: Tensor, temperature: float, amount: Tensor) -> SoundRows:
        """What the U-Net hears of views `(b, 3, EAR_WIDTH)`."""
        seen = (views - self.get_buffer("mean")) / self.get_buffer("spread")
        found = self.projector(seen, Hearing(temperature))
        assert found.pooled is not None
        return SoundRows(found.tokens, found.pooled, amount)

    def save(self, path: Path, figures: Mapping[str, Any]) -> None:
        """Write what `load_projector` reads; mean and spread go into the first layers."""
        state = {name: tensor.clone() for name, tensor in self.projector.state_dict().items()}
        mean, spread = self.get_buffer("mean"), self.get_buffer("spread")
        scaled = ("decomposer.shared.0", "weights.layers.0")
        for layer in scaled:
            weight = state[f"{layer}.weight"] / spread
            state[f"{layer}.bias"] = state[f"{layer}.bias"] - weight @ mean
            state[f"{layer}.weight"] = weight
        card = AdapterCard(
            "projector", EAR, EAR_WIDTH, self.plan.target, "ember", self.plan.settings(),
            dict(figures),
        )  # fmt: skip
        few = packed(state, [f"{layer}.weight" for layer in scaled])
        save_projector(path, card, few, packed(self.ear.state_dict()))
