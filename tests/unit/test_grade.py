"""Exposure, contrast, saturation, hue and fade."""

from __future__ import annotations

import numpy as np
import pytest

from engine.compose.grade import colour_matrix, fade, grade, to_code, to_linear, tone_table
from engine.params import PARAMS, defaults

PICTURE = np.random.default_rng(3).integers(0, 256, (32, 48, 3), dtype=np.uint8)
GREY = np.full((8, 8, 3), 118, np.uint8)
NEUTRAL = defaults()
GRADED = [
    "colour/exposure", "colour/contrast", "colour/saturation", "colour/hue",
]  # fmt: skip


def test_neutral_values_leave_the_very_same_picture():
    assert grade(PICTURE, NEUTRAL) is PICTURE
    assert fade(PICTURE, 1.0) is PICTURE


def test_every_frame_parameter_is_graded_or_faded_here():
    assert {name for name, spec in PARAMS.items() if spec.applies == "frame"} == {
        *GRADED,
        "master/fade",
    }


@pytest.mark.parametrize("name", GRADED)
@pytest.mark.parametrize("end", ["low", "high"])
def test_every_colour_parameter_changes_the_picture_at_both_ends(name: str, end: str):
    original = PICTURE.copy()
    changed = grade(PICTURE, NEUTRAL | {name: getattr(PARAMS[name], end)})
    assert changed.shape == PICTURE.shape
    assert np.abs(changed.astype(int) - PICTURE).mean() > 5.0
    assert (original == PICTURE).all()


def test_light_and_code_are_inverse():
    codes = np.arange(256) / 255.0
    assert to_code(to_linear(codes)) == pytest.approx(codes, abs=1e-9)


def test_one_stop_down_halves_the_light():
    light = to_linear(np.array([tone_table(-1.0, 1.0)[200] / 255.0]))[0]
    assert light == pytest.approx(to_linear(np.array([200 / 255.0]))[0] / 2.0, rel=0.01)


def test_more_light_never_burns_out_what_was_not_white():
    table = tone_table(1.0, 1.0)
    assert table[255] == 255
    assert table[250] < 255
    assert (np.diff(table.astype(int)) >= 0).all()
    assert (table[1:250] > np.arange(1, 250)).all()


def test_contrast_turns_around_middle_grey():
    table = tone_table(0.0, 1.5)
    assert abs(int(table[117]) - 117) <= 1
    assert table[60] < 60
    assert table[200] > 200


def test_saturation_zero_is_black_and_white_and_keeps_grey():
    grey = grade(PICTURE, NEUTRAL | {"colour/saturation": 0.0})
    assert np.ptp(grey.astype(int), axis=2).max() <= 1
    assert (grade(GREY, NEUTRAL | {"colour/saturation": 2.0}) == GREY).all()


def test_hue_turns_red_to_green_and_a_whole_turn_comes_back():
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 160
    turned = grade(red, NEUTRAL | {"colour/hue": 120.0})[0, 0].astype(int)
    assert turned[1] > turned[0]
    assert turned[1] > turned[2]
    assert colour_matrix(1.0, 360.0) == pytest.approx(np.eye(3), abs=1e-6)
    assert (grade(GREY, NEUTRAL | {"colour/hue": 77.0}) == GREY).all()


def test_the_last_fader_ends_in_black():
    assert fade(PICTURE, 0.0).max() == 0
    assert fade(np.full((2, 2, 3), 200, np.uint8), 0.5).max() == 100
