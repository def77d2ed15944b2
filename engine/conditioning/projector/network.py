"""The audio projector: three views of a sound to the prompt of one model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.conditioning.projector.decomposer import (
    AdaptiveHierarchyWeights,
    RigidDecomposition,
    SoftDecomposition,
)
from engine.conditioning.projector.generator import ProjectionTransformer, SelfAttentionGenerator
from engine.conditioning.projector.plan import COLDEST, STAGES, ProjectorPlan
from engine.conditioning.projector.routing import LevelToUNetRouter, with_norm
from engine.conditioning.projector.sonic import SonicAdapter

OPEN = (1.0, 1.0, 1.0)
"""Gates that leave every level as it is."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How a sound is to be projected; all of it may change from one sound to the next."""

    temperature: float = COLDEST
    """How soft the decomposition is."""
    norm: float | None = None
    """How long rows shall be; None: as they were trained."""
    gates: tuple[float, float, float] = OPEN
    """How open foreground, background and atmosphere are, each in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Levels:
    """What the decomposer found in `b` sounds."""

    memory: Tensor
    """The ten tokens, `(b, 10, width)`."""
    assignment: Tensor
    """A: which of them speaks for which level, `(b, 10, 3)`."""
    weights: Tensor
    """w: how much each level counts, `(b, 3)`."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What a projector makes of `b` sounds."""

    tokens: Tensor
    """`(b, TargetSpec.tokens, TargetSpec.width)`."""
    pooled: Tensor | None
    """`(b, TargetSpec.pooled_width)`, where the model has one."""
    levels: Levels | None
    """None of an adapter that decomposes nothing."""


class Projector(nn.Module):
    """Decomposer, weights, router, generator and, where the model has one, a pooled head."""

    def __init__(self, plan: ProjectorPlan) -> None:
        super().__init__()
        self.plan = plan
        self.weights = AdaptiveHierarchyWeights(plan.input_width)
        self.router = LevelToUNetRouter(plan.routing)
        self.decomposer = _decomposer(plan)
        self.generator = _generator(plan)
        self.pooled_head: nn.Module | None = None
        if plan.target.pooled_width:
            self.pooled_head = nn.Sequential(
                nn.Linear(plan.width, plan.width),
                nn.GELU(),
                nn.LayerNorm(plan.width),
                nn.Linear(plan.width, plan.target.pooled_width),
            )

    def forward(self, views: Tensor, hearing: Hearing) -> Projection:
        """Project `views` `(b, 3, input_width)`."""
        levels = self._levels(views, hearing)
        heard = levels.memory * _loudness(levels, hearing)[..., None]
        tokens = _scaled(self._rows(heard), self.plan, hearing)
        pooled = None if self.pooled_head is None else self.pooled_head(heard.mean(dim=1))
        return Projection(tokens, pooled, levels)

    def stage_rows(self, views: Tensor, hearing: Hearing) -> Tensor:
        """What each stage of a U-Net hears: `(b, 3 stages, tokens, width)`.

        Each stage's share of the ten tokens goes through the generator by itself; its gate comes
        last, for the norm would undo it.
        """
        levels = self._levels(views, hearing)
        heard = levels.memory * _loudness(levels, hearing)[..., None]
        shares = self.router.shares(levels.assignment, levels.weights)
        open_by = self.router.stage_gates()
        rows = []
        for stage in range(len(STAGES)):
            part = heard * shares[..., stage, None] * len(STAGES)
            rows.append(_scaled(self._rows(part), self.plan, hearing) * open_by[stage])
        return torch.stack(rows, dim=1)

    def last_layers(self) -> list[nn.Module]:
        """What the last stage of training still moves."""
        heads = [] if self.pooled_head is None else [self.pooled_head]
        return [*self.generator.last_layers(), *heads]

    def _levels(self, views: Tensor, hearing: Hearing) -> Levels:
        memory = self.decomposer(views)
        assignment = self.decomposer.assignment(memory, hearing.temperature)
        return Levels(memory, assignment, self.weights(views))

    def _rows(self, heard: Tensor) -> Tensor:
        one_vector = isinstance(self.generator, SelfAttentionGenerator)
        rows: Tensor = self.generator(heard.mean(dim=1) if one_vector else heard)
        return rows


class SonicProjector(nn.Module):
    """SonicDiffusion's adapter at the place of a projector: one vector, no levels.

    It hears the mean of the views that are open, and every stage of the U-Net hears the same.
    """

    def __init__(self, plan: ProjectorPlan) -> None:
        super().__init__()
        self.plan = plan
        target = plan.target
        self.adapter = SonicAdapter(
            target.tokens, plan.input_width, target.width, chained=plan.chained
        )

    def forward(self, views: Tensor, hearing: Hearing) -> Projection:
        """Project `views` `(b, 3, input_width)`."""
        gates = views.new_tensor(hearing.gates)
        vector = (views * gates[:, None]).sum(dim=1) / gates.sum().clamp_min(1e-6)
        return Projection(_scaled(self.adapter(vector), self.plan, hearing), None, None)

    def stage_rows(self, views: Tensor, hearing: Hearing) -> Tensor:
        """What each stage of a U-Net hears: `(b, 3 stages, tokens, width)`."""
        found: Projection = self(views, hearing)
        return found.tokens[:, None].repeat(1, len(STAGES), 1, 1)

    def last_layers(self) -> list[nn.Module]:
        """What the last stage of training still moves."""
        return self.adapter.last_layers()


def projector(plan: ProjectorPlan) -> Projector | SonicProjector:
    """Build the network of a plan, with random weights. Raises `ValueError`."""
    return SonicProjector(plan) if plan.decomposer == "sonic" else Projector(plan)


def _scaled(rows: Tensor, plan: ProjectorPlan, hearing: Hearing) -> Tensor:
    """Rows as long as they shall be; a norm of 0 leaves them as they come."""
    norm = plan.norm if hearing.norm is None else hearing.norm
    return with_norm(rows, norm) if norm else rows


def _loudness(levels: Levels, hearing: Hearing) -> Tensor:
    """How loud each token is, `(b, 10)`; 1 on average where all gates are open."""
    weights = levels.weights[:, None]
    gates = weights.new_tensor(hearing.gates)
    loud = (levels.assignment * weights).sum(dim=-1)
    gated = (levels.assignment * weights * gates).sum(dim=-1)
    return gated / loud.mean(dim=-1, keepdim=True).clamp_min(1e-8)


def _decomposer(plan: ProjectorPlan) -> SoftDecomposition | RigidDecomposition:
    if plan.decomposer == "soft":
        return SoftDecomposition(plan.input_width, plan.width, plan.rank, plan.bottleneck)
    if plan.decomposer == "rigid":
        return RigidDecomposition(plan.input_width, plan.width, plan.bottleneck)
    raise ValueError(f"no decomposer {plan.decomposer!r}: soft, rigid or sonic")


def _generator(plan: ProjectorPlan) -> ProjectionTransformer | SelfAttentionGenerator:
    target = plan.target
    if plan.generator == "transformer":
        return ProjectionTransformer(
            plan.width, target.tokens, target.width, plan.generator_width, plan.generator_layers
        )
    if plan.generator == "self-attention":
        return SelfAttentionGenerator(plan.width, target.tokens, target.width)
    raise ValueError(f"no generator {plan.generator!r}: transformer or self-attention")
