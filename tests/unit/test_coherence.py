from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from engine.compose.motion import carry
from engine.diffusion.detail import unsharp
from engine.diffusion.warp import Warp, is_bent, is_still
from engine.messages import Travel
from engine.travel import way_between
from tests.anchors import PlannedAnchor
from tests.states import control

CPU = torch.device("cpu")


def smooth_picture(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(
        torch.linspace(0, 3, height), torch.linspace(0, 3 * width / height, width), indexing="ij"
    )
    return torch.stack((torch.sin(x + y), torch.cos(2 * x - y), torch.sin(x * 1.5)))[None] * 0.8


def moved(picture: torch.Tensor, after: Travel) -> torch.Tensor:
    warp = Warp(picture.shape[3], picture.shape[2], CPU)
    weights = torch.tensor(warp.plan(Travel(), after))
    return warp(picture, weights, bent=is_bent(Travel(), after))


@pytest.mark.parametrize(
    "way",
    [
        Travel(log_zoom=0.1),
        Travel(rotation_deg=7.0),
        Travel(pan_x=0.05, pan_y=-0.03),
        Travel(log_zoom=0.05, rotation_deg=-4.0, pan_x=-0.02, pan_y=0.04),
    ],
)
def test_diffusion_and_composer_move_the_picture_the_same_way(way: Travel) -> None:
    picture = smooth_picture(96, 160)
    warped = moved(picture, way)[0].permute(1, 2, 0).numpy()
    pixels = ((picture[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
    carried = carry(pixels, way_between(Travel(), way), 160, 96) / 127.5 - 1.0
    assert np.abs(warped - carried)[8:-8, 8:-8].mean() < 0.01


def test_a_picture_is_still_where_only_its_noise_wanders() -> None:
    assert is_still(Travel(noise_rad=1.0), Travel(noise_rad=2.0))
    assert not is_still(Travel(), Travel(log_zoom=1e-6))
    picture = smooth_picture(32, 32)
    assert torch.allclose(moved(picture, Travel()), picture, atol=1e-5)


def test_the_swell_bends_without_leaving_the_picture() -> None:
    picture = smooth_picture(64, 64)
    bent = moved(picture, Travel(warp_s=0.3))
    assert 0.01 < float((bent - picture).abs().mean()) < 0.5
    assert bool(torch.isfinite(bent).all())


def test_unsharp_raises_contrast_at_an_edge_and_leaves_flat_areas_alone() -> None:
    edge = torch.zeros(1, 3, 32, 32)
    edge[..., 16:] = 0.5
    sharpened = unsharp(edge, torch.tensor(0.5))
    assert float(sharpened[..., 16].max()) > 0.5
    assert torch.equal(sharpened[..., 0], edge[..., 0])
    assert torch.allclose(unsharp(edge, torch.tensor(0.0)), edge)
    softened = unsharp(edge, torch.tensor(-0.5))
    assert float(softened[..., 16].max()) < 0.5
    assert torch.equal(softened[..., 0], edge[..., 0])


def test_the_anchor_brings_a_burnt_picture_back_towards_its_memory() -> None:
    anchor = PlannedAnchor(64, 64)
    fresh = smooth_picture(64, 64) * 0.5
    anchor.learnt(fresh, 1.0, 0.0, control())
    burnt = (fresh * 1.6 + 0.3).clamp(-1, 1)
    for _ in range(30):
        burnt = anchor.pulled(burnt, 0.25).clamp(-1, 1)
    assert abs(float(burnt.mean() - fresh.mean())) < 0.03
    assert abs(float(burnt.std() / fresh.std()) - 1.0) < 0.1


def test_an_anchor_of_zero_changes_nothing() -> None:
    anchor = PlannedAnchor(16, 16)
    picture = smooth_picture(16, 16)
    anchor.learnt(picture, 1.0, 0.0, control())
    assert torch.allclose(anchor.pulled(picture, 0.0), picture, atol=1e-6)


def bad_habits(picture: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """What a model could do to its own pictures: a little brighter, greener and softer each."""
    greener = picture * 1.01 + torch.tensor([0.004, 0.008, 0.002]).view(1, 3, 1, 1)
    return unsharp(greener, torch.tensor(-0.15)) + 0.05 * noise


def feed_back(amount: float, pictures: int) -> list[torch.Tensor]:
    """Run the loop that `FeedbackModel` runs, with a bad model and 20 pictures a second."""
    anchor = PlannedAnchor(64, 64)
    generator = torch.Generator().manual_seed(0)
    picture = smooth_picture(64, 64) * 0.5 - 0.2
    made: list[torch.Tensor] = []
    for k in range(pictures):
        source = anchor.pulled(picture, amount).clamp(-1.0, 1.0)
        painted = bad_habits(source, torch.randn(1, 3, 64, 64, generator=generator))
        painted = painted.clamp(-1.0, 1.0)
        anchor.learnt(painted, 0.6, 0.05 if k else 0.0, control(k / 20.0))
        picture = anchor.crispened(painted, amount).clamp(-1.0, 1.0)
        made.append(picture)
    return made


def test_a_model_that_brightens_its_own_pictures_burns_them_without_the_governor() -> None:
    made = feed_back(0.0, 600)
    assert float(made[-1].mean()) > 0.5 > 0.0 > float(made[0].mean())


def test_the_governor_holds_light_and_colour_for_as_long_as_the_loop_runs() -> None:
    made = feed_back(0.25, 1600)
    light = torch.tensor([float(picture.mean() + 1.0) for picture in made])
    spread = torch.tensor([float(picture.std()) for picture in made])
    for figures in (light, spread):
        home = figures[:200].mean()
        assert bool(((figures[200:] / home - 1.0).abs() < 0.25).all())
    # No pumping: from one picture to the next the light hardly moves.
    assert float((light[1:] / light[:-1] - 1.0).abs().max()) < 0.02


def test_the_state_of_the_anchor_is_all_it_needs_to_go_on() -> None:
    generator = torch.Generator().manual_seed(1)
    pictures = [torch.rand(1, 3, 32, 32, generator=generator) - 0.5 for _ in range(30)]
    whole, begun, after = (PlannedAnchor(32, 32) for _ in range(3))
    for k, picture in enumerate(pictures):
        whole.learnt(picture, 0.6, 0.5, control(k / 2.0))
        if k < 25:
            begun.learnt(picture, 0.6, 0.5, control(k / 2.0))
    after.restore(begun.state())
    for k, picture in enumerate(pictures[25:], 25):
        after.learnt(picture, 0.6, 0.5, control(k / 2.0))
    assert torch.equal(after.pulled(pictures[0], 0.3), whole.pulled(pictures[0], 0.3))
    crisp = [anchor.crispened(pictures[-1].clone(), 0.3) for anchor in (after, whole)]
    assert torch.equal(crisp[0], crisp[1])


def detail(picture: torch.Tensor) -> float:
    luma = (picture[0] * torch.tensor([0.25, 0.5, 0.25]).view(3, 1, 1)).sum(dim=0).numpy()
    return float(cv2.Laplacian(luma, cv2.CV_32F)[1:-1, 1:-1].var())


@pytest.mark.parametrize("softer", [0.5, 0.8, 1.3])
def test_a_picture_softer_or_crisper_than_its_scene_gets_the_detail_of_its_scene(
    softer: float,
) -> None:
    anchor = PlannedAnchor(128, 128)
    generator = torch.Generator().manual_seed(2)
    noise = torch.nn.functional.avg_pool2d(
        torch.randn(1, 3, 128, 128, generator=generator), 3, stride=1, padding=1
    )
    scene = 0.3 * noise
    for k in range(60):
        anchor.learnt(scene, 0.6, 0.25, control(k * 0.25))
    assert torch.equal(anchor.crispened(scene.clone(), 0.25), scene)
    for k in range(60, 120):
        anchor.learnt(softer * scene, 0.6, 0.25, control(k * 0.25))
    before = detail(softer * scene) / detail(scene)
    after = detail(anchor.crispened(softer * scene, 0.25)) / detail(scene)
    assert abs(math.log(after)) < 0.3 * abs(math.log(before))
    untouched = softer * scene
    assert torch.equal(anchor.crispened(untouched.clone(), 0.0), untouched)


def test_a_picture_that_overflowed_is_not_remembered() -> None:
    anchor = PlannedAnchor(16, 16)
    picture = smooth_picture(16, 16)
    anchor.learnt(picture, 1.0, 0.0, control())
    before = anchor.pulled(picture * 0.5, 0.5).clone()
    anchor.learnt(torch.full_like(picture, float("nan")), 1.0, 0.05, control(0.05))
    assert torch.equal(anchor.pulled(picture * 0.5, 0.5), before)


def test_a_painter_that_takes_ten_seconds_still_has_a_picture_to_go_on_from() -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 64, 64, generator=generator) * 2.0 - 1.0
    far = Travel(log_zoom=30.0, pan_x=8.0, warp_s=10.0)
    assert float(moved(picture, far).std()) > 0.5 * float(picture.std())  # not one pixel, blown up
