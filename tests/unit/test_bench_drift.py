from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.bench.drift import Stillness, Window, burning, drift, growth_mb_per_hour
from engine.bench.loop import plan_loop, walking
from engine.bench.morph import jump
from engine.bench.picture_figures import PictureFigures, picture_figures
from engine.errors import LimitError
from engine.presets import load_preset


def flat(red: int, green: int, blue: int) -> np.ndarray[Any, Any]:
    return np.full((32, 48, 3), (red, green, blue), np.uint8)


def window(scene: str, start_s: float, luminance: float, burnt: float = 0.0) -> Window:
    made = Window(scene, start_s)
    for change in (-0.01, 0.01):
        made.add(PictureFigures(luminance + change, 0.5, 100.0, burnt))
    return made


def test_a_grey_picture_has_its_light_no_colour_and_no_edges() -> None:
    figures = picture_figures(flat(51, 51, 51))
    assert figures.luminance == pytest.approx(0.2, abs=1e-6)
    assert (figures.saturation, figures.sharpness, figures.burnt) == (0.0, 0.0, 0.0)


def test_a_blurred_picture_is_less_sharp() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    halves = noise.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    blurred = halves.repeat(2, axis=0).repeat(2, axis=1)
    assert picture_figures(blurred).sharpness < 0.5 * picture_figures(noise).sharpness


@pytest.mark.parametrize(
    ("colour", "burnt"),
    [((255, 255, 255), 1.0), ((255, 1, 254), 1.0), ((0, 0, 0), 0.0), ((255, 128, 0), 0.0)],
)
def test_white_and_pure_colours_are_burnt_but_black_and_plain_ones_are_not(
    colour: tuple[int, int, int], burnt: float
) -> None:
    assert picture_figures(flat(*colour)).burnt == burnt


def test_every_window_is_compared_with_the_first_of_its_own_scene() -> None:
    windows = [
        window("sea", 0.0, 0.20), window("sea", 10.0, 0.22), window("sun", 20.0, 0.80),
        window("sun", 30.0, 0.40), window("sea", 40.0, 0.19),
    ]  # fmt: skip
    found = drift(windows)
    assert found["compared"] == 3
    assert found["luminance"] == {
        "first": 0.2, "median_percent": 10.0, "worst_percent": -50.0, "worst_at_s": 30.0,
        "worst_scene": "sun",
    }  # fmt: skip


def test_a_scene_that_never_comes_back_is_not_called_stable() -> None:
    luminance = drift([window("sea", 0.0, 0.2), window("sun", 10.0, 0.2)])["luminance"]
    assert isinstance(luminance, dict)
    assert luminance["worst_percent"] is None


def test_windows_in_which_scenes_melt_are_told_apart() -> None:
    windows = [
        window("sea", 0.0, 0.20), window("sea -> sun", 10.0, 0.30), window("sea", 20.0, 0.21),
        window("sea -> sun", 30.0, 0.60),
    ]  # fmt: skip
    found = drift(windows)
    assert (found["compared"], found["luminance"]["worst_percent"]) == (1, 5.0)
    melting = found["melting"]
    assert (melting["compared"], melting["luminance"]["worst_percent"]) == (1, 100.0)


def test_burnt_pictures_are_counted_and_the_worst_is_told() -> None:
    found = burning([window("sea", 0.0, 0.2), window("sea", 10.0, 0.9, burnt=0.6)])
    assert found == {"burnt_share": 0.3, "burnt_worst": 0.6, "burnt": 2}


def test_only_equal_neighbours_are_frozen() -> None:
    stillness = Stillness()
    one, other = flat(1, 1, 1), flat(2, 2, 2)
    for pixels in (one, other, one, one.copy(), one.copy(), other):
        stillness.look(pixels)
    assert stillness.count == 2


def test_growth_is_a_slope_per_hour_without_the_start() -> None:
    windows = [window("sea", 10.0 * k, 0.2) for k in range(60)]
    for k, made in enumerate(windows):
        made.rss_mb = 900.0 if k < 3 else 400.0 + k * 10.0 / 3600.0 * 36.0
    assert growth_mb_per_hour(windows) == pytest.approx(36.0, abs=0.1)
    assert growth_mb_per_hour(windows[:4]) is None


def test_a_run_holds_its_first_prompt_then_walks_and_comes_back_to_it() -> None:
    plan = plan_loop(["sea", "sun"], 120.0, 10.0)
    assert plan.scenes[:6] == ("sea",) * 6
    assert plan.scenes[6:] == ("sea", "sea -> sun", "sun", "sun -> sea", "sea", "sea -> sun")
    assert plan.held == 6


def test_a_single_prompt_is_held_throughout() -> None:
    assert plan_loop(["sea"], 60.0, 10.0).scenes == ("sea",) * 6


@pytest.mark.parametrize("seconds", [0.0, -5.0, 19.0, float("nan"), float("inf")])
def test_a_run_without_two_windows_is_refused_with_what_would_do(seconds: float) -> None:
    with pytest.raises(LimitError, match="give 20s to 24h"):
        plan_loop(["sea", "sun"], seconds, 10.0)


def test_the_walk_is_laid_on_the_windows_and_nothing_else_moves_the_prompts() -> None:
    preset = walking(load_preset("pulse"), 10.0)
    assert {(scene.hold_s, scene.transition_s) for scene in preset.prompts} == {(10.0, 10.0)}
    assert preset.routes
    assert not any(route.target.startswith("prompt/") for route in preset.routes)


def test_a_jump_is_the_largest_change_over_the_median() -> None:
    assert jump([0.02, 0.01, 0.03, 0.02, 0.08]) == {"ratio": 4.0, "largest": 0.08, "median": 0.02}
