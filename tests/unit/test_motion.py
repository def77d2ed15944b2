"""Carrying a picture to now: exact, with the signs of the parameter table."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.compose.motion import affine, carry, mix, travel_at
from engine.messages import ControlState, PromptWeight, Travel, Uint8
from engine.params import defaults
from engine.travel import way_between


def control(time_s: float, travel: Travel, **values: float) -> ControlState:
    named = {key.replace("__", "/"): value for key, value in values.items()}
    return ControlState(
        sample_index=0, time_s=time_s, host_time_s=time_s, values=defaults() | named,
        travel=travel, prompts=(PromptWeight("aurora", 1.0),), onset_count=0, beat_count=0,
        beat_phase=0.0, silent=False,
    )  # fmt: skip


def dot(width: int, height: int, x: int, y: int) -> Uint8:
    """A soft bright dot on black."""
    ys, xs = np.mgrid[0:height, 0:width]
    glow = 255.0 * np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / 18.0)
    return np.repeat(glow[..., None], 3, axis=2).astype(np.uint8)


def centre_of(frame: Uint8) -> tuple[float, float]:
    light = frame[..., 0].astype(np.float64)
    ys, xs = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]]
    return float((xs * light).sum() / light.sum()), float((ys * light).sum() / light.sum())


def test_the_way_is_the_exact_difference_while_pictures_keep_coming():
    before = Travel(100.1, 720.0, 3.0, -2.0, 50.0, 7.0)
    after = Travel(100.4, 735.0, 3.2, -2.1, 51.0, 7.5)
    way = way_between(before, after)
    assert way.log_zoom == pytest.approx(0.3, abs=1e-12)
    assert way.rotation_deg == 15.0
    assert way.pan_x == pytest.approx(0.2, abs=1e-12)
    assert way.pan_y == pytest.approx(-0.1, abs=1e-12)


def test_a_stalled_picture_slows_down_softly_and_stays_a_picture():
    zooms = [way_between(Travel(), Travel(log_zoom=0.05 * n)).log_zoom for n in range(400)]
    steps = np.diff(zooms)
    assert (steps >= 0.0).all()
    assert zooms[-1] <= 0.9
    assert steps.max() <= 0.05 + 1e-9
    assert way_between(Travel(), Travel(pan_x=-9.0)).pan_x >= -0.6


def test_travel_goes_on_at_the_newest_rates_for_a_quarter_of_a_second():
    state = control(2.0, Travel(log_zoom=1.0), motion__zoom=0.4, motion__pan_x=-0.2)
    assert travel_at(state, 2.1).log_zoom == pytest.approx(1.04)
    assert travel_at(state, 2.1).pan_x == pytest.approx(-0.02)
    assert travel_at(state, 60.0) == travel_at(state, 2.25)
    assert travel_at(state, 1.0) == state.travel


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (Travel(), (80.0, 50.0)),
        (Travel(pan_x=0.1), (96.0, 50.0)),
        (Travel(pan_y=0.1), (80.0, 62.0)),
        (Travel(log_zoom=math.log(1.5)), (79.5 + 0.75, 59.5 - 1.5 * 9.5)),
        (Travel(rotation_deg=90.0), (79.5 - 9.5, 59.5 - 0.5)),
    ],
    ids=["still", "right", "down", "nearer", "counter-clockwise"],
)
def test_directions_on_screen_are_those_of_the_parameter_table(way, expected):
    moved = carry(dot(160, 120, 80, 50), way, 160, 120)
    assert centre_of(moved) == pytest.approx(expected, abs=0.3)


def test_two_short_ways_make_one_long_way():
    first, second = Travel(0.1, 12.0), Travel(0.05, -3.0)
    both = Travel(first.log_zoom + second.log_zoom, first.rotation_deg + second.rotation_deg)
    size = (160, 120)
    square = [np.vstack((affine(size, size, way), [0, 0, 1])) for way in (first, second, both)]
    assert square[1] @ square[0] == pytest.approx(square[2], abs=1e-3)


@pytest.mark.parametrize("size", [(320, 180), (180, 320), (200, 200), (64, 64), (161, 91)])
def test_the_picture_covers_the_output_around_its_centre(size: tuple[int, int]):
    width, height = size
    frame = carry(dot(128, 128, 64, 64), Travel(), width, height)
    assert frame.shape == (height, width, 3)
    cover = max(width, height) / 128
    expected = ((width - 1) / 2 + cover * 0.5, (height - 1) / 2 + cover * 0.5)
    assert centre_of(frame) == pytest.approx(expected, abs=0.3)


def test_no_edge_is_ever_black():
    grey = np.full((90, 160, 3), 120, np.uint8)
    for way in (Travel(log_zoom=-0.8), Travel(rotation_deg=45.0), Travel(pan_x=0.6, pan_y=-0.6)):
        assert (carry(grey, way, 320, 180) == 120).all()


def test_a_fitting_picture_that_does_not_move_comes_back_bit_identical():
    picture = np.random.default_rng(1).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    assert carry(picture, Travel(noise_rad=3.0), 160, 90) is picture


def test_mixing_takes_the_stated_share_of_the_new():
    old, new = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 200, np.uint8)
    assert (mix(old, new, 0.25) == 50).all()
