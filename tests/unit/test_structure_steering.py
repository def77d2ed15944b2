"""How a structure picture acts: mixed into the previous picture, on every model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from engine.clock import ManualClock
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.loop import DiffusionLoop
from engine.diffusion.models.ember.bundle import open_ember
from engine.diffusion.models.null import NullModel
from engine.diffusion.structure.shapes import DrawnShapes
from engine.diffusion.structure.steering import Steering
from engine.mailbox import Latest
from engine.messages import ControlState, Picture, Travel, Uint8, freeze
from engine.registry import ModelRequest
from tests.states import control

SIZE = 64
RIGHT = np.zeros((SIZE, SIZE, 3), np.uint8)
RIGHT[:, SIZE // 2 :] = 255
freeze(RIGHT)


@pytest.fixture(scope="module")
def ember() -> FeedbackModel:
    return open_ember(ModelRequest("ember", SIZE, SIZE, "cpu", "float32", 1))


def painted(
    model: FeedbackModel, structure: Uint8 | None, pictures: int = 6, **values: float
) -> Uint8:
    model.restart()
    model.steer(structure)
    for k in range(pictures):
        travel = Travel(noise_rad=0.1 * k)
        pixels = model.generate(control(k / 10, travel=travel, **values), 0.1 if k else 0.0)
    return pixels


def lean(pixels: Uint8) -> float:
    """How much brighter the right half is than the left one."""
    half = pixels.shape[1] // 2
    return float(pixels[:, half:].mean()) - float(pixels[:, :half].mean())


def test_the_mixture_is_the_one_of_the_formula() -> None:
    steering = Steering(SIZE, SIZE, torch.device("cpu"))
    previous = torch.full((1, 3, SIZE, SIZE), -0.25)
    assert steering.amount(1.0) == 0.0  # nothing steers yet
    steering.see(RIGHT)
    assert steering.amount(0.3) == 0.3
    for amount in (0.25, 1.0):
        mixed = steering.mix(previous, torch.tensor(amount))
        assert mixed[..., 0].unique().tolist() == pytest.approx([-0.25 + amount * -0.75])
        assert mixed[..., -1].unique().tolist() == pytest.approx([-0.25 + amount * 1.25])
    steering.see(None)
    assert steering.amount(1.0) == 0.0


def test_a_picture_that_shows_on_is_fitted_once_and_mixed_without_new_memory() -> None:
    steering = Steering(SIZE, SIZE, torch.device("cpu"))
    steering.see(RIGHT)
    fitted, place = steering.fitted, steering.picture.data_ptr()
    steering.see(RIGHT)
    assert steering.fitted is fitted
    first = steering.mix(torch.zeros(1, 3, SIZE, SIZE), torch.tensor(0.5)).data_ptr()
    steering.see(freeze(RIGHT[:, ::-1].copy()))
    assert steering.picture.data_ptr() == place
    assert steering.mix(torch.zeros(1, 3, SIZE, SIZE), torch.tensor(0.5)).data_ptr() == first


def test_shapes_follow_the_structure_the_more_the_larger_the_amount(ember: FeedbackModel) -> None:
    calm = {"diffusion__strength": 0.4}
    leans = [
        lean(painted(ember, RIGHT, structure__amount=amount, **calm))
        for amount in (0.0, 0.3, 0.6, 1.0)
    ]
    assert leans == sorted(leans)
    assert leans[-1] > leans[0] + 60.0
    mirrored = freeze(RIGHT[:, ::-1].copy())
    assert lean(painted(ember, mirrored, structure__amount=0.6, **calm)) < leans[0]


def test_without_a_source_or_at_nought_the_picture_is_what_it_was(ember: FeedbackModel) -> None:
    free = painted(ember, None)
    assert np.array_equal(free, painted(ember, None, structure__amount=1.0))
    assert np.array_equal(free, painted(ember, RIGHT, structure__amount=0.0))


def test_a_still_picture_is_steered_too(ember: FeedbackModel) -> None:
    """Where nothing moves the latent is fed back directly; a source must not be passed by."""
    values = {"motion__zoom": 0.0, "diffusion__anchor": 0.0, "structure__amount": 0.7}
    assert not np.array_equal(painted(ember, RIGHT, **values), painted(ember, None, **values))


def test_a_new_picture_acts_at_once_and_none_sets_the_shapes_free(ember: FeedbackModel) -> None:
    values = {"structure__amount": 0.8, "diffusion__strength": 0.3}
    right = lean(painted(ember, RIGHT, **values))
    ember.steer(None)
    for k in range(12):
        state = control(1.0 + k / 10, travel=Travel(noise_rad=1.0 + k), diffusion__strength=0.9)
        free = ember.generate(state, 0.1)
    assert lean(free) < 0.5 * right


class Log(NullModel):
    """A model that can be steered."""

    def __init__(self) -> None:
        super().__init__(16, 16)
        self.seen: list[Uint8 | None] = []

    def steer(self, picture: Uint8 | None) -> None:
        self.seen.append(picture)


@pytest.mark.parametrize("make", [Log, lambda: NullModel(16, 16)])
def test_the_loop_hands_every_model_that_takes_it_the_picture_of_its_moment(
    make: Callable[[], NullModel],
) -> None:
    controls: Latest[ControlState] = Latest()
    pictures: Latest[Picture] = Latest()
    shapes, model = DrawnShapes(32, 32), make()
    loop = DiffusionLoop(controls, pictures, ManualClock(), structure_at=shapes.picture_at)
    loop.open_now(lambda: model)
    for time_s in (0.0, 1.0, 1.01):
        assert loop.step(control(time_s)) is not None
    if isinstance(model, Log):
        assert model.seen[1] is model.seen[2] is not None
        assert not np.array_equal(model.seen[0], model.seen[1])  # type: ignore[arg-type]
    loop.close()
