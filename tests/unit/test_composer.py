"""The composer: never black, never late, never stuck, and safe."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.compose.composer import Composer, hand_over_s
from engine.messages import ControlState, Picture, PromptWeight, Travel, Uint8, freeze
from engine.params import PARAMS, defaults
from tests.unit.test_flash import luminance, worst_flashes_per_s

FPS = 30.0
DT_S = 1.0 / FPS
SIDE = 96
RNG = np.random.default_rng(11)
FRAME_ENDS = [
    (name, end)
    for name, spec in PARAMS.items()
    for end in (spec.low, spec.high)
    if spec.applies == "frame" and end != spec.default
]
STILL = np.full((SIDE, SIDE, 3), (30, 60, 90), np.uint8)


def texture(seed: int) -> Uint8:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 180, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((8, 8, 1), np.uint8)))


def control(time_s: float, travel: Travel | None = None, **values: float) -> ControlState:
    named = {key.replace("__", "/"): value for key, value in values.items()}
    calm = {"motion/zoom": 0.0, "diffusion/noise_walk": 0.0}
    return ControlState(
        sample_index=round(time_s * 48000), time_s=time_s, host_time_s=time_s,
        values=defaults() | calm | named, travel=travel or Travel(),
        prompts=(PromptWeight("aurora", 1.0),), onset_count=0, beat_count=0, beat_phase=0.0,
        silent=False,
    )  # fmt: skip


def picture(
    index: int, pixels: Uint8, state: ControlState, *, interval_s: float = 0.1, fresh=False
) -> Picture:
    pixels = pixels.copy()
    freeze(pixels)
    return Picture(index, pixels, state, interval_s * 1000.0, interval_s, fresh)


def change(a: Uint8, b: Uint8) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@pytest.fixture
def composer() -> Composer:
    return Composer(SIDE, SIDE, STILL)


def test_before_the_first_picture_it_shows_the_still_alive_and_not_black():
    still = texture(9)
    composer = Composer(160, 90, still)
    frames = [composer.compose(None, None, time_s=0.0, dt_s=DT_S) for _ in range(150)]
    assert all(frame.shape == (90, 160, 3) for frame in frames)
    assert min(frame.mean() for frame in frames) > 60
    assert change(frames[0], frames[149]) > 2.0
    assert max(change(a, b) for a, b in pairwise(frames)) < 2.0
    assert composer.picture_index == -1


def test_a_picture_made_for_now_is_shown_bit_identical_and_as_a_new_array(composer: Composer):
    shown = picture(0, texture(1), control(0.0))
    for n in range(20):
        frame = composer.compose(shown, control(n * DT_S), time_s=n * DT_S, dt_s=DT_S)
        assert (frame == shown.pixels).all()
        assert frame.flags.writeable
        assert not np.shares_memory(frame, shown.pixels)
    assert composer.picture_index == 0


def test_the_motion_goes_on_between_two_pictures(composer: Composer):
    shown = picture(0, texture(1), control(0.0))
    frames = []
    for n in range(6):
        time_s = n * DT_S
        state = control(time_s, Travel(log_zoom=0.6 * time_s), motion__zoom=0.6)
        frames.append(composer.compose(shown, state, time_s=time_s, dt_s=DT_S))
    steps = [change(a, b) for a, b in pairwise(frames)]
    assert min(steps) > 0.3
    assert max(steps) < 4 * min(steps)


def test_a_picture_that_was_moved_by_diffusion_meets_the_one_moved_here(composer: Composer):
    """The new picture shows the old one where the composer has carried it: no jump back."""
    from engine.compose.motion import carry

    way = Travel(log_zoom=0.12, rotation_deg=4.0, pan_x=0.05)
    old = picture(0, texture(1), control(0.0))
    composer.compose(old, control(0.0), time_s=0.0, dt_s=DT_S)
    carried = composer.compose(old, control(0.1, way), time_s=0.1, dt_s=DT_S)
    new = picture(1, carry(texture(1), way, SIDE, SIDE), control(0.1, way), interval_s=0.03)
    assert change(carried, composer.compose(new, control(0.1, way), time_s=0.1, dt_s=DT_S)) == 0.0


@pytest.mark.parametrize(
    "values",
    [{"colour__exposure": 0.4}, {"motion__zoom": 1.2}, {"colour__saturation": 1.7}],
    ids=str,
)
def test_a_hit_shows_in_the_very_next_frame_without_a_new_picture(composer: Composer, values):
    shown = picture(0, texture(1), control(0.0))
    before = composer.compose(shown, control(1.0), time_s=1.0, dt_s=DT_S)
    hop_s = 512 / 48000
    travel = Travel(log_zoom=values.get("motion__zoom", 0.0) * hop_s)
    hit = control(1.0 + hop_s, travel, **values)
    after = composer.compose(shown, hit, time_s=1.0 + DT_S, dt_s=DT_S)
    assert change(before, after) > 0.5


def test_hand_over_is_a_cut_for_quick_models_and_never_longer_than_60_ms():
    assert hand_over_s(1 / 60) == 0.0
    assert hand_over_s(1 / 20) == 0.0
    assert 0.0 < hand_over_s(0.1) <= 0.06
    assert hand_over_s(5.0) == 0.06


@pytest.mark.parametrize("fps", [30.0, 60.0, 120.0])
def test_after_60_ms_nothing_of_the_old_picture_is_left(fps: float):
    composer = Composer(SIDE, SIDE, STILL)
    old, new = (picture(n, texture(n), control(0.0), interval_s=0.5) for n in (0, 1))
    for _ in range(10):
        composer.compose(old, control(0.0), time_s=0.0, dt_s=1 / fps)
    elapsed_s, mixed = 0.0, 0
    while elapsed_s < 0.06 + 1e-9:
        frame = composer.compose(new, control(0.0), time_s=0.0, dt_s=1 / fps)
        assert change(frame, old.pixels) > 0.0
        mixed += change(frame, new.pixels) > 0.0
        elapsed_s += 1 / fps
    assert mixed >= 1
    frame = composer.compose(new, control(0.0), time_s=0.0, dt_s=1 / fps)
    assert (frame == new.pixels).all()


def test_a_fresh_picture_cuts(composer: Composer):
    old, new = texture(0), texture(1)
    composer.compose(picture(0, old, control(0.0)), control(0.0), time_s=0.0, dt_s=DT_S)
    cut = picture(1, new, control(0.0), interval_s=0.5, fresh=True)
    assert (composer.compose(cut, control(0.0), time_s=0.0, dt_s=DT_S) == new).all()


def test_the_first_picture_fades_in_over_the_still_even_when_others_follow(composer: Composer):
    composer.compose(None, None, time_s=0.0, dt_s=DT_S)
    shares = []
    for n in range(20):
        shown = picture(n, np.full_like(STILL, 200), control(0.0), fresh=n == 0, interval_s=0.03)
        frame = composer.compose(shown, control(0.0), time_s=0.0, dt_s=DT_S)
        shares.append((frame.mean() - STILL.mean()) / (200.0 - STILL.mean()))
    assert 0.0 < shares[0] < 0.2
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_export_whose_first_frame_has_a_picture_starts_with_it(composer: Composer):
    first = picture(0, texture(4), control(0.0), fresh=True)
    frame = composer.compose(first, control(0.0), time_s=0.0, dt_s=DT_S)
    assert (frame == first.pixels).all()


def test_diffusion_that_stalls_for_a_minute_leaves_a_moving_picture():
    composer = Composer(160, 90, STILL)
    shown = picture(0, texture(1), control(0.0))
    frame = STILL
    for n in range(0, 1800, 30):
        time_s = n * DT_S
        state = control(time_s, Travel(log_zoom=0.2 * time_s, rotation_deg=9 * time_s))
        frame = composer.compose(shown, state, time_s=time_s, dt_s=DT_S)
    assert frame.std() > 15.0


def test_freeze_holds_the_picture_and_the_fader_still_works(composer: Composer):
    first, second = (picture(n, texture(n), control(0.0), interval_s=0.03) for n in (0, 1))
    before = composer.compose(first, control(0.0), time_s=0.0, dt_s=DT_S)
    composer.freeze = True
    moving = control(0.1, Travel(log_zoom=0.3), colour__exposure=0.5)
    held = [composer.compose(second, moving, time_s=0.1, dt_s=DT_S) for _ in range(3)]
    assert all((frame == before).all() for frame in held)
    assert not np.shares_memory(held[0], held[1])
    faded = composer.compose(second, control(0.1, master__fade=0.5), time_s=0.1, dt_s=DT_S)
    assert faded.mean() == pytest.approx(before.mean() / 2, rel=0.02)
    composer.freeze = False
    frame = composer.compose(second, control(0.1), time_s=0.1, dt_s=DT_S)
    assert (frame == second.pixels).all()


def test_blackout_is_black_at_once_and_over_at_once(composer: Composer):
    shown = picture(0, texture(1), control(0.0))
    composer.compose(shown, control(0.0), time_s=0.0, dt_s=DT_S)
    composer.blackout = True
    assert composer.compose(shown, control(0.0), time_s=0.0, dt_s=DT_S).max() == 0
    composer.blackout = False
    assert (composer.compose(shown, control(0.0), time_s=0.0, dt_s=DT_S) == shown.pixels).all()


def test_the_still_comes_and_goes_on_request(composer: Composer):
    shown = picture(0, texture(1), control(0.0))
    composer.compose(shown, control(0.0), time_s=0.0, dt_s=DT_S)
    composer.still = True
    frame = composer.compose(shown, control(0.0), time_s=0.0, dt_s=DT_S)
    assert change(frame, STILL) < 1.0
    composer.still = False
    assert (composer.compose(shown, control(0.0), time_s=0.0, dt_s=DT_S) == shown.pixels).all()


@pytest.mark.parametrize(("name", "value"), FRAME_ENDS, ids=str)
@pytest.mark.parametrize("size", [(SIDE, SIDE), (48, 32), (160, 120)], ids=str)
def test_every_frame_parameter_changes_the_output_at_both_ends(name: str, value: float, size):
    colourful = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    shown = picture(0, colourful, control(0.0))
    frames = [
        Composer(*size, STILL).compose(shown, state, time_s=0.0, dt_s=DT_S)
        for state in (control(0.0), control(0.0, **{name.replace("/", "__"): value}))
    ]
    assert change(*frames) > 3.0


@pytest.mark.parametrize(
    "name",
    ["motion/zoom", "motion/rotation", "motion/pan_x", "motion/pan_y"],
)
def test_every_motion_parameter_moves_the_picture_between_pictures(composer: Composer, name: str):
    shown = picture(0, texture(2), control(0.0))
    state = control(0.0, **{name.replace("/", "__"): PARAMS[name].high})
    assert change(composer.compose(shown, state, time_s=0.2, dt_s=DT_S), shown.pixels) > 1.0


def test_a_strobing_preset_leaves_with_at_most_three_flashes_a_second(composer: Composer):
    shown = picture(0, np.full((SIDE, SIDE, 3), 128, np.uint8), control(0.0))
    frames = []
    for n in range(180):
        state = control(n * DT_S, colour__exposure=2.0 if n % 3 == 0 else -2.0)
        frames.append(composer.compose(shown, state, time_s=n * DT_S, dt_s=DT_S))
    assert worst_flashes_per_s(luminance(frames), FPS, 0.1) <= 3.0
    assert composer.flashes_limited > 0


def test_a_large_picture_is_shrunk_and_a_small_one_enlarged_to_the_output_size():
    for size in ((320, 180), (48, 64), (96, 96)):
        composer = Composer(*size, STILL)
        for side in (32, 256):
            grey = picture(side, np.full((side, side, 3), 99, np.uint8), control(0.0), fresh=True)
            frame = composer.compose(grey, control(0.0), time_s=0.0, dt_s=DT_S)
            assert frame.shape == (size[1], size[0], 3)
            assert (frame == 99).all()
