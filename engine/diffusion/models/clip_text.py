"""`ClipText`: the prompt side of Stable-Diffusion checkpoints, one CLIP encoder or two."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.models.components import Parts
from engine.errors import ModelLoadError
from engine.messages import Reading


class ClipText:
    """Encodes prompts to the last hidden states, or (SDXL) the penultimate ones of two encoders.

    SDXL pools its second encoder, SD 3.x (`pools_all`) both. Diffusion thread only.
    """

    def __init__(self, parts: Parts, *, xl: bool, pools_all: bool = False) -> None:
        self._xl = xl
        self._pools_all = pools_all
        self._dtype, self._device = parts.dtype, parts.device
        names = [("tokenizer", "text_encoder")]
        if xl:
            names.append(("tokenizer_2", "text_encoder_2"))
        self._encoders = [parts.clip(*pair) for pair in names]

    @property
    def width(self) -> int:
        """Width of the tokens: of all encoders side by side."""
        return sum(int(encoder.config.hidden_size) for _, encoder in self._encoders)

    @property
    def pooled_width(self) -> int:
        """Width of the pooled outputs of all encoders that have a projection."""
        return sum(
            int(encoder.config.projection_dim)
            for _, encoder in self._encoders
            if hasattr(encoder, "text_projection")
        )

    def encode(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        tokens: list[Tensor] = []
        pooled: list[Tensor] = []
        for tokenizer, encoder in self._encoders:
            ids = tokenizer(
                text, padding="max_length", truncation=True,
                max_length=tokenizer.model_max_length, return_tensors="pt",
            ).input_ids.to(self._device)  # fmt: skip
            output = encoder(ids, output_hidden_states=self._xl)
            tokens.append(output.hidden_states[-2] if self._xl else output[0])
            if self._xl and output[0].dim() == 2:  # only encoders with a projection pool
                pooled.append(output[0])
        kept = pooled if self._pools_all else pooled[-1:]
        return PromptEmbedding(
            torch.cat(tokens, dim=-1).to(self._dtype), torch.cat(kept, dim=-1) if kept else None
        )

    def reading(self, text: str) -> Reading:
        """CLIP's vocabulary is open, no word is unknown; it reads a limited number of pieces."""
        tokenizer = self._encoders[0][0]
        words = text.split()
        # Words are cut into pieces one by one, so what fits can be counted word by word.
        pieces = [len(tokenizer(word, add_special_tokens=False).input_ids) for word in words]
        room = tokenizer.model_max_length - 2  # it begins and ends with a mark
        read = sum(total <= room for total in itertools.accumulate(pieces))
        return Reading(left_out=len(words) - read)


def check_width(checkpoint: str, reader: str, found: int, wanted: int) -> None:
    """Raise `ModelLoadError` where the text encoders' width is not what the denoiser reads."""
    if found != wanted:
        raise ModelLoadError(
            f"{checkpoint}: its text is {found} numbers wide and its {reader} reads {wanted}: "
            "they are of different checkpoints; fetch it again"
        )
