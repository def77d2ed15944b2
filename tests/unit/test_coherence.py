from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.compose.motion import carry, way_between
from engine.diffusion.coherence import ColourAnchor, Warp, unsharp
from engine.diffusion.noise import NoiseWalk
from engine.messages import Travel

CPU = torch.device("cpu")


def smooth_picture(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(
        torch.linspace(0, 3, height), torch.linspace(0, 3 * width / height, width), indexing="ij"
    )
    return torch.stack((torch.sin(x + y), torch.cos(2 * x - y), torch.sin(x * 1.5)))[None] * 0.8


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
    warped = Warp(160, 96, CPU)(picture, Travel(), way)[0].permute(1, 2, 0).numpy()
    pixels = ((picture[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
    carried = carry(pixels, way_between(Travel(), way), 160, 96) / 127.5 - 1.0
    assert np.abs(warped - carried)[8:-8, 8:-8].mean() < 0.01


def test_an_unmoved_picture_is_the_very_same_tensor() -> None:
    picture = smooth_picture(32, 32)
    assert Warp(32, 32, CPU)(picture, Travel(noise_rad=1.0), Travel(noise_rad=2.0)) is picture


def test_the_swell_bends_without_leaving_the_picture() -> None:
    picture = smooth_picture(64, 64)
    bent = Warp(64, 64, CPU)(picture, Travel(), Travel(warp_s=0.3))
    assert 0.01 < float((bent - picture).abs().mean()) < 0.5
    assert bool(torch.isfinite(bent).all())


def test_unsharp_raises_contrast_at_an_edge_and_leaves_flat_areas_alone() -> None:
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 0.5
    sharpened = unsharp(edge, 0.5)
    assert float(sharpened[..., 4].max()) > 0.5
    assert torch.equal(sharpened[..., 0], edge[..., 0])
    assert unsharp(edge, 0.0) is edge


def test_noise_keeps_its_variance_and_never_comes_back() -> None:
    walk = NoiseWalk((1, 16, 32, 32), 3, CPU)
    fields = [walk.at(angle) for angle in np.linspace(0.0, 4 * np.pi, 33)]
    assert all(0.95 < float(field.std()) < 1.05 for field in fields)
    start = fields[0].flatten()
    for later in fields[8:]:
        cosine = torch.nn.functional.cosine_similarity(start, later.flatten(), dim=0)
        assert abs(float(cosine)) < 0.1


def test_noise_is_continuous_across_a_quarter_turn() -> None:
    walk = NoiseWalk((64,), 1, CPU)
    before, after = walk.at(np.pi / 2 - 1e-4), walk.at(np.pi / 2 + 1e-4)
    assert float((before - after).abs().max()) < 1e-2


def test_the_anchor_brings_a_burnt_picture_back_towards_its_memory() -> None:
    anchor = ColourAnchor(CPU)
    fresh = smooth_picture(64, 64) * 0.5
    anchor.learn(fresh, 1.0, 0.0)
    burnt = (fresh * 1.6 + 0.3).clamp(-1, 1)
    for _ in range(30):
        burnt = anchor.pull(burnt, 0.25).clamp(-1, 1)
    assert abs(float(burnt.mean() - fresh.mean())) < 0.03
    assert abs(float(burnt.std() / fresh.std()) - 1.0) < 0.1


def test_an_anchor_of_zero_changes_nothing() -> None:
    anchor = ColourAnchor(CPU)
    picture = smooth_picture(16, 16)
    anchor.learn(picture, 1.0, 0.0)
    assert anchor.pull(picture, 0.0) is picture
