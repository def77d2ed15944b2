"""Space, patterns, fluids, objects and creatures: what every painter of ember's must keep."""

from __future__ import annotations

import pytest
import torch

from engine.training.ember.scenes.catalogue import SCENES as CATALOGUE
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import hue
from engine.training.ember.scenes.scene import Scene
from engine.training.ember.scenes.stamp import stamp

_FIRST_OF_THESE = "galaxy"  # the scenes before it, of nature, are tested in test_ember_scenes
SCENES = tuple(CATALOGUE.values())[list(CATALOGUE).index(_FIRST_OF_THESE) :]
each_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


def values_of(scene: Scene, batch: int, seed: int = 5) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {a.name: torch.rand(batch, generator=generator) for a in scene.attributes}


def paint(
    scene: Scene,
    values: dict[str, torch.Tensor],
    seed: int = 1,
    height: int = 96,
    width: int = 96,
) -> torch.Tensor:
    return scene.paint(values, torch.Generator().manual_seed(seed), height, width)


@each_scene
@pytest.mark.parametrize(("height", "width"), [(96, 96), (90, 160), (160, 90)])
def test_a_scene_paints_finite_colours_of_the_asked_shape(scene, height, width):
    picture = paint(scene, values_of(scene, 2), height=height, width=width)
    assert picture.shape == (2, 3, height, width)
    assert picture.dtype == torch.float32
    assert torch.isfinite(picture).all()
    assert picture.min() >= 0.0
    assert picture.max() <= 1.0


@each_scene
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_every_attribute_may_stand_at_its_end(scene, end):
    values = {a.name: torch.full((1,), end) for a in scene.attributes}
    picture = paint(scene, values)
    assert torch.isfinite(picture).all()
    assert picture.std() > 0.03, "a flat picture teaches nothing"


@each_scene
def test_the_seed_alone_decides_the_picture(scene):
    values = values_of(scene, 2)
    first, again, other = paint(scene, values), paint(scene, values), paint(scene, values, seed=2)
    assert torch.equal(first, again)
    assert (first - other).abs().mean() > 0.01
    assert (first[0] - first[1]).abs().mean() > 0.01


@each_scene
def test_every_attribute_changes_the_picture(scene):
    still = {a.name: torch.full((2,), 0.5) for a in scene.attributes}
    for attribute in scene.attributes:
        low = paint(scene, {**still, attribute.name: torch.full((2,), 0.08)})
        high = paint(scene, {**still, attribute.name: torch.full((2,), 0.92)})
        changed = (low - high).abs().amax(dim=1) > 0.03  # (b, h, w)
        assert changed.float().mean() > 0.005, attribute.name


@each_scene
def test_a_scene_does_not_change_the_values_it_is_given(scene):
    values = values_of(scene, 2)
    kept = {name: value.clone() for name, value in values.items()}
    paint(scene, values)
    assert all(torch.equal(values[name], kept[name]) for name in kept)


def test_scenes_have_different_names_a_colour_and_words_for_every_attribute():
    names = [scene.name for scene in SCENES]
    assert len(set(names)) == len(names) >= 20
    for scene in SCENES:
        assert len(scene.phrases) >= 3
        assert any(a.name in ("hue", "colour") for a in scene.attributes)
        assert all(attribute.words for attribute in scene.attributes)


def test_a_stamp_repaints_only_its_square_and_nothing_where_its_reach_is_nought():
    light = torch.zeros(2, 3, 40, 60)
    x, y = torch.linspace(-1.5, 1.5, 60).view(1, 1, -1), torch.linspace(1, -1, 40).view(1, -1, 1)
    centre = (torch.full((2, 1, 1), 0.5), torch.full((2, 1, 1), -0.5))
    reach = torch.tensor([0.25, 0.0]).view(2, 1, 1)
    painted = stamp(light, (x, y), centre, reach, lambda which, patch, px, py: patch + 1.0)
    assert painted[1].abs().max() == 0.0
    rows, columns = painted[0, 0].nonzero(as_tuple=True)
    assert (rows.min(), rows.max()) == (25, 36)
    assert (columns.min(), columns.max()) == (35, 46)


def test_a_stamp_outside_the_canvas_paints_nothing():
    light = torch.zeros(1, 3, 40, 40)
    x, y = torch.linspace(-1, 1, 40).view(1, 1, -1), torch.linspace(1, -1, 40).view(1, -1, 1)
    centre = (torch.full((1, 1, 1), 5.0), torch.zeros(1, 1, 1))
    painted = stamp(
        light, (x, y), centre, torch.full((1, 1, 1), 0.3), lambda which, patch, px, py: patch + 1.0
    )
    assert painted.abs().max() == 0.0


def test_white_has_a_cold_cast_and_other_hues_stay_as_named():
    white, red = main_colour(torch.tensor([0.98])), main_colour(torch.tensor([0.03]))
    assert white.min() > 0.6
    assert white[0, 2] > white[0, 0]
    assert torch.allclose(red, hue(torch.tensor([0.03])), atol=1e-4)
