"""`ClipText`: the prompt side of Stable-Diffusion checkpoints, one CLIP encoder or two."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.models.components import Components
from engine.messages import Reading


class ClipText:
    """Encodes prompts to the last hidden states, or (SDXL) the penultimate ones of two encoders.

    Diffusion thread only.
    """

    def __init__(self, components: Components, *, xl: bool) -> None:
        self._xl = xl
        self._dtype, self._device = components.dtype, components.device
        names = [("tokenizer", "text_encoder")]
        if xl:
            names.append(("tokenizer_2", "text_encoder_2"))
        self._encoders = [components.clip(*pair) for pair in names]

    @property
    def encoders(self) -> dict[str, nn.Module]:
        """The networks, by the component of the checkpoint they are."""
        names = ("text_encoder", "text_encoder_2")
        return {name: pair[1] for name, pair in zip(names, self._encoders, strict=False)}

    def encode(self, text: str) -> PromptEmbedding:
        """Encode a prompt; the empty prompt is the unconditional one."""
        tokens: list[Tensor] = []
        pooled: Tensor | None = None
        for tokenizer, encoder in self._encoders:
            ids = tokenizer(
                text, padding="max_length", truncation=True,
                max_length=tokenizer.model_max_length, return_tensors="pt",
            ).input_ids.to(self._device)  # fmt: skip
            output = encoder(ids, output_hidden_states=self._xl)
            tokens.append(output.hidden_states[-2] if self._xl else output[0])
            if self._xl:
                pooled = output[0] if output[0].dim() == 2 else pooled
        return PromptEmbedding(torch.cat(tokens, dim=-1).to(self._dtype), pooled)

    def reading(self, text: str) -> Reading:
        """CLIP's vocabulary is open, no word is unknown; it reads a limited number of pieces."""
        tokenizer = self._encoders[0][0]
        words = text.split()
        # Words are cut into pieces one by one, so what fits can be counted word by word.
        pieces = [len(tokenizer(word, add_special_tokens=False).input_ids) for word in words]
        room = tokenizer.model_max_length - 2  # it begins and ends with a mark
        read = sum(total <= room for total in itertools.accumulate(pieces))
        return Reading(left_out=len(words) - read)
