"""Painted pictures of a scene with a sound in it, as the judge's network sees them.

Half of them have the sight laid over the scene as `ember.sights` draws it, half the sound's own
scene in its region (`where`), both by the painters alone: whoever judges ember here has never
seen a picture of its.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from engine.errors import TrainingError
from engine.messages import Float32
from engine.scoring.judge import features_of
from engine.scoring.judge_network import JudgeNetwork
from engine.training.ember.compositions import to_light
from engine.training.ember.scenes.catalogue import SCENES
from engine.training.ember.scenes.fields import over
from engine.training.ember.scenes.palettes import finish
from engine.training.ember.sights import OWN_SCENE, lay_sight
from engine.training.sights.where import LANDS, OFTEN, SIGHT_OF, region

SIDE_PX = 256
_SIGHTS_A_SCENE = 3


@dataclass(frozen=True, slots=True)
class Sights:
    """All pictures, one row each."""

    features: Float32
    """What the judge's network sees, `(n, f)`."""
    scenes: Sequence[str]
    labels: Sequence[str]


@torch.inference_mode()
def paint_sights(
    path: Path, count: int, judge: JudgeNetwork, *, seed: int, side_px: int = SIDE_PX
) -> None:
    """Paint `count` scenes with three sounds each and write what the judge sees to `path`."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    labels = [*OFTEN * 5, *(label for label in OWN_SCENE if label not in OFTEN)]
    names = [*LANDS * 3, *SCENES]
    features, scenes, sounds = [], [], []
    for _ in tqdm(range(count), desc="sights", unit="scene", disable=None):
        name = names[rng.integers(len(names))]
        picture = _painted(name, generator, side_px)
        for _ in range(_SIGHTS_A_SCENE):
            label = labels[rng.integers(len(labels))]
            if OWN_SCENE[label] == name:
                continue
            light = _with_sound(label, to_light(picture).clone(), generator, rng)
            whole = finish(light, shine=0.25, vignette=0.06, saturation=1.02).clamp(0.0, 1.0)
            pixels = (whole.permute(0, 2, 3, 1) * 255.0).round().byte().numpy()
            features.append(features_of(judge, pixels)[0])
            scenes.append(name)
            sounds.append(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, features=np.stack(features), scenes=np.array(scenes), labels=np.array(sounds))


def open_sights(path: Path) -> Sights:
    """Read what `paint_sights` wrote. Raises `TrainingError` where there is nothing."""
    if not path.exists():
        raise TrainingError(f"no {path}: run 'sonolume train sights --stage pictures' first")
    with np.load(path, allow_pickle=False) as file:
        texts = ([str(text) for text in file[name]] for name in ("scenes", "labels"))
        return Sights(file["features"].astype(np.float32), *texts)


def _painted(name: str, generator: torch.Generator, side_px: int) -> Tensor:
    scene = SCENES[name]
    values = {a.name: torch.rand(1, generator=generator) for a in scene.attributes}
    return scene.paint(values, generator, side_px, side_px)


def _with_sound(
    label: str, light: Tensor, generator: torch.Generator, rng: np.random.Generator
) -> Tensor:
    if rng.random() < 0.5:
        return lay_sight(label, light, generator)
    side_px = light.shape[-1]
    own = to_light(_painted(OWN_SCENE[label], generator, side_px))
    return over(light, own, region(SIGHT_OF[label].where, side_px, side_px)[None])
