"""Everything ember is taught to paint: plain scenes, the same in styles, compositions of two."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from engine.training.ember.compositions import COMPOSITIONS
from engine.training.ember.dataset import FOLDER, HALVED_FOLDER, PictureFile, open_pictures
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.scenes.scene import Scene
from engine.training.ember.styles.gallery import STYLED, styled

Kind = Literal["plain", "styled", "composed"]

SHARES: dict[Kind, float] = {"plain": 0.62, "styled": 0.18, "composed": 0.2}
"""Of the pictures that are trained on, how many are of each kind."""

PICTURES: dict[Kind, dict[str, int]] = {
    "plain": {"square": 48, "wide": 6, "tall": 6},
    "styled": {"square": 12, "wide": 3, "tall": 3},
    "composed": {"square": 12, "wide": 3, "tall": 3},
}
"""Pictures per file, by kind and shape."""

PICTURES_HALVED: dict[Kind, dict[str, int]] = {
    "plain": {"square": 240},
    "styled": {"square": 60},
    "composed": {"square": 36},
}
"""The same of pictures half as wide: the variety is in these, for they cost a quarter."""


def repertoire() -> dict[str, Scene]:
    """Return every scene by the name that its files carry: plain first, then styled, composed."""
    in_styles = [styled(scene) for scene in SCENES.values()]
    return {**SCENES, **{scene.name: scene for scene in in_styles}, **COMPOSITIONS}


def kind_of(name: str) -> Kind:
    """Return which kind the scene with this name is."""
    if name in COMPOSITIONS:
        return "composed"
    return "styled" if name.endswith(STYLED) else "plain"


def taught_pictures(out_dir: Path, *, halved: bool = False) -> list[PictureFile]:
    """Return the painted files of a run that are in the repertoire today."""
    names = repertoire()
    files = open_pictures(out_dir / (HALVED_FOLDER if halved else FOLDER))
    return [file for file in files if file.scene in names]
