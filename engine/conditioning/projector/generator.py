"""Ten tokens to the rows of a prompt.

Sizes and counts as CLAP2Diffusion's `AudioProjectionTransformer77` (2,604,800 parameters with
width 256 and 4 layers, 2,249,280 with 320 and 2: the "2.2 M" of its README) and `AudioAdapter`
(16,510,464 from a vector of 512 to 16 rows).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.conditioning.projector.spread import spread

_HEADS = 8


class _DecoderLayer(nn.Module):
    """Learned queries look at the memory; queries are placed anew in every layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, _HEADS, batch_first=True)
        self.norm_seen = nn.LayerNorm(width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, place: Tensor, memory: Tensor) -> Tensor:
        # The memory is not normalised: how long its rows are says how much they count.
        seen = self.attention(self.norm(x) + place, memory, memory, need_weights=False)[0]
        x = x + self.norm_seen(seen)
        out: Tensor = x + self.mlp(self.norm_mlp(x))
        return out


class ProjectionTransformer(nn.Module):
    """A Perceiver decoder: one learned query per row of the prompt."""

    def __init__(
        self,
        memory_width: int = 768,
        tokens: int = 77,
        out_width: int = 768,
        width: int = 320,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.memory_in = nn.Linear(memory_width, width)
        self.queries = spread(0.02, tokens, width)
        self.places = spread(0.02, tokens, width)
        self.layers = nn.ModuleList(_DecoderLayer(width) for _ in range(layers))
        self.out_proj = nn.Linear(width, out_width)
        self.out_places = spread(0.02, tokens, out_width)
        self.out_norm = nn.LayerNorm(out_width)

    def forward(self, memory: Tensor) -> Tensor:
        """Memory `(b, m, memory_width)` to rows `(b, tokens, out_width)`."""
        memory = self.memory_in(memory)
        x = self.queries.expand(len(memory), -1, -1)
        for layer in self.layers:
            x = layer(x, self.places, memory)
        out: Tensor = self.out_norm(self.out_proj(x) + self.out_places)
        return out

    def last_layers(self) -> list[nn.Module]:
        """What the last stage of training still moves."""
        return [self.out_proj, self.out_norm]


class SelfAttentionGenerator(nn.Module):
    """Queries that a vector scales and shifts, then four self-attentions over them."""

    def __init__(
        self,
        input_width: int = 512,
        tokens: int = 16,
        width: int = 768,
        layers: int = 4,
        hidden: int = 256,
    ) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(input_width)
        self.bend = nn.Sequential(
            nn.Linear(input_width, hidden),
            nn.GELU(),
            nn.LayerNorm(hidden),
            nn.Linear(hidden, 2 * tokens * width),
        )
        self.queries = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.norm_start = nn.LayerNorm(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.attentions = nn.ModuleList(
            nn.MultiheadAttention(width, _HEADS, batch_first=True) for _ in range(layers)
        )
        self.output_proj = nn.Linear(width, width)
        self.out_norm = nn.LayerNorm(width)

    def forward(self, vector: Tensor) -> Tensor:
        """A vector `(b, input_width)` to rows `(b, tokens, width)`."""
        bent = self.bend(self.norm_in(vector)).view(len(vector), 2, *self.queries.shape)
        x = self.norm_start(self.queries * (1.0 + bent[:, 0]) + bent[:, 1])
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            seen = norm(x)
            x = x + attention(seen, seen, seen, need_weights=False)[0]
        out: Tensor = self.out_norm(self.output_proj(x))
        return out

    def last_layers(self) -> list[nn.Module]:
        """What the last stage of training still moves."""
        return [self.output_proj, self.out_norm]
