"""What the painters of built and smoking things stand on: outlines and billows."""

from __future__ import annotations

import pytest
import torch

from engine.training.ember.scenes.billows import billows
from engine.training.ember.scenes.fields import canvas
from engine.training.ember.scenes.outlines import sdf_oval, sdf_polygon, union

SQUARE = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
NOTCHED = ((-0.6, -0.6), (0.6, -0.6), (0.6, 0.6), (0.0, -0.2), (-0.6, 0.6))


def at(x: float, y: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((1, 1, 1), x), torch.full((1, 1, 1), y)


@pytest.mark.parametrize(
    ("place", "distance"),
    [((0.0, 0.0), -0.5), ((0.4, 0.0), -0.1), ((0.9, 0.1), 0.4), ((0.8, 0.9), 0.5)],
)
def test_a_square_is_as_far_away_as_its_nearest_side_or_corner(place, distance):
    assert float(sdf_polygon(*at(*place), SQUARE)) == pytest.approx(distance, abs=1e-5)


def test_the_notch_of_a_polygon_is_outside_and_the_order_of_corners_does_not_matter():
    assert float(sdf_polygon(*at(0.0, 0.3), NOTCHED)) > 0.0
    assert float(sdf_polygon(*at(0.45, 0.2), NOTCHED)) < 0.0
    x, y = canvas(32, 48)
    turned = sdf_polygon(x, y, NOTCHED[::-1])
    assert torch.allclose(sdf_polygon(x, y, NOTCHED), turned, atol=1e-6)


def test_an_oval_and_a_union_are_nought_on_their_outline():
    assert float(sdf_oval(*at(0.8, 0.0), 0.8, 0.3)) == pytest.approx(0.0, abs=1e-6)
    assert float(sdf_oval(*at(0.0, 0.3), 0.8, 0.3)) == pytest.approx(0.0, abs=1e-6)
    near, far = torch.tensor([0.1, -0.4]), torch.tensor([0.3, 0.2])
    assert torch.equal(union(near, far), near)


def _puff(radius: float) -> torch.Tensor:
    """A picture of grey with one white puff in the middle of its left half."""
    grey = torch.full((1, 3, 64, 128), 0.3)
    generator = torch.Generator().manual_seed(2)
    middle = (torch.full((1, 1, 1), -1.0), torch.zeros(1, 1, 1), torch.full((1, 1, 1), radius))
    white = torch.ones(1, 3)
    return billows(generator, grey, canvas(64, 128), [middle], dark=0.8 * white, bright=white)


def test_a_puff_is_whole_in_its_middle_and_leaves_no_trace_of_its_square():
    light = _puff(0.6)
    x, y = canvas(64, 128)
    away = torch.sqrt((x + 1.0) ** 2 + y * y).squeeze(0)
    assert float(light[0, 0][away < 0.1].min()) > 0.6
    untouched = light[0, 0][away > 1.35 * 0.6]
    assert torch.equal(untouched, torch.full_like(untouched, 0.3))
    rim = light[0, 0][(away > 1.3 * 0.6) & (away < 1.35 * 0.6)]
    assert float((rim - 0.3).abs().max()) < 0.05


def test_a_puff_without_a_radius_paints_nothing():
    assert torch.equal(_puff(0.0), torch.full((1, 3, 64, 128), 0.3))
