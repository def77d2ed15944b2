"""Prompts to what the flow network hears: a few slots and one vector for the whole.

Word vectors come from the static `WordTable`; a small transformer adds what order says ("a boat
under northern lights") and gathers it in slots, as in Perceiver (Jaegle et al. 2021). A slot means
the same in every prompt, however long, so two prompts are compared and blended slot by slot, which
words in their order cannot be. The empty prompt is the unconditional one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.conditioning.projector.spread import spread
from engine.conditioning.word_table import MAX_WORDS, UnknownWord, WordTable

_SLOT_SPREAD = 0.5
"""Far enough apart that each slot asks the words something else from the first step on."""


@dataclass(frozen=True, slots=True)
class TextConfig:
    """Sizes of the transformer on top of the word table."""

    word_width: int = 240
    width: int = 256
    layers: int = 2
    heads: int = 4
    slots: int = 8


@dataclass(frozen=True, slots=True)
class TextEmbedding:
    """What the flow network attends to; prompts are blended by blending both, element by element.

    `tokens` has shape `(b, slots, width)`; `pooled` `(b, width)`.
    """

    tokens: Tensor
    pooled: Tensor


class _Layer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        b, n, c = x.shape
        qkv = self.qkv(self.norm(x)).reshape(b, n, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=keep)
        x = x + self.out(h.transpose(1, 2).reshape(b, n, c))
        out: Tensor = x + self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(x))))
        return out


class TextEncoder(nn.Module):
    """Word vectors to slots and a pooled vector."""

    def __init__(self, config: TextConfig, table: WordTable | None = None) -> None:
        super().__init__()
        if table is not None and table.width != config.word_width:
            raise ValueError(f"word table is {table.width} wide, {config.word_width} expected")
        self.config = config
        self.table = table
        self.word_in = nn.Linear(config.word_width, config.width)
        self.theme_in = nn.Linear(config.word_width, config.width)
        self.slot_theme_in = nn.Linear(config.word_width, config.slots * config.width)
        self.start = spread(0.02, config.width)
        self.slots = spread(_SLOT_SPREAD, config.slots, config.width)
        self.position = spread(0.02, MAX_WORDS + 1, config.width)
        self.layers = nn.ModuleList(
            _Layer(config.width, config.heads) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return `tokens` `(b, slots, width)` and `pooled` `(b, width)`.

        `words` has shape `(b, n, word_width)`, n <= 24, zero after the `lengths` `(b,)` words of
        each.
        """
        b, n, _ = words.shape
        slots, width = self.config.slots, self.config.width
        words = words * self.config.word_width**0.5  # unit vectors become unit elements
        heads = torch.cat([(self.start + self.position[0])[None], self.slots])
        x = torch.cat([heads.expand(b, -1, -1), self.word_in(words) + self.position[1 : n + 1]], 1)
        index = torch.arange(-slots, n + 1, device=words.device)
        present = index <= lengths[:, None]  # start and slots are always there
        for layer in self.layers:
            x = layer(x, present[:, None, None, :])
        x = self.norm(x[:, : 1 + slots])
        # The plain sum of the words beside what the transformer makes of them: the theme at once.
        theme = words.sum(dim=1) / (1 + lengths[:, None]).sqrt().to(x.dtype)
        tokens = x[:, 1:] + self.slot_theme_in(theme).view(b, slots, width)
        return tokens, x[:, 0] + self.theme_in(theme)

    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        """Embed prompts; "" is unconditional. Call inside `torch.inference_mode`."""
        words, lengths = self.look_up(prompts)
        parameter = self.start
        tokens, pooled = self(
            torch.from_numpy(words).to(parameter.device, parameter.dtype),
            torch.from_numpy(lengths).to(parameter.device),
        )
        return TextEmbedding(tokens, pooled)

    def look_up(self, prompts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Word vectors `(b, 24, word_width)` float32, zero-padded, and word counts `(b,)`."""
        words = np.zeros((len(prompts), MAX_WORDS, self.config.word_width), np.float32)
        lengths = np.zeros(len(prompts), np.int64)
        for index, prompt in enumerate(prompts):
            vectors = self._words().vectors_of(prompt)
            words[index, : len(vectors)] = vectors
            lengths[index] = len(vectors)
        return words, lengths

    def unknown_words(self, prompt: str) -> list[UnknownWord]:
        """Words that ember never learned, each with the nearest one that it did."""
        return self._words().unknown_words(prompt)

    def _words(self) -> WordTable:
        if self.table is None:
            raise ValueError("this text encoder was built without a word table")
        return self.table
