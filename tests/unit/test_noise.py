from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.diffusion.frame_params import MOST_CALLS, FrameParams
from engine.diffusion.noise import NoiseWalk
from engine.diffusion.warp import Warp
from engine.messages import Travel

CPU = torch.device("cpu")
SHAPE = (1, 16, 32, 32)


class Walk:
    """A noise walk whose pictures move from travel to travel."""

    def __init__(self, shape: tuple[int, int, int, int] = SHAPE, seed: int = 3) -> None:
        self.params = FrameParams(CPU)
        self.walk = NoiseWalk(shape, seed, CPU, self.params)
        self.params.set("noise_warp", 1.0)
        self.seed = seed
        self.frames = 0
        self._warp = Warp(shape[3] * 16, shape[2] * 16, CPU)

    def at(self, angle_rad: float, call: int = 0, seed: int | None = None) -> torch.Tensor:
        self.walk.plan(angle_rad, MOST_CALLS, self.seed if seed is None else seed)
        return self.walk.at(call).clone()

    def carry(self, before: Travel, after: Travel) -> None:
        self.frames += 1
        self.params.set("noise_turn", self.frames * 0.618034 % 1.0)
        self.params.set("warp", self._warp.plan(before, after))
        self.walk.carry(self.params["warp"])


def cosine(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(first.flatten(), second.flatten(), dim=0))


def cells(noise: torch.Tensor) -> list[tuple[float, ...]]:
    return [tuple(cell) for cell in noise[0].flatten(1).T.tolist()]


def test_noise_keeps_its_variance_and_never_comes_back() -> None:
    walk = Walk()
    fields = [walk.at(float(angle)) for angle in np.linspace(0.0, 4 * np.pi, 33)]
    assert all(0.95 < float(field.std()) < 1.05 for field in fields)
    assert all(abs(cosine(fields[0], later)) < 0.1 for later in fields[8:])


def test_noise_is_continuous_across_a_quarter_turn() -> None:
    walk = Walk()
    for turn in range(1, 5):  # fields change places by turns
        before, after = walk.at(turn * np.pi / 2 - 1e-4), walk.at(turn * np.pi / 2 + 1e-4)
        assert float((before - after).abs().max()) < 1e-2


def test_it_can_be_walked_backwards_and_lands_where_it_was() -> None:
    walk = Walk()
    first = walk.at(1.0)
    walk.at(9.0)
    assert torch.equal(walk.at(1.0), first)


def test_the_calls_of_one_frame_see_noise_of_their_own() -> None:
    walk = Walk()
    noises = [walk.at(0.7, call) for call in range(MOST_CALLS)]
    for k in range(MOST_CALLS):
        assert all(abs(cosine(noises[k], other)) < 0.1 for other in noises[k + 1 :])


def test_another_seed_is_another_walk() -> None:
    walk = Walk()
    assert abs(cosine(walk.at(0.3), walk.at(0.3, seed=4))) < 0.1


@pytest.mark.parametrize(
    "rate",
    [
        Travel(log_zoom=0.02),
        Travel(log_zoom=-0.02),
        Travel(rotation_deg=1.5),
        Travel(pan_x=0.011, pan_y=-0.007),
        Travel(log_zoom=0.01, rotation_deg=-1.0, warp_s=0.02),
    ],
)
def test_noise_that_moves_stays_white(rate: Travel) -> None:
    walk = Walk()
    walk.at(0.0)
    travel = Travel()
    for _ in range(200):
        following = Travel(
            *(getattr(travel, name) + getattr(rate, name) for name in
              ("log_zoom", "rotation_deg", "pan_x", "pan_y", "noise_rad", "warp_s"))
        )  # fmt: skip
        walk.carry(travel, following)
        travel = following
    noise = walk.at(0.0)
    assert float(noise.std()) == pytest.approx(1.0, abs=0.02)
    assert abs(float(noise.mean())) < 0.03
    for way in (noise[..., 1:] * noise[..., :-1], noise[..., 1:, :] * noise[..., :-1, :]):
        assert abs(float(way.mean())) < 0.03  # neighbours know nothing of each other


def test_noise_goes_as_far_as_the_picture() -> None:
    walk = Walk()
    start = walk.at(0.0)
    for k in range(25):  # 0.12 of a cell each: three cells in all
        walk.carry(Travel(pan_x=k * 0.12 / 32), Travel(pan_x=(k + 1) * 0.12 / 32))
    assert torch.equal(walk.at(0.0)[..., 3:], start[..., :-3])


def test_in_a_zoom_most_cells_are_inherited_and_none_twice() -> None:
    walk = Walk()
    start = cells(walk.at(0.0))
    walk.carry(Travel(), Travel(log_zoom=0.1))
    after = cells(walk.at(0.0))
    assert len(set(after)) == len(after)
    assert 0.75 < len(set(after) & set(start)) / len(after) < 0.9  # e^-0.2 = 0.82


def test_a_walk_that_moved_goes_on_from_its_state() -> None:
    whole, after = Walk(), Walk()
    for walk in (whole, after):
        walk.at(0.4)
    whole.carry(Travel(), Travel(log_zoom=0.03))
    after.walk.restore(whole.walk.state())
    after.frames = whole.frames
    for walk in (whole, after):
        walk.carry(Travel(), Travel(rotation_deg=3.0))
    assert torch.equal(whole.at(0.4), after.at(0.4))
