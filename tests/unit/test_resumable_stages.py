from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.compose.composer import Composer
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.loop import DiffusionLoop
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.errors import ResumeError
from engine.export.state_file import load_state, save_state
from engine.mailbox import Latest
from engine.messages import ControlState, Picture, Travel, Uint8, freeze
from engine.registry import ModelRequest
from tests.checkpoints import write_sd
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

FPS = 10.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sd(tmp_path_factory.mktemp("checkpoint") / "sd", width=64)


def walk(k: int) -> ControlState:
    """Moves on even pictures and stands on odd ones: both ways of feeding back are taken."""
    step = k // 2
    travel = Travel(0.02 * step, 0.5 * step, 0.01 * step, 0.0, 0.3 * k, 0.1 * step)
    return control(k / FPS, travel=travel, diffusion__anchor=0.3, diffusion__strength=0.4)


def stored(state: dict[str, object], path: Path) -> dict[str, object]:
    save_state(path, state)
    loaded = load_state(path)
    assert loaded is not None
    return loaded


def loop_of(folder: Path) -> tuple[DiffusionLoop, ManualClock, FeedbackModel]:
    clock = ManualClock()
    model = open_checkpoint(ModelRequest(str(folder), 64, 64, "cpu", "float32", 1))
    loop = DiffusionLoop(Latest(), Latest(), clock)
    loop.open_now(lambda: model)
    return loop, clock, model


def paint(loop: DiffusionLoop, clock: ManualClock, k: int) -> Picture:
    clock.set(k / FPS)
    picture = loop.step(walk(k))
    assert picture is not None
    return picture


@pytest.mark.parametrize("at", [1, 2, 5, 6])
def test_a_feedback_loop_goes_on_bit_for_bit(folder: Path, tmp_path: Path, at: int) -> None:
    loop, clock, _ = loop_of(folder)
    whole = [paint(loop, clock, k) for k in range(10)]
    before, clock, _ = loop_of(folder)
    for k in range(at):
        paint(before, clock, k)
    state = before.state()
    assert state is not None
    paint(before, clock, at)  # what is painted later does not reach into the state
    after, clock, _ = loop_of(folder)
    after.restore(stored(state, tmp_path / "state.npz"))
    for k in range(at, 10):
        picture = paint(after, clock, k)
        assert np.array_equal(picture.pixels, whole[k].pixels)
        assert picture.index == whole[k].index
        assert picture.fresh == whole[k].fresh
        assert picture.seconds_per_picture == whole[k].seconds_per_picture


def test_without_its_state_a_feedback_loop_paints_other_pictures(folder: Path) -> None:
    whole, clock, _ = loop_of(folder)
    for k in range(5):
        paint(whole, clock, k)
    wanted = paint(whole, clock, 5).pixels
    other, clock, _ = loop_of(folder)
    assert not np.array_equal(paint(other, clock, 5).pixels, wanted)


def test_an_init_image_not_yet_painted_over_is_part_of_the_state(
    folder: Path, tmp_path: Path
) -> None:
    _, _, first = loop_of(folder)
    first.start_from(np.full((40, 40, 3), (250, 30, 60), np.uint8))
    _, _, second = loop_of(folder)
    second.restore(stored(first.state(), tmp_path / "state.npz"))
    assert np.array_equal(second.generate(walk(0), 0.0), first.generate(walk(0), 0.0))


def flashing(k: int) -> Uint8:
    """Black and white by turns, ten a second: far too many flashes."""
    return freeze(np.full((48, 64, 3), 255 * (k % 2), np.uint8))


def frames(composer: Composer, first: int, last: int, newest: Picture | None) -> list[Uint8]:
    made = []
    picture = newest
    for k in range(first, last):
        if k % 3 == 0:
            picture = Picture(k, flashing(k // 3), walk(k), 0.0, 0.3, fresh=k == 0)
        made.append(freeze(composer.compose(picture, walk(k), time_s=k / 30.0, dt_s=1.0 / 30.0)))
    return made


@pytest.mark.parametrize("at", [1, 20, 37, 61])
def test_composer_and_flash_limiter_go_on_bit_for_bit(tmp_path: Path, at: int) -> None:
    still = np.zeros((48, 64, 3), np.uint8)
    whole = Composer(64, 48, still)
    wanted = frames(whole, 0, 90, None)
    assert whole.flashes_limited > 0  # the limiter's memory is put to the test
    before = Composer(64, 48, still)
    frames(before, 0, at, None)
    state = before.state()
    frames(before, at, at + 5, before.picture)  # does not reach into the state
    after = Composer(64, 48, still)
    after.restore(stored(state, tmp_path / "state.npz"))
    made = frames(after, at, 90, after.picture)
    assert all(np.array_equal(a, b) for a, b in zip(made, wanted[at:], strict=True))
    assert after.flashes_limited == whole.flashes_limited


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = {
        "array": np.arange(6, dtype=np.int8).reshape(2, 3),
        "single": np.float32(0.1),
        "numbers": [1, 0.1, float("inf"), True, None],
        "nested": {"text": "night, rain", "empty": {}, "list": [np.ones(2), {"a": 1}]},
    }
    loaded = load_state_of(state, tmp_path)
    assert loaded["array"].dtype == np.int8
    assert np.array_equal(loaded["array"], state["array"])
    assert type(loaded["single"]) is np.float32
    assert loaded["numbers"] == state["numbers"]
    assert loaded["nested"]["text"] == "night, rain"
    assert loaded["nested"]["empty"] == {}
    assert np.array_equal(loaded["nested"]["list"][0], np.ones(2))
    assert loaded["nested"]["list"][1] == {"a": 1}


def load_state_of(state: dict[str, object], folder: Path) -> dict:
    return stored(state, folder / "state.npz")


def test_no_file_is_no_state_and_a_broken_file_is_an_error(tmp_path: Path) -> None:
    assert load_state(tmp_path / "none.npz") is None
    for content in (b"", b"PK\x03\x04 cut off", b"text"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(ResumeError, match="damaged"):
            load_state(tmp_path / "bad.npz")
