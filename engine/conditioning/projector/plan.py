"""What a projector is made of: levels, presets, sizes. Plain numbers, imports no torch.

Token counts, prior, routing and domain gates as CLAP2Diffusion documents them (youdie006, HEAD and
its V4 plan); that project's code is a mock, so here they are only where one begins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.sound_embedding import TargetSpec

LEVEL_TOKENS = (5, 3, 2)
"""Tokens of foreground, background and atmosphere, in the order of `VIEWS`."""
MEMORY_TOKENS = sum(LEVEL_TOKENS)
LEVEL_OF_TOKEN = tuple(i for i, count in enumerate(LEVEL_TOKENS) for _ in range(count))
PRIOR = (0.5, 0.3, 0.2)
"""Share of the tokens that each level should have, on average."""

NORM = 60.0
"""Mean length of a row; CLIP-L's own rows are 27 to 28 long, so this is twice their voice."""
LOWEST_NORM, HIGHEST_NORM = 10.0, 200.0
HOTTEST, COLDEST = 2.0, 0.5
WARM_UP_STEPS = 200
STRENGTH = 0.6

STAGES = ("early", "mid", "late")
"""Parts of a U-Net that may hear differently."""
ROUTINGS: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "published": ((0.1, 0.3, 0.6), (0.2, 0.6, 0.2), (0.6, 0.3, 0.1)),
    "planned": ((0.6, 0.3, 0.1), (0.2, 0.6, 0.2), (0.1, 0.3, 0.6)),
}
"""Rows: levels; columns: `STAGES`. The published code and its own plan contradict each other:
atmosphere early and foreground late, or the other way round."""

DOMAINS: Mapping[str, tuple[float, float, float]] = {
    "nature": (0.3, 0.5, 0.8),
    "urban": (0.8, 0.5, 0.3),
    "music": (0.5, 0.7, 0.5),
    "speech": (0.9, 0.3, 0.1),
}
"""Gates of foreground, background and atmosphere."""
STRENGTHS: Mapping[str, float] = {
    "matching": 0.8, "complementary": 0.6, "creative": 0.4, "minimal": 0.2,
}  # fmt: skip
"""How loud the sound is beside a text that says the same, adds to it, contradicts it."""
MIXES: Mapping[str, tuple[float, float]] = {
    "matching": (0.8, 0.8), "complementary": (0.6, 0.6), "creative": (0.4, 0.8),
    "contradictory": (0.7, 0.3),
}  # fmt: skip
"""Weights of text and sound where both are prompts."""


def temperature(step: int, total: int, warm_up: int = WARM_UP_STEPS) -> float:
    """How soft the decomposition is while it is trained: 2.0, then by a cosine down to 0.5."""
    if step <= warm_up:
        return HOTTEST
    share = min(1.0, (step - warm_up) / max(1, total - warm_up))
    return COLDEST + (HOTTEST - COLDEST) * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True, slots=True)
class ProjectorPlan:
    """Everything its networks need to be built again; the defaults are those for 77 x 768."""

    input_width: int
    target: TargetSpec
    decomposer: str = "soft"
    """`soft`, `rigid`, or `sonic`: SonicDiffusion's one adapter, which decomposes nothing."""
    generator: str = "transformer"
    """`transformer`, or `self-attention`: four self-attentions over queries that are bent."""
    width: int = 768
    """Of the ten tokens between decomposer and generator."""
    rank: int = 120
    bottleneck: int = 64
    generator_width: int = 320
    generator_layers: int = 2
    routing: str = "published"
    chained: bool = False
    """`sonic` alone: each of its four layers goes on from the one before; theirs do not."""
    norm: float = NORM
    """How long its rows were in training; 0: as they come, as SonicDiffusion's."""

    def settings(self) -> dict[str, Any]:
        """What `AdapterCard.settings` holds of it."""
        table = asdict(self)
        del table["input_width"], table["target"]
        return table


def plan_for(input_width: int, target: TargetSpec, **settings: Any) -> ProjectorPlan:
    """Return a plan whose widths suit the target: no wider inside than its rows."""
    narrow = min(768, target.width)
    sizes = {"width": narrow, "generator_width": 320 if narrow == 768 else _in_eights(narrow)}
    return ProjectorPlan(input_width, target, **{**sizes, **settings})


def plan_of(card: AdapterCard) -> ProjectorPlan:
    """Return the plan that a file was trained with. Raises `TypeError` for settings of others."""
    known = set(ProjectorPlan.__dataclass_fields__)
    settings = {name: value for name, value in card.settings.items() if name in known}
    return ProjectorPlan(card.input_width, card.target, **settings)


def _in_eights(width: int) -> int:
    """The next multiple of eight, for eight heads."""
    return -(-width // 8) * 8
