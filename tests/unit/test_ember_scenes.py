"""The painted world: skies, water, land, plants, cities, fire, and the catalogue of scenes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.training.ember.scenes import fields, palettes
from engine.training.ember.scenes.catalogue import SCENES, paint
from engine.training.ember.scenes.city import SCENES_CITY
from engine.training.ember.scenes.coast import SCENES_COAST
from engine.training.ember.scenes.fire import SCENES_FIRE
from engine.training.ember.scenes.land import SCENES_LAND
from engine.training.ember.scenes.plants import SCENES_PLANTS
from engine.training.ember.scenes.scene import Scene
from engine.training.ember.scenes.sky import SCENES_SKY
from engine.training.ember.scenes.water import SCENES_WATER

NATURE = (
    *SCENES_SKY,
    *SCENES_WATER,
    *SCENES_COAST,
    *SCENES_LAND,
    *SCENES_PLANTS,
    *SCENES_CITY,
    *SCENES_FIRE,
)

every_scene = pytest.mark.parametrize("scene", NATURE, ids=[scene.name for scene in NATURE])


def _middle(scene: Scene, count: int = 1) -> dict[str, Tensor]:
    return {attribute.name: torch.full((count,), 0.5) for attribute in scene.attributes}


def _paint(scene: Scene, values: dict[str, Tensor], seed: int = 4) -> Tensor:
    return scene.paint(values, torch.Generator().manual_seed(seed), 96, 96)


@every_scene
@pytest.mark.parametrize(("height", "width"), [(96, 96), (90, 160), (160, 90)])
def test_a_scene_paints_finite_pictures_of_every_shape(
    scene: Scene, height: int, width: int
) -> None:
    pictures, values = paint(scene, 2, torch.Generator().manual_seed(1), height, width)
    assert pictures.shape == (2, 3, height, width)
    assert pictures.dtype == torch.float32
    assert torch.isfinite(pictures).all()
    assert 0.0 <= float(pictures.min()) <= float(pictures.max()) <= 1.0
    assert set(values) == {attribute.name for attribute in scene.attributes}


@every_scene
def test_a_scene_fills_the_largest_training_size(scene: Scene) -> None:
    pictures, _ = paint(scene, 1, torch.Generator().manual_seed(2), 512, 512)
    assert torch.isfinite(pictures).all()
    assert float(pictures.std()) > 0.03


@every_scene
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(scene: Scene) -> None:
    values = _middle(scene)
    first = _paint(scene, values, seed=7)
    assert torch.equal(first, _paint(scene, values, seed=7))
    assert float((first - _paint(scene, values, seed=8)).abs().mean()) > 0.004


@every_scene
def test_every_attribute_changes_the_picture(scene: Scene) -> None:
    for attribute in scene.attributes:
        low, high = _middle(scene, 2), _middle(scene, 2)
        low[attribute.name] = torch.full((2,), 0.08)
        high[attribute.name] = torch.full((2,), 0.92)
        difference = float((_paint(scene, low) - _paint(scene, high)).abs().mean())
        assert difference > 0.002, attribute.name


@every_scene
def test_colours_named_by_the_colour_attribute_look_different_from_each_other(
    scene: Scene,
) -> None:
    named = [a for a in scene.attributes if a.name in ("colour", "hue", "time")]
    assert named, "a scene whose colour nobody can ask for"
    words = named[0].words
    values = _middle(scene, len(words))
    values[named[0].name] = (torch.arange(len(words)) + 0.5) / len(words)
    pictures = _paint(scene, values)
    means = pictures.mean(dim=(2, 3))
    gaps = (means[1:] - means[:-1]).norm(dim=1)
    assert float(gaps.min()) > 0.01


def test_the_catalogue_holds_each_scene_once_under_its_own_name() -> None:
    assert len(SCENES) >= 41
    assert all(name == scene.name for name, scene in SCENES.items())
    assert {scene.name for scene in NATURE} <= set(SCENES)


def test_attribute_names_are_unique_within_a_scene() -> None:
    for scene in SCENES.values():
        names = [attribute.name for attribute in scene.attributes]
        assert len(set(names)) == len(names), scene.name


def test_noise_has_no_pixel_grain() -> None:
    field = fields.fbm(torch.Generator().manual_seed(0), 1, 128, 128, cells=3.0, octaves=9)
    neighbours = (field[:, 1:] - field[:, :-1]).abs().mean()
    assert float(neighbours) < 0.25 * float(field.std())


def test_a_tile_continues_across_its_edge() -> None:
    tile = fields.texture(torch.Generator().manual_seed(0), 1, 64)
    across = torch.linspace(0.99, 1.01, 21).view(1, 1, -1)
    line = fields.sample(tile, across, torch.full((1, 1, 1), 0.3))
    assert float(line.diff().abs().max()) < 0.05


def test_a_word_for_a_range_has_its_colour_in_the_middle_of_the_range() -> None:
    count = len(palettes.HUES)
    middles = (torch.arange(count) + 0.5) / count
    wanted = torch.stack([palettes.rgb(code) for _, code in palettes.HUES])
    assert torch.allclose(palettes.hue(middles), wanted, atol=1e-3)


def test_oklab_and_srgb_come_back() -> None:
    light = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(palettes.from_lab(palettes.to_lab(light)), light, atol=1e-4)
    assert torch.allclose(palettes.to_linear(palettes.to_srgb(light)), light, atol=2e-3)
