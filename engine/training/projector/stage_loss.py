"""The losses of the three stages, in one module, so that it can be spread over several GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.conditioning.projector.network import Hearing, Projection, Projector, SonicProjector
from engine.conditioning.projector.plan import COLDEST, HOTTEST
from engine.training.projector import losses
from engine.training.projector.targets import Target, Texts

_LONG_PROMPT = 77
"""Rows of CLIP's texts, of which the early ones say the most; ember's slots have no order."""
_JITTER = 0.1
"""Of a view, in its own spread: two hearings of one sound."""

Figures = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What all captions of a data set have in common."""

    mean: Tensor
    """`(n, d)`: taken off before texts are compared, for it is nine tenths of each of them."""
    norm: float
    """How long their rows are."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One batch."""

    views: Tensor
    captions: Sequence[str]
    latents: Tensor | None
    temperature: float
    generator: torch.Generator


class StageLoss(nn.Module):
    """Computes a stage's loss; `network` and the target's adapter are what is trained."""

    def __init__(
        self, stage: int, network: Projector | SonicProjector, target: Target, facts: TextFacts
    ) -> None:
        super().__init__()
        self.network = network
        self.adapter = target.adapter
        self._stage, self._target, self._facts = stage, target, facts

    def forward(self, lesson: Lesson) -> tuple[Tensor, Figures]:
        """The loss of a batch, and its parts."""
        hearing = Hearing(temperature=lesson.temperature)
        if self._stage == 1:
            figures = self._aligned(lesson, hearing)
            loss = figures["info_nce"] + 0.5 * figures["row_error"]
        elif self._stage == 2:
            figures = self._painted(lesson, hearing)
            figures |= self._decomposed(self.network(lesson.views, hearing))
            heat = (lesson.temperature - COLDEST) / (HOTTEST - COLDEST)
            loss = (
                figures["picture"] + 0.1 * figures["orthogonality"] + figures["prior"]
                - 0.01 * heat * figures["entropy"]
            )  # fmt: skip
        else:
            figures = self._painted(lesson, hearing) | self._polished(lesson, hearing)
            loss = (
                2.0 * figures["picture"] + 0.5 * figures["consistency"] + 0.3 * figures["distance"]
            )
        return loss, figures

    def _aligned(self, lesson: Lesson, hearing: Hearing) -> Figures:
        """Rows as the text encoder would have written them for the caption."""
        found = self.network(lesson.views, hearing)
        texts = self._target.read(lesson.captions)
        rows = self._as_text(found.tokens)
        weights = (
            losses.early_rows(rows.shape[1], rows.device)
            if rows.shape[1] >= _LONG_PROMPT
            else None
        )
        same = torch.tensor(
            [[a == b for b in lesson.captions] for a in lesson.captions], device=rows.device
        )
        error = losses.row_error(rows, texts.tokens, weights)
        if found.pooled is not None and texts.pooled is not None:
            error = error + F.mse_loss(found.pooled.float(), texts.pooled)
        nce = losses.info_nce(self._vector(rows), self._vector(texts.tokens), same)
        return {"info_nce": nce, "row_error": error}

    def _painted(self, lesson: Lesson, hearing: Hearing) -> Figures:
        assert lesson.latents is not None, "this stage learns from pictures"
        picture = self._target.picture_loss(
            self.network, lesson.views, hearing, lesson.captions, lesson.latents, lesson.generator
        )
        return {"picture": picture}

    def _decomposed(self, found: Projection) -> Figures:
        if found.levels is None:  # SonicDiffusion's adapter has no levels to keep apart
            zero = found.tokens.new_zeros(())
            return {"orthogonality": zero, "prior": zero, "entropy": zero}
        return {
            "orthogonality": losses.orthogonality(found.levels.memory.float()),
            "prior": losses.prior_divergence(found.levels.assignment.float()),
            "entropy": losses.entropy(found.levels.assignment.float()),
        }

    def _polished(self, lesson: Lesson, hearing: Hearing) -> Figures:
        """Two hearings of one sound say the same, and what the caption says."""
        views = lesson.views
        noise = torch.randn(views.shape, generator=lesson.generator).to(views.device)
        spread = views.std(dim=-1, keepdim=True)
        rows = self._as_text(self.network(views, hearing).tokens)
        again = self._as_text(self.network(views + _JITTER * spread * noise, hearing).tokens)
        texts: Texts = self._target.read(lesson.captions)
        cosine = F.cosine_similarity(self._vector(rows), self._vector(texts.tokens), dim=-1)
        return {
            "consistency": losses.disagreement(rows, again),
            "distance": (1.0 - cosine).mean(),
        }

    def _as_text(self, rows: Tensor) -> Tensor:
        """Rows as long as a text's, whatever norm is aimed at."""
        return rows.float() * (self._facts.norm / self.network.plan.norm)

    def _vector(self, rows: Tensor) -> Tensor:
        """One vector `(b, d)` of rows, without what all texts have in common."""
        return (rows - self._facts.mean).mean(dim=1)


@torch.no_grad()
def text_facts(target: Target, captions: Sequence[str]) -> TextFacts:
    """Read what captions have in common."""
    tokens = target.read(captions).tokens
    return TextFacts(tokens.mean(dim=0), float(tokens.norm(dim=-1).mean()))


@torch.no_grad()
def retrieval(
    network: Projector | SonicProjector, target: Target, facts: TextFacts,
    views: Tensor, captions: Sequence[str],
) -> dict[str, float]:  # fmt: skip
    """How well sounds `(n, 3, width)` find their captions among the different ones there are.

    `right` and `wrong` are mean cosines to their own caption and to all others.
    """
    network.eval()
    different = sorted(set(captions))
    texts = (target.read(different).tokens - facts.mean).mean(dim=1)
    scale = facts.norm / network.plan.norm
    rows = network(views.to(texts.device), Hearing()).tokens.float() * scale
    sounds = (rows - facts.mean).mean(dim=1)
    cosines = F.normalize(sounds, dim=-1) @ F.normalize(texts, dim=-1).t()
    own = torch.tensor([different.index(caption) for caption in captions], device=texts.device)
    mask = F.one_hot(own, len(different)).bool()
    others = cosines[~mask]
    return {
        "top_1": float((cosines.argmax(dim=1) == own).float().mean()),
        "right": float(cosines[mask].mean()),
        "wrong": float(others.mean()) if len(others) else 0.0,
        "captions": float(len(different)),
    }
