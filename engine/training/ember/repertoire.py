"""Everything ember is taught to paint: plain scenes, the same in styles, compositions of two."""

from __future__ import annotations

from typing import Literal

from engine.training.ember.compositions import COMPOSITIONS
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.scenes.scene import Scene
from engine.training.ember.styles.gallery import STYLED, styled

Kind = Literal["plain", "styled", "composed"]

SHARES: dict[Kind, float] = {"plain": 0.62, "styled": 0.18, "composed": 0.2}
"""Of the pictures that are trained on, how many are of each kind."""

PICTURES: dict[Kind, dict[str, int]] = {
    "plain": {"square": 240, "wide": 24, "tall": 24},
    "styled": {"square": 60, "wide": 12, "tall": 12},
    "composed": {"square": 36, "wide": 12, "tall": 12},
}
"""Pictures per file, by kind and shape."""


def repertoire() -> dict[str, Scene]:
    """Return every scene by the name that its files carry: plain first, then styled, composed."""
    in_styles = [styled(scene) for scene in SCENES.values()]
    return {**SCENES, **{scene.name: scene for scene in in_styles}, **COMPOSITIONS}


def kind_of(name: str) -> Kind:
    """Return which kind the scene with this name is."""
    if name in COMPOSITIONS:
        return "composed"
    return "styled" if name.endswith(STYLED) else "plain"
