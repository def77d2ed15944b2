"""Three views of a sound to ten tokens: what stands in front, behind it, and all around.

Sizes and counts as CLAP2Diffusion's (`SoftHierarchicalDecomposition`,
`HierarchicalAudioDecomposition`, `AdaptiveHierarchyWeights`), which cut one vector in three. One
vector holds no three sources, so here every level sees its own view; all three alike give theirs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.conditioning.projector.plan import (
    COLDEST,
    LEVEL_OF_TOKEN,
    LEVEL_TOKENS,
    MEMORY_TOKENS,
    PRIOR,
)

_HEADS = 4
_DROPOUT = 0.1
_COSINE_WEIGHT = 10.0
_LEVELS = len(LEVEL_TOKENS)


class CrossHierarchyAttention(nn.Module):
    """Lets the tokens of all levels look at each other, through a bottleneck."""

    def __init__(self, width: int, bottleneck: int, mlp: float) -> None:
        super().__init__()
        hidden = round(mlp * bottleneck)
        self.down = nn.Linear(width, bottleneck)
        self.norm = nn.LayerNorm(bottleneck)
        self.attention = nn.MultiheadAttention(bottleneck, _HEADS, batch_first=True)
        self.norm_mlp = nn.LayerNorm(bottleneck)
        self.mlp = nn.Sequential(
            nn.Linear(bottleneck, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        self.up = nn.Linear(bottleneck, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(b, n, width)` to the same."""
        h = self.down(tokens)
        seen = self.norm(h)
        h = h + self.attention(seen, seen, seen, need_weights=False)[0]
        h = h + self.mlp(self.norm_mlp(h))
        out: Tensor = tokens + self.up(h)
        return out


class SoftDecomposition(nn.Module):
    """Ten tokens, each of which finds out which level it belongs to.

    512 to 768 with rank 512 and bottleneck 192 has the published 1,232,843 parameters; rank 120
    and bottleneck 64 the "0.3 M" of its README (302,451).
    """

    def __init__(
        self, input_width: int, width: int = 768, rank: int = 512, bottleneck: int = 192
    ) -> None:
        super().__init__()
        self.shared = nn.Sequential(
            nn.Linear(input_width, rank),
            nn.GELU(),
            nn.LayerNorm(rank),
            nn.Dropout(_DROPOUT),
            nn.Linear(rank, width),
        )
        self.token_offsets = nn.Parameter(0.02 * torch.randn(MEMORY_TOKENS, width))
        self.level_anchors = nn.Parameter(torch.randn(_LEVELS, width))
        self.gating = nn.Sequential(
            nn.Linear(width, MEMORY_TOKENS), nn.GELU(), nn.Linear(MEMORY_TOKENS, _LEVELS)
        )
        self.cross = CrossHierarchyAttention(width, bottleneck, 1.5)
        self.norm = nn.LayerNorm(width)

    def forward(self, views: Tensor) -> Tensor:
        """Views `(b, 3, input_width)` to tokens `(b, 10, width)`."""
        tokens = self.shared(views)[:, LEVEL_OF_TOKEN] + self.token_offsets
        out: Tensor = self.norm(self.cross(tokens))
        return out

    def assignment(self, tokens: Tensor, temperature: float = COLDEST) -> Tensor:
        """Which token speaks for which level, `(b, 10, 3)`, rows sum to 1.

        A = softmax((10 cos(token, anchor) + gate(token)) / T).
        """
        nearness = F.normalize(tokens, dim=-1) @ F.normalize(self.level_anchors, dim=-1).t()
        return torch.softmax(
            (_COSINE_WEIGHT * nearness + self.gating(tokens)) / temperature, dim=-1
        )


class RigidDecomposition(nn.Module):
    """A branch for each level; 512 to 768 has the published 10,238,595 parameters."""

    def __init__(self, input_width: int, width: int = 768, bottleneck: int = 192) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Linear(input_width, halves * width // 2),
                nn.GELU(),
                nn.Linear(halves * width // 2, count * width),
            )
            for halves, count in zip((4, 2, 1), LEVEL_TOKENS, strict=True)
        )
        self.scales = nn.Parameter(torch.tensor(PRIOR))
        self.cross = CrossHierarchyAttention(width, bottleneck, 2.0)
        self.norm = nn.LayerNorm(width)
        self._width = width

    def forward(self, views: Tensor) -> Tensor:
        """Views `(b, 3, input_width)` to tokens `(b, 10, width)`."""
        scales = torch.softmax(self.scales, dim=0)
        parts = [
            scales[level] * branch(views[:, level]).view(len(views), -1, self._width)
            for level, branch in enumerate(self.branches)
        ]
        out: Tensor = self.norm(self.cross(torch.cat(parts, dim=1)))
        return out

    def assignment(self, tokens: Tensor, temperature: float = COLDEST) -> Tensor:
        """Fixed: every token belongs to its branch, at any temperature."""
        levels = torch.tensor(LEVEL_OF_TOKEN, device=tokens.device)
        rows = F.one_hot(levels, _LEVELS).to(tokens.dtype)
        return rows.expand(len(tokens), -1, -1)


class AdaptiveHierarchyWeights(nn.Module):
    """How much each level counts in this sound; 3,111 parameters at 512."""

    def __init__(self, input_width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(input_width, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, _LEVELS)
        )

    def forward(self, views: Tensor) -> Tensor:
        """Views `(b, 3, input_width)` to weights `(b, 3)` that sum to 1."""
        return torch.softmax(self.layers(views.mean(dim=1)), dim=-1)
