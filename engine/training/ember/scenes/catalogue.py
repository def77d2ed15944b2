"""Every scene ember can paint, by name, and how a batch of one is painted."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.training.ember.scenes.animals import SCENES_ANIMALS
from engine.training.ember.scenes.bridge import SCENES_BRIDGE
from engine.training.ember.scenes.butterfly import SCENES_BUTTERFLY
from engine.training.ember.scenes.cat import SCENES_CAT
from engine.training.ember.scenes.chainsaw import SCENES_CHAINSAW
from engine.training.ember.scenes.city import SCENES_CITY
from engine.training.ember.scenes.coast import SCENES_COAST
from engine.training.ember.scenes.crowd import SCENES_CROWD
from engine.training.ember.scenes.dancer import SCENES_DANCER
from engine.training.ember.scenes.drums import SCENES_DRUMS
from engine.training.ember.scenes.fire import SCENES_FIRE
from engine.training.ember.scenes.fluids import SCENES_FLUIDS
from engine.training.ember.scenes.fowl import SCENES_FOWL
from engine.training.ember.scenes.guitar import SCENES_GUITAR
from engine.training.ember.scenes.helicopter import SCENES_HELICOPTER
from engine.training.ember.scenes.journeys import SCENES_JOURNEYS
from engine.training.ember.scenes.land import SCENES_LAND
from engine.training.ember.scenes.nursery import SCENES_NURSERY
from engine.training.ember.scenes.objects import SCENES_OBJECTS
from engine.training.ember.scenes.patterns import SCENES_PATTERNS
from engine.training.ember.scenes.piano import SCENES_PIANO
from engine.training.ember.scenes.plants import SCENES_PLANTS
from engine.training.ember.scenes.reef import SCENES_REEF
from engine.training.ember.scenes.rocket import SCENES_ROCKET
from engine.training.ember.scenes.scene import Attribute, Scene
from engine.training.ember.scenes.sky import SCENES_SKY
from engine.training.ember.scenes.space import SCENES_SPACE
from engine.training.ember.scenes.strongholds import SCENES_STRONGHOLDS
from engine.training.ember.scenes.synthesiser import SCENES_SYNTHESISER
from engine.training.ember.scenes.timepieces import SCENES_TIMEPIECES
from engine.training.ember.scenes.volcano import SCENES_VOLCANO
from engine.training.ember.scenes.water import SCENES_WATER
from engine.training.ember.scenes.winds import SCENES_WINDS
from engine.training.ember.scenes.winter import SCENES_WINTER

SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (
        *SCENES_SKY,
        *SCENES_WATER,
        *SCENES_COAST,
        *SCENES_LAND,
        *SCENES_PLANTS,
        *SCENES_CITY,
        *SCENES_FIRE,
        *SCENES_SPACE,
        *SCENES_PATTERNS,
        *SCENES_FLUIDS,
        *SCENES_OBJECTS,
        *SCENES_HELICOPTER,
        *SCENES_CHAINSAW,
        *SCENES_TIMEPIECES,
        *SCENES_JOURNEYS,
        *SCENES_ROCKET,
        *SCENES_VOLCANO,
        *SCENES_STRONGHOLDS,
        *SCENES_BRIDGE,
        *SCENES_WINTER,
        *SCENES_WINDS,
        *SCENES_REEF,
        *SCENES_ANIMALS,
        *SCENES_FOWL,
        *SCENES_CAT,
        *SCENES_BUTTERFLY,
        *SCENES_DANCER,
        *SCENES_CROWD,
        *SCENES_NURSERY,
        *SCENES_GUITAR,
        *SCENES_DRUMS,
        *SCENES_PIANO,
        *SCENES_SYNTHESISER,
    )
}
"""Scene by name, in a fixed order."""

_NATURAL_SHARE = 0.55
"""Of the pictures, in the natural ranges of an attribute that has such."""

_CHUNK = 4  # pictures painted at once: larger batches leave the cache


def paint(
    scene: Scene, count: int, generator: torch.Generator, height: int, width: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Paint `count` pictures of a scene with attributes drawn uniformly, or mostly natural ones.

    Returns pictures `(count, 3, height, width)`, float32 sRGB in [0, 1], and the attribute
    values, each `(count,)` in [0, 1], on the generator's device. Deterministic by the generator's
    state.
    """
    values = {attribute.name: _draw(attribute, count, generator) for attribute in scene.attributes}
    pictures = [
        scene.paint(
            {name: value[first : first + _CHUNK] for name, value in values.items()},
            generator,
            height,
            width,
        )
        for first in range(0, count, _CHUNK)
    ]
    return torch.cat(pictures), values


def _draw(attribute: Attribute, count: int, generator: torch.Generator) -> Tensor:
    """Values `(count,)` of an attribute."""
    value = torch.rand(count, generator=generator, device=generator.device)
    natural = attribute.natural_ranges()
    if not natural:
        return value
    device = generator.device
    ranges = torch.tensor(natural, dtype=torch.float32, device=device)
    chosen = torch.randint(len(natural), (count,), generator=generator, device=device)
    usual = (ranges[chosen] + value) / len(attribute.words)
    kind = torch.rand(count, generator=generator, device=device)
    return torch.where(kind < _NATURAL_SHARE, usual, value)
