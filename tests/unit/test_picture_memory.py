"""`diffusion/memory`: pictures look back at those of the last second."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.frame import FrameMode, FrameProgram
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.ember.bundle import EmberBundle, open_ember
from engine.diffusion.picture_memory import MOST_SHARE, SLOT_S
from engine.export.state_file import load_state, save_state
from engine.messages import ControlState, Travel, Uint8
from engine.registry import ModelRequest
from tests.checkpoints import write_sd, write_sd3, write_sdxl
from tests.states import control
from tests.tape import Watch, forbid_questions

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIDE = 128
DT_S = 0.1


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("checkpoints")
    return {
        "sd": write_sd(home / "sd", tiny_vae=False),
        "sdxl": write_sdxl(home / "sdxl"),
        "sd3": write_sd3(home / "sd3"),
    }


def opened(name: str, folders: dict[str, Path], side: int = SIDE) -> FeedbackModel:
    if name == "ember":
        return open_ember(ModelRequest("ember", side, side, "cpu", "float32", 1))
    return open_checkpoint(ModelRequest(str(folders[name]), side, side, "cpu", "float32", 1))


def show(k: int, dt_s: float = DT_S, **values: float) -> ControlState:
    time_s = k * dt_s
    travel = Travel(0.04 * time_s, 2.0 * time_s, 0.0, 0.0, 1.5 * time_s)
    return control(time_s, travel=travel, prompts=(("a neon city by the water", 1.0),), **values)


def pictures(model: FeedbackModel, first: int = 0, last: int = 12, **values: float) -> list[Uint8]:
    return [model.generate(show(k, **values), DT_S) for k in range(first, last)]


def all_equal(one: list[Uint8], two: list[Uint8]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def heard_shares(model: FeedbackModel) -> list[float]:
    """How much each slot counts in the newest frame."""
    slots = 4 if model.name == "ember" else 2
    share: list[float] = model._state.params["memory_bias"][:slots].exp().tolist()
    return share


@pytest.mark.parametrize("name", ["ember", "sd", "sdxl"])
def test_without_memory_a_frame_does_what_it_did_before_there_was_one(
    name: str, folders: dict[str, Path]
) -> None:
    never, once = opened(name, folders), opened(name, folders)
    remembering = pictures(once, diffusion__memory=1.0)
    once.restart()
    plain = pictures(never)
    assert all_equal(plain, pictures(once, diffusion__memory=0.0))
    assert not all_equal(plain, remembering)
    done = []
    for model in (never, once):
        with torch.inference_mode(), Watch() as watch:
            FrameProgram(model.bundle, model._state)(FrameMode("picture", moved=True))
        done.append([step[0].name() for step in watch.steps])
    assert done[0] == done[1]


def test_a_memory_steadies_what_moves_by_itself(folders: dict[str, Path]) -> None:
    steps = []
    for amount in (0.0, 0.5, 1.0):
        model = opened("ember", folders, 256)
        made = [model.generate(show(k, 1 / 24, diffusion__memory=amount), 1 / 24).astype(int)
                for k in range(48)]  # fmt: skip
        steps.append(np.abs(np.diff(made[12:], axis=0)).mean())
    assert steps[2] < steps[1] < steps[0]
    assert steps[2] < 0.97 * steps[0]


@pytest.mark.parametrize("fps", [8.0, 40.0])
def test_slots_are_written_in_turn_by_picture_time(fps: float, folders: dict[str, Path]) -> None:
    model = opened("ember", folders)
    written, slots = [], []
    for k in range(round(2.0 * fps) + 1):
        model.generate(show(k, 1 / fps, diffusion__memory=0.5), 1 / fps)
        if model._memory._memory is not None and model._memory._memory.keeping:
            written.append(k / fps)
            slots.append(int(model._state.params["memory_slot"]))
            assert heard_shares(model)[slots[-1]] == 0.0  # what is overwritten counts nothing
    assert np.diff(written) == pytest.approx([SLOT_S] * (len(written) - 1), abs=1.01 / fps)
    assert len(written) == pytest.approx(2.0 / SLOT_S, abs=1.0)
    assert slots == [(slots[0] + k) % 4 for k in range(len(slots))]


def test_what_is_remembered_comes_and_goes_gradually_and_counts_the_same_once_full(
    folders: dict[str, Path],
) -> None:
    model = opened("ember", folders)
    fps, seen = 40.0, []
    for k in range(80):
        model.generate(show(k, 1 / fps, diffusion__memory=0.5), 1 / fps)
        seen.append(heard_shares(model))
    share = 0.5 * MOST_SHARE
    full = np.array(seen[45:])
    assert full.sum(axis=1) == pytest.approx(share / (1.0 - share), rel=1e-4)
    step = share / (1.0 - share) / 3 / (SLOT_S * fps)
    assert np.abs(np.diff(np.array(seen[2:]), axis=0)).max() == pytest.approx(step, rel=1e-3)


def test_pictures_further_apart_than_slots_are_all_kept(folders: dict[str, Path]) -> None:
    model = opened("sd", folders)
    for k in range(5):
        model.generate(show(k, 3.0, diffusion__memory=1.0), 3.0)
        assert k == 0 or model._memory._memory.keeping  # type: ignore[union-attr]
    assert sum(heard_shares(model)) == pytest.approx(MOST_SHARE / (1.0 - MOST_SHARE), rel=1e-4)


@pytest.mark.parametrize("values", [{}, {"diffusion__steps": 2, "diffusion__guidance": 1.6}])
@pytest.mark.parametrize("name", ["ember", "sd"])
def test_a_show_that_was_put_aside_goes_on_as_if_nothing_had_happened(
    name: str, values: dict[str, float], folders: dict[str, Path], tmp_path: Path
) -> None:
    values = values | {"diffusion__memory": 1.0}
    whole = opened(name, folders)
    begun, after = opened(name, folders), opened(name, folders)
    made = pictures(whole, **values)
    pictures(begun, 0, 7, **values)
    save_state(tmp_path / "state", {"model": begun.state()})
    stored = load_state(tmp_path / "state")
    assert stored is not None
    after.restore(stored["model"])
    assert all_equal(pictures(after, 7, **values), made[7:])
    after.restore(stored["model"])
    after._memory.forget()
    assert not all_equal(pictures(after, 7, **values), made[7:])


def test_a_restart_and_an_init_image_forget(folders: dict[str, Path]) -> None:
    model = opened("ember", folders)
    made = pictures(model, diffusion__memory=1.0)
    model.restart()
    assert model._memory.state()["kept"] is None
    assert all_equal(pictures(model, diffusion__memory=1.0), made)
    assert model._memory.state()["kept"] is not None
    model.start_from(np.full((SIDE, SIDE, 3), 120, np.uint8))
    assert model._memory.state()["kept"] is None


def test_closing_the_fader_forgets(folders: dict[str, Path]) -> None:
    model = opened("ember", folders)
    pictures(model, 0, 8, diffusion__memory=1.0)
    pictures(model, 8, 9)
    pictures(model, 9, 10, diffusion__memory=1.0)
    assert heard_shares(model) == [0.0] * 4


def test_a_picture_that_is_no_number_is_not_remembered(folders: dict[str, Path]) -> None:
    model = opened("sd", folders)
    pictures(model, 0, 5, diffusion__memory=1.0)
    with torch.inference_mode():
        model._state.picture.fill_(float("nan"))
        model._memory._since_s = SLOT_S
    pictures(model, 5, 6, diffusion__memory=1.0)
    memory = model._memory._memory
    assert memory is not None
    assert memory.keeping  # so it was written
    assert not memory.buffer.any()
    healed = pictures(model, 6, 14, diffusion__memory=1.0)
    assert all(picture.std() > 1.0 for picture in healed)
    assert memory.buffer.isfinite().all()
    assert memory.buffer.any()


def test_with_guidance_each_row_remembers_its_own(folders: dict[str, Path]) -> None:
    model = opened("ember", folders)
    pictures(model, 0, 6, diffusion__memory=1.0)
    assert model._memory._memory.rows == 1  # type: ignore[union-attr]
    pictures(model, 6, 14, diffusion__memory=1.0, diffusion__guidance=1.8)
    memory = model._memory._memory
    assert memory is not None
    assert memory.rows == 2
    keys = memory.layers[0].keys
    assert keys[1].any()
    assert not torch.equal(keys[0], keys[1])
    pictures(model, 14, 15, diffusion__memory=1.0)
    assert heard_shares(model) == [0.0] * 4  # the other row's pictures are of another kind
    assert model._memory._memory is memory


@pytest.mark.parametrize("name", ["ember", "sd", "sdxl"])
def test_no_remembering_frame_asks_the_device_anything(
    name: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(name, folders)
    pictures(model, 0, 5, diffusion__memory=1.0)
    program = FrameProgram(model.bundle, model._state)
    forbid_questions(monkeypatch)
    written = []
    for kept in (False, True):
        model._memory._memory.keeping = kept  # type: ignore[union-attr]
        with torch.inference_mode(), Watch() as watch:
            program(FrameMode("picture", 2, moved=True, remembered=True, kept=kept))
        written.append(sum(step[0].name() == "aten::index_copy_" for step in watch.steps))
    layers = len(model._memory._memory.layers)  # type: ignore[union-attr]
    assert written[1] - written[0] == 2 * 2 * layers  # keys and values, two calls


@pytest.mark.parametrize("name", ["ember", "sd"])
def test_the_memory_never_moves_and_does_not_grow(name: str, folders: dict[str, Path]) -> None:
    model = opened(name, folders)
    pictures(model, 0, 3, diffusion__memory=1.0)
    memory = model._memory._memory
    assert memory is not None
    place, shape = memory.buffer.data_ptr(), model._state.prompt_shape
    model.restart()
    pictures(model, 3, 9, diffusion__memory=0.3)
    pictures(model, 9, 10)
    pictures(model, 10, 16, diffusion__memory=0.8)
    model.restore(model.state())
    pictures(model, 16, 18, diffusion__memory=1.0)
    assert model._memory._memory is memory
    assert (memory.buffer.data_ptr(), model._state.prompt_shape) == (place, shape)


def test_while_it_remembers_the_network_itself_is_called(folders: dict[str, Path]) -> None:
    model, plain = opened("sd", folders), opened("sd", folders)
    called: list[str] = []
    bundle: Any = model.bundle
    parts = bundle.parts(SIDE, SIDE)
    plain.bundle.parts(SIDE, SIDE)  # type: ignore[attr-defined]

    def compiled(name: str) -> Any:
        def network(*inputs: torch.Tensor) -> torch.Tensor:
            called.append(name)
            answer: torch.Tensor = parts[name].module(*inputs)
            return answer

        return network

    bundle.use({name: compiled(name) for name in parts})
    made = pictures(model, 0, 5, diffusion__memory=1.0)
    assert set(called[-2:]) == {"encode", "decode"}
    assert called.count("unet") == model.bundle.fresh_steps  # the first grows from nothing
    assert all_equal(made, pictures(plain, 0, 5, diffusion__memory=1.0))
    called.clear()
    pictures(model, 5, 6)
    assert called == ["encode", "unet", "decode"]


def test_embers_runners_leave_a_remembering_network_to_torch(folders: dict[str, Path]) -> None:
    model, plain = opened("ember", folders), opened("ember", folders)
    pictures(model, 0, 1)
    pictures(plain, 0, 1)
    bundle = model.bundle
    assert isinstance(bundle, EmberBundle)

    def refuse(*_: torch.Tensor) -> torch.Tensor:
        raise AssertionError("another runtime has no memory")

    bundle._networks = replace(bundle._open, unet=refuse)  # type: ignore[arg-type]
    made = pictures(model, 1, 4, diffusion__memory=1.0)
    assert all_equal(made, pictures(plain, 1, 4, diffusion__memory=1.0))
    with pytest.raises(AssertionError, match="no memory"):
        pictures(model, 4, 5)


def test_a_model_that_cannot_remember_says_so_and_paints_on(folders: dict[str, Path]) -> None:
    model, plain = opened("sd3", folders, 64), opened("sd3", folders, 64)
    made = pictures(model, 0, 2, diffusion__memory=1.0)
    assert all_equal(made, pictures(plain, 0, 2))
    assert plain.advice == ""
    assert "cannot remember pictures: diffusion/memory changes nothing" in model.advice
    pictures(model, 2, 3)
    assert model.advice == ""


def test_the_bias_of_an_amount_is_its_share_of_what_is_seen(folders: dict[str, Path]) -> None:
    model = opened("ember", folders)
    for amount in (0.25, 1.0):
        pictures(model, 0, 14, diffusion__memory=amount)
        seen = sum(heard_shares(model))
        assert seen / (1.0 + seen) == pytest.approx(amount * MOST_SHARE, rel=1e-4)
        assert math.isfinite(seen)
        model.restart()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
