"""The prompt side of SD 3.x: two CLIP encoders, and T5 where it was fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.models.clip_text import ClipText, check_width
from engine.diffusion.models.components import Components
from engine.diffusion.models.named_errors import named_errors
from engine.weights_file import component_files, read_weights_file

T5_PLACES = 256
"""Tokens of T5's part, as diffusers' pipeline has them; zeros where T5 is absent."""


class Sd3Text:
    """Tokens `(1, 77 + 256, width)` and the pooled `(1, 768 + 1280)` of both CLIP encoders.

    The CLIP tokens, side by side, fill up with zeros to the width of T5's, which follow after
    them (Esser et al. 2024, section B.3). Diffusion thread only.
    """

    def __init__(self, components: Components, width: int) -> None:
        self._width = width
        self._dtype, self._device = components.dtype, components.device
        self._clip = ClipText(components, xl=True, pools_all=True)
        self._t5 = _open_t5(components)

    def encode(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        clip = self._clip.encode(text)
        missing = self._width - clip.tokens.shape[-1]
        tokens = torch.nn.functional.pad(clip.tokens, (0, missing))
        return PromptEmbedding(torch.cat((tokens, self._read_t5(text)), dim=1), clip.pooled)

    def check(self, checkpoint: str, pooled_width: int) -> None:
        """Raise `ModelLoadError` where the transformer reads something else than this."""
        check_width(checkpoint, "transformer", self._clip.pooled_width, pooled_width)
        if self._clip.width > self._width:
            check_width(checkpoint, "transformer", self._clip.width, self._width)

    @property
    def clip(self) -> ClipText:
        """The two CLIP encoders."""
        return self._clip

    @property
    def networks(self) -> list[nn.Module]:
        """All encoders there are."""
        t5 = [] if self._t5 is None else [self._t5[1]]
        return [*self._clip.encoders.values(), *t5]

    def _read_t5(self, text: str) -> Tensor:
        if self._t5 is None:
            return torch.zeros((1, T5_PLACES, self._width), device=self._device, dtype=self._dtype)
        tokenizer, encoder = self._t5
        ids = tokenizer(
            text, padding="max_length", truncation=True, max_length=T5_PLACES, return_tensors="pt"
        ).input_ids.to(self._device)
        tokens: Tensor = encoder(ids)[0]
        return tokens.to(self._dtype)


def has_t5(folder: Path) -> bool:
    """Whether the third text encoder was fetched."""
    return (folder / "text_encoder_3" / "config.json").is_file()


def _open_t5(components: Components) -> tuple[Any, Any] | None:
    folder = components.folder
    if not has_t5(folder):
        return None
    from transformers import AutoTokenizer, T5EncoderModel

    half = components.dtype != torch.float32
    for path in component_files(folder / "text_encoder_3", "model", half=half):
        read_weights_file(path)  # whole?
    with named_errors(components.name, "text_encoder_3"):
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer_3")
        encoder: Any = T5EncoderModel.from_pretrained(
            folder / "text_encoder_3", dtype=components.dtype, use_safetensors=True
        )
    return tokenizer, encoder.to(components.device).eval()
