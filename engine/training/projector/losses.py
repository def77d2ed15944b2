"""What a projector is trained by. All are means, so that batches of any size count alike."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.conditioning.projector.plan import PRIOR

INFO_NCE_TEMPERATURE = 0.07
_SLOPE = 0.1
"""Of the reverse sigmoid, per row."""


def info_nce(
    sounds: Tensor, texts: Tensor, same: Tensor | None = None,
    temperature: float = INFO_NCE_TEMPERATURE,
) -> Tensor:  # fmt: skip
    """Contrast of `sounds` `(b, d)` against `texts` `(b, d)`, both ways; ln(b) by chance.

    `same` `(b, b)` is true where two rows have the same caption: any of them is right, as any of a
    class is in SonicDiffusion.
    """
    likeness = F.normalize(sounds, dim=-1) @ F.normalize(texts, dim=-1).t() / temperature
    if same is None:
        same = torch.eye(len(sounds), dtype=torch.bool, device=sounds.device)

    def one_way(logits: Tensor, right: Tensor) -> Tensor:
        chances = torch.log_softmax(logits, dim=1).masked_fill(~right, -torch.inf)
        return -torch.logsumexp(chances, dim=1).mean()

    return 0.5 * (one_way(likeness, same) + one_way(likeness.t(), same.t()))


def early_rows(rows: int, device: torch.device) -> Tensor:
    """Weight of each row of a long prompt, `(rows,)`, mean 1: the early ones say the most.

    A reverse sigmoid about the middle, after SonicDiffusion.
    """
    place = torch.arange(rows, device=device) - (rows - 1) / 2
    weights = torch.sigmoid(-_SLOPE * place)
    return weights / weights.mean()


def row_error(rows: Tensor, wanted: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean squared error of `(b, n, d)`, each row weighted by `(n,)`."""
    error = (rows - wanted).square().mean(dim=-1)
    return (error if weights is None else error * weights).mean()


def orthogonality(memory: Tensor) -> Tensor:
    """How alike the tokens `(b, n, d)` of one sound are: MSE of their Gram matrix against I."""
    unit = F.normalize(memory, dim=-1)
    gram = unit @ unit.transpose(1, 2)
    return (gram - torch.eye(gram.shape[1], device=gram.device)).square().mean()


def entropy(assignment: Tensor) -> Tensor:
    """Mean entropy of the rows of A `(b, n, 3)`, nats; ln 3 where no token has a level.

    Subtract it to have the levels stay open: CLAP2Diffusion's code returns it as a loss to be
    added, which closes them, and its comments say both.
    """
    return -(assignment * assignment.clamp_min(1e-8).log()).sum(dim=-1).mean()


def prior_divergence(assignment: Tensor) -> Tensor:
    """KL(mean of A || 0.5, 0.3, 0.2): no level takes all tokens."""
    mean = assignment.mean(dim=(0, 1)).clamp_min(1e-8)
    return (mean * (mean / mean.new_tensor(PRIOR)).log()).sum()


def disagreement(first: Tensor, second: Tensor) -> Tensor:
    """1 - cosine of two `(b, n, d)`, row by row: consistency of two hearings of one sound."""
    return (1.0 - F.cosine_similarity(first, second, dim=-1)).mean()


def chance(count: int) -> float:
    """`info_nce` of whoever knows nothing."""
    return math.log(count)
