"""A text bent by sound on its way into a diffusers U-Net: the other way to hear.

CLAP2Diffusion's `AudioAttnProcessor`: every cross-attention of a stage (early, mid, late) reads
`text + f sigma(a) M(sound)` with M: 768 -> 64 -> 768, 99,137 parameters per stage. Where the sound
has as many rows as the text, row by row, else by the mean of its rows. Sixty times smaller than
gated attention (`audio_attention.py`), and what it adds is all seen through the text's own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from engine.diffusion.models.audio_attention import audio_blocks, context_width, stage_of
from engine.errors import ModelLoadError

_HIDDEN = 64
_STAGES = 3
PREFIX = "bend."
"""How names of its weights begin in a file."""


class TextBend(nn.Module):
    """What one stage's texts are bent by."""

    def __init__(self, width: int = 768, hidden: int = _HIDDEN) -> None:
        super().__init__()
        last = nn.Linear(hidden, width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), last)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows of sound `(b, n, width)` to what is added to a text."""
        added: Tensor = torch.sigmoid(self.alpha) * self.layers(rows)
        return added


class BentText(nn.Module):
    """All cross-attentions of one U-Net, with texts that sound has bent. Diffusion thread only.

    Used as `AudioAttention` is. The U-Net must compute keys and values from its tokens itself: of
    keys that were made once per prompt nothing can be bent.
    """

    def __init__(self, unet: Any, routing: str = "published") -> None:
        """Put hooks into `unet`. Raises `ModelLoadError` for a U-Net of another kind."""
        super().__init__()
        blocks = audio_blocks(unet, ("down", "mid", "up"))
        weight = next(unet.parameters())
        self.context_width = context_width(blocks)
        self._bends = tuple(TextBend(self.context_width) for _ in range(_STAGES))
        self.stages = nn.ModuleList(self._bends)
        self.stages.to(weight.device, weight.dtype)
        self._added: list[Tensor] = []
        self._heard: object = None
        self._strength = torch.ones((), device=weight.device, dtype=weight.dtype)
        self._hooks = [
            block.attn2.register_forward_pre_hook(
                self._bend_at(stage_of(name, routing)), with_kwargs=True
            )
            for name, block in blocks.items()
        ]

    def named_tensors(self) -> dict[str, Tensor]:
        """All weights, `bend.<stage>...`."""
        return {f"{PREFIX}{name}": tensor for name, tensor in self.stages.state_dict().items()}

    def load(self, tensors: Mapping[str, Tensor], where: str) -> None:
        """Take weights by those names. Raises `ModelLoadError`."""
        own = self.named_tensors()
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if shapes != {name: tuple(tensor.shape) for name, tensor in own.items()}:
            raise ModelLoadError(
                f"{where} bends texts of another model (this one's are {self.context_width} "
                "wide): choose one made for this model, or train one with 'sonolume train "
                "projector --target MODEL --insertion bend'"
            )
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(tensors[name])
        self._heard = None

    @torch.no_grad()
    def hear(self, stages: Tensor | None, silence: Tensor | None = None) -> None:
        """Have the next calls hear `stages` `(3, n, context_width)`; None: the plain U-Net."""
        if stages is None:
            self._heard, self._added = None, []
            return
        if stages is self._heard:
            return
        pair = torch.stack((stages, stages if silence is None else silence)).to(self._strength)
        added = [bend(pair[:, stage]) for stage, bend in enumerate(self._bends)]
        if self._added and self._added[0].shape == added[0].shape:
            for place, new in zip(self._added, added, strict=True):
                place.copy_(new)
        else:
            self._added = added
        self._heard = stages

    @torch.no_grad()
    def weigh(self, strength: float) -> None:
        """How loud the sound is from now on; 0 is the plain U-Net, to the last bit."""
        self._strength.fill_(strength)

    def teach(self, stages: Tensor) -> None:
        """Have the next call hear `stages` `(b, 3, n, context_width)`, one sound per picture."""
        self._heard = None
        self._added = [bend(stages[:, stage]) for stage, bend in enumerate(self._bends)]

    def withdraw(self) -> None:
        """Leave the U-Net as it was."""
        for hook in self._hooks:
            hook.remove()

    def last_layers(self) -> list[nn.Module]:
        """What the last stage of training still moves."""
        return [bend.layers[2] for bend in self._bends]

    def _bend_at(self, stage: int) -> Any:
        def bend(
            _attention: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
            if not self._added:
                return None
            text = named["encoder_hidden_states"]
            added = self._added[stage][: len(text)]
            if added.shape[1] != text.shape[1]:
                added = added.mean(dim=1, keepdim=True)
            return inputs, {**named, "encoder_hidden_states": text + self._strength * added}

        return bend
