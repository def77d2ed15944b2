"""The flash limiter: at most three flashes a second, and no touch otherwise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engine.compose.flash import FlashLimiter
from engine.compose.grade import to_linear
from engine.messages import Uint8

WIDTH, HEIGHT = 96, 64
LIGHT = to_linear(np.arange(256) / 255.0)


def flat(*colour: int) -> Uint8:
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    frame[:] = colour if len(colour) == 3 else colour * 3
    return frame


def halves(left: Uint8, right: Uint8, share: float) -> Uint8:
    frame = right.copy()
    columns = round(WIDTH * share)
    frame[:, :columns] = left[:, :columns]
    return frame


def worst_flashes_per_s(values: list[float], fps: float, change: float) -> float:
    """An independent count: half the opposing changes in the worst second of a curve."""
    turns, high, low, heading = [], values[0], values[0], 0
    for index, value in enumerate(values):
        high, low = max(high, value), min(low, value)
        if heading >= 0 and high - value >= change:
            heading, high, low = -1, value, value
            turns.append(index / fps)
        elif heading <= 0 and value - low >= change:
            heading, high, low = 1, value, value
            turns.append(index / fps)
    return max((sum(t <= u < t + 1.0 for u in turns) / 2 for t in turns), default=0.0)


def luminance(frames: list[Uint8]) -> list[float]:
    weights = np.array([0.2126, 0.7152, 0.0722])
    return [float((LIGHT[frame].mean((0, 1)) * weights).sum()) for frame in frames]


def redness(frames: list[Uint8]) -> list[float]:
    means = [LIGHT[frame].mean((0, 1)) for frame in frames]
    return [max(float(r - g - b), 0.0) for r, g, b in means]


def through(frames: list[Uint8], fps: float = 30.0) -> tuple[list[Uint8], FlashLimiter]:
    limiter = FlashLimiter(WIDTH, HEIGHT)
    return [limiter.step(frame, 1.0 / fps) for frame in frames], limiter


def strobe(on: Uint8, off: Uint8, hz: float, fps: float, seconds: float) -> list[Uint8]:
    return [on if (n * hz / fps) % 1.0 < 0.5 else off for n in range(round(fps * seconds))]


@pytest.mark.parametrize(
    ("hz", "fps"), [(10.0, 24.0), (5.0, 30.0), (10.0, 30.0), (12.0, 30.0), (10.0, 60.0)]
)
def test_a_strobe_comes_out_with_at_most_three_flashes_a_second(hz: float, fps: float):
    frames = strobe(flat(255), flat(0), hz, fps, 3.0)
    assert worst_flashes_per_s(luminance(frames), fps, 0.1) >= 4.5
    out, limiter = through(frames, fps)
    assert 1.0 <= worst_flashes_per_s(luminance(out), fps, 0.1) <= 3.0
    assert limiter.limited > 3


def test_a_weak_strobe_and_one_of_part_of_the_picture_are_limited_too():
    weak = strobe(flat(150), flat(100), 10.0, 30.0, 2.5)
    assert worst_flashes_per_s(luminance(weak), 30.0, 0.1) > 3.0
    assert worst_flashes_per_s(luminance(through(weak)[0]), 30.0, 0.1) <= 3.0
    part = strobe(halves(flat(255), flat(20), 0.4), flat(20), 10.0, 30.0, 2.5)
    out = [frame[:, :20] for frame in through(part)[0]]
    assert worst_flashes_per_s(luminance(out), 30.0, 0.1) <= 3.0


def test_red_flashes_are_limited_even_where_luminance_hardly_changes():
    frames = strobe(flat(130, 0, 0), flat(0, 68, 0), 10.0, 30.0, 2.5)
    assert worst_flashes_per_s(luminance(frames), 30.0, 0.1) == 0.0
    assert worst_flashes_per_s(redness(frames), 30.0, 20 / 320) > 3.0
    out, limiter = through(frames)
    assert worst_flashes_per_s(redness(out), 30.0, 20 / 320) <= 3.0
    assert limiter.limited > 0


@pytest.mark.parametrize(
    "frames",
    [
        [flat(180)] * 90,
        [flat(round(128 + 127 * np.sin(2 * np.pi * n / 30))) for n in range(120)],
        strobe(flat(255), flat(0), 2.0, 30.0, 4.0),
        strobe(halves(flat(255), flat(90), 0.07), flat(90), 10.0, 30.0, 3.0),
        strobe(flat(255), flat(235), 10.0, 30.0, 3.0),
        strobe(flat(90), flat(70), 10.0, 30.0, 3.0),
    ],
    ids=["static", "slow", "slow strobe", "small area", "bright", "faint"],
)
def test_harmless_content_passes_as_the_very_same_array(frames: list[Uint8]):
    out, limiter = through(frames)
    assert all(a is b for a, b in zip(frames, out, strict=True))
    assert limiter.limited == 0


def test_a_moving_texture_passes_untouched():
    coarse = np.random.default_rng(5).integers(80, 180, (4, 24, 3), dtype=np.uint8)
    field = cv2.resize(coarse, (4 * WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    frames = [np.ascontiguousarray(field[:, n : n + WIDTH]) for n in range(0, 240, 2)]
    out, limiter = through(frames)
    assert limiter.limited == 0
    assert all(a is b for a, b in zip(frames, out, strict=True))


def test_it_lets_go_within_about_a_second_when_the_strobe_ends():
    frames = strobe(flat(255), flat(0), 10.0, 30.0, 3.0) + [flat(200)] * 45
    out, _ = through(frames)
    assert (out[-1] == 200).all()
    assert out[-1] is frames[-1]


def test_a_blackout_is_noted_but_never_delayed():
    limiter = FlashLimiter(WIDTH, HEIGHT)
    out = []
    for n in range(120):
        if n % 3 == 0:
            black = flat(0)
            limiter.pass_unlimited(black, 1 / 30)
            out.append(black)
        else:
            out.append(limiter.step(flat(230), 1 / 30))
    assert limiter.limited > 0
    assert worst_flashes_per_s(luminance(out), 30.0, 0.1) <= 3.5


def test_it_works_at_any_shape():
    for height, width in ((16, 16), (720, 64), (30, 400)):
        limiter = FlashLimiter(width, height)
        for n in range(60):
            frame = np.full((height, width, 3), 255 * (n % 2), np.uint8)
            assert limiter.step(frame, 1 / 30).shape == frame.shape
        assert limiter.limited > 0
