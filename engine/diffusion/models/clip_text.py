"""`ClipText`: the prompt side of Stable-Diffusion checkpoints, one CLIP encoder or two."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor, nn

from engine.diffusion.bundle import PromptEmbedding
from engine.diffusion.models.components import Parts
from engine.errors import ModelLoadError
from engine.messages import Reading

_SAMPLED = 4096
"""Numbers of each weight that its digest is made of, evenly spread."""

_SETTINGS = ("hidden_act", "layer_norm_eps", "num_attention_heads", "eos_token_id")


class ClipText:
    """Encodes prompts to the last hidden states, or (SDXL) the penultimate ones of two encoders.

    SDXL pools its second encoder, SD 3.x (`pools_all`) both. The encoders stay loaded: fetching
    one back when somebody types a prompt is what makes a show stutter (dotsimulate PR#7).
    Diffusion thread only.
    """

    def __init__(self, parts: Parts, *, xl: bool, pools_all: bool = False) -> None:
        self._xl = xl
        self._pools_all = pools_all
        self._dtype, self._device = parts.dtype, parts.device
        names = [("tokenizer", "text_encoder")]
        if xl:
            names.append(("tokenizer_2", "text_encoder_2"))
        self._encoders = [parts.clip(*pair) for pair in names]
        self._digest = ""

    @property
    def length(self) -> int:
        """Tokens of every prompt: padded, or cut, to so many."""
        return int(self._encoders[0][0].model_max_length)

    @property
    def encoders(self) -> dict[str, nn.Module]:
        """The networks, by the component of the checkpoint they are."""
        names = ("text_encoder", "text_encoder_2")
        return {name: pair[1] for name, pair in zip(names, self._encoders, strict=False)}

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
        slices = self.encoding(text)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                embedding: PromptEmbedding = end.value
                return embedding

    def encoding(self, text: str) -> Generator[None, None, PromptEmbedding]:
        """Encode a prompt one layer a slice (SD-Turbo: 23 of 1.9 GFLOP each)."""
        tokens: list[Tensor] = []
        pooled: list[Tensor] = []
        for ids, (_, encoder) in zip(self._ids(text), self._encoders, strict=True):
            states, summary = yield from self._layers(encoder, ids)
            tokens.append(states)
            if summary is not None:
                pooled.append(summary)
        kept = pooled if self._pools_all else pooled[-1:]
        return PromptEmbedding(
            torch.cat(tokens, dim=-1).to(self._dtype), torch.cat(kept, dim=-1) if kept else None
        )

    def text_key(self, text: str) -> str:
        """Digest of the weights, the number format, what computes, and the pieces of `text`."""
        if not self._digest:
            self._digest = self._weights_digest()
        where = f"{self._device.type} {self._dtype} {torch.__version__}"
        if self._device.type == "cpu":  # sums are split among threads: other last bits
            where += f" {torch.get_num_threads()}"
        key = hashlib.sha256(f"{self._digest} {where} {self._xl}".encode())
        for ids in self._ids(text):
            key.update(ids.numpy().tobytes())
        return key.hexdigest()

    def weights_changed(self) -> None:
        """Know that another digest holds from now on (a LoRA was merged into an encoder)."""
        self._digest = ""

    def reading(self, text: str) -> Reading:
        """CLIP's vocabulary is open, no word is unknown; it reads a limited number of pieces."""
        tokenizer = self._encoders[0][0]
        words = text.split()
        # Words are cut into pieces one by one, so what fits can be counted word by word.
        pieces = [len(tokenizer(word, add_special_tokens=False).input_ids) for word in words]
        room = tokenizer.model_max_length - 2  # it begins and ends with a mark
        read = sum(total <= room for total in itertools.accumulate(pieces))
        return Reading(left_out=len(words) - read)

    def _ids(self, text: str) -> list[Tensor]:
        return [
            tokenizer(
                text, padding="max_length", truncation=True,
                max_length=tokenizer.model_max_length, return_tensors="pt",
            ).input_ids
            for tokenizer, _ in self._encoders
        ]  # fmt: skip

    def _layers(
        self, encoder: Any, ids: Tensor
    ) -> Generator[None, None, tuple[Tensor, Tensor | None]]:
        """What `CLIPTextModel.forward` does (transformers 5.24), with a pause after each layer.

        Returns the states the denoiser attends to and, where SDXL wants one, the pooled vector.
        """
        projection = getattr(encoder, "text_projection", None)
        inner = encoder.text_model if projection is not None else encoder
        summarised = self._xl and projection is not None
        layers = list(inner.encoder.layers)
        if self._xl and not summarised:
            layers.pop()  # nobody looks at what it makes
        states = before = inner.embeddings(input_ids=ids.to(self._device))
        for layer in layers:
            before = states
            states = layer(states, None, is_causal=True)
            yield
        if self._xl and not summarised:
            return states, None
        last = inner.final_layer_norm(states)
        if not summarised or projection is None:
            return last, None
        return before, projection(last[:, _end_of(ids, inner.eos_token_id)])

    def _weights_digest(self) -> str:
        """A digest of evenly spread samples: of a gigabyte, which no start should wait for."""
        digest = hashlib.sha256()
        for _, encoder in self._encoders:
            for name, weight in encoder.state_dict().items():
                flat = weight.detach().reshape(-1)
                step = max(1, flat.numel() // _SAMPLED)
                sample = flat[::step].float().cpu()
                digest.update(f"{name} {tuple(weight.shape)} {weight.dtype} ".encode())
                digest.update(sample.numpy().tobytes())
            digest.update(repr([getattr(encoder.config, name) for name in _SETTINGS]).encode())
        return digest.hexdigest()


def _end_of(ids: Tensor, eos_token_id: int) -> int:
    """Place of the mark that ends the prompt, whose state stands for the whole.

    Checkpoints from before transformers PR#24773 name 2 as their end; theirs is the largest id.
    """
    row = ids[0].int()  # on the CPU: nobody waits for a device
    found = row.argmax() if eos_token_id == 2 else (row == eos_token_id).int().argmax()
    return int(found)


def check_width(checkpoint: str, reader: str, found: int, wanted: int) -> None:
    """Raise `ModelLoadError` where the text encoders' width is not what the denoiser reads."""
    if found != wanted:
        raise ModelLoadError(
            f"{checkpoint}: its text is {found} numbers wide and its {reader} reads {wanted}: "
            "they are of different checkpoints; fetch it again"
        )
