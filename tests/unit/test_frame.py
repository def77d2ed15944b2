"""A frame is a program that can be recorded: fixed memory, no questions, no Python numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.autograd.profiler import profile

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.frame import FrameMode, FrameProgram, FrameState
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.ember.bundle import open_ember
from engine.diffusion.runners.frames import WARM_UPS, RecordedFrames
from engine.errors import ModelLoadError
from engine.messages import ControlState, Travel, Uint8
from engine.registry import ModelRequest
from tests.checkpoints import write_sd, write_sdxl
from tests.states import control
from tests.tape import Tape, Watch, forbid_questions

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIDE = 128
FRAMES = 18


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("checkpoints")
    return {"sd": write_sd(home / "sd"), "sdxl": write_sdxl(home / "sdxl")}


def opened(name: str, folders: dict[str, Path]) -> FeedbackModel:
    if name == "ember":
        return open_ember(ModelRequest("ember", SIDE, SIDE, "cpu", "float32", 1))
    return open_checkpoint(ModelRequest(str(folders[name]), SIDE, SIDE, "cpu", "float32", 1))


def recorded(model: FeedbackModel) -> Tape:
    """Have the frames of a model taped and replayed."""
    tape = Tape()
    state: FrameState = model._state
    model._frames = RecordedFrames(FrameProgram(model.bundle, state), state, tape)
    return tape


def show(k: int, **values: float) -> ControlState:
    """Every number that steers a frame differs from frame to frame."""
    mix = 0.5 + 0.5 * math.sin(0.7 * k)
    travel = Travel(0.02 * k, 0.6 * k, 0.004 * k, -0.002 * k, 0.4 * k)
    moving = {"diffusion__strength": 0.3 + 0.05 * (k % 7), "diffusion__anchor": 0.1 + 0.02 * k}
    prompts = (("a sunset over the sea", mix), ("newer wider", 1.0 - mix))
    return control(0.1 * k, prompts=prompts, travel=travel, **(moving | values))


def pictures(model: FeedbackModel, frames: int = FRAMES, **values: float) -> list[Uint8]:
    return [model.generate(show(k, **values), 0.1) for k in range(frames)]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ember", {}),
        ("ember", {"diffusion__noise_warp": 0.8, "diffusion__steps": 2}),
        ("ember", {"diffusion__guidance": 1.7, "diffusion__sharpen": 0.2}),
        ("ember", {"diffusion__memory": 0.7}),
        ("ember", {"diffusion__memory": 1.0, "diffusion__guidance": 1.7, "diffusion__steps": 2}),
        ("sd", {"diffusion__steps": 3}),
        ("sd", {"diffusion__memory": 1.0, "diffusion__steps": 2}),
        ("sdxl", {"diffusion__guidance": 2.0, "diffusion__noise_warp": 1.0}),
        ("sdxl", {"diffusion__memory": 0.5}),
    ],
)
def test_what_was_recorded_paints_what_the_program_paints(
    name: str, values: dict[str, float], folders: dict[str, Path]
) -> None:
    plain, replaying = opened(name, folders), opened(name, folders)
    tape = recorded(replaying)
    made, again = pictures(plain, **values), pictures(replaying, **values)
    kinds = 2 if "diffusion__memory" in values else 1  # those that are kept, and the others
    assert tape.taped == kinds
    # The first picture is a kind of its own.
    assert tape.replayed == FRAMES - 1 - kinds * (WARM_UPS + 1)
    for k in range(FRAMES):
        assert np.array_equal(made[k], again[k]), k
    assert len({picture.tobytes() for picture in made}) == FRAMES


def test_every_kind_of_frame_is_recorded_once_however_they_take_turns(
    folders: dict[str, Path],
) -> None:
    plain, replaying = opened("sd", folders), opened("sd", folders)
    tape = recorded(replaying)
    for k in range(40):
        still = control(0.1 * k, travel=Travel(0.02 * (k // 2)), diffusion__anchor=0.0)
        state = control(0.1 * k, travel=Travel(0.02 * (k // 2)), diffusion__anchor=0.0,
                        diffusion__sharpen=0.2) if k % 4 > 1 else still  # fmt: skip
        assert np.array_equal(plain.generate(state, 0.1), replaying.generate(state, 0.1)), k
    assert tape.taped == 3  # moved, moved and sharpened, and fed back as a latent


def test_prompts_of_another_length_are_recorded_anew(folders: dict[str, Path]) -> None:
    model = opened("ember", folders)
    tape = recorded(model)
    pictures(model, 8)
    dropped, state = tape.closed, model._state
    longer = state.prompt(guided=False)
    wider = type(longer)(torch.cat((longer.tokens, longer.tokens), 1), longer.pooled, longer.mask)
    with torch.inference_mode():
        state.hold_prompts(wider, wider)
        model._frames.run(FrameMode("picture", moved=True))
    assert tape.closed == dropped + 1


@pytest.mark.parametrize("name", ["ember", "sd", "sdxl"])
def test_no_frame_asks_the_device_anything(
    name: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(name, folders)
    pictures(model, 3)
    program = FrameProgram(model.bundle, model._state)
    kinds = [
        FrameMode("nothing", 2), FrameMode("latent"), FrameMode("picture", guided=True),
        FrameMode("picture", 4, moved=True, bent=True, sharpened=True, noise_moved=True),
        FrameMode("picture", anchored=False, moved=True),
    ]  # fmt: skip
    with torch.inference_mode():
        prompt, empty = (model.bundle.encode_prompt(text) for text in ("low", ""))
        model._state.hold_prompts(prompt, empty)
        forbid_questions(monkeypatch)
        for mode in kinds:
            with Watch() as watch:
                program(mode)
            assert len(watch.steps) > 50


def places(state: FrameState) -> dict[str, int]:
    """Where every tensor of the loop lies."""
    owners = {"state": state, "warp": state.warp, "noise": state.noise,
              "noise warp": state.noise.warp, "anchor": state.anchor, "params": state.params,
              "governor": state.anchor.governor, "detail": state.anchor._detail}  # fmt: skip
    found = {
        f"{owner}.{name}": value.data_ptr()
        for owner, thing in owners.items()
        for name, value in vars(thing).items()
        if isinstance(value, torch.Tensor)
    }
    return found | {
        f"params[{name}]": view.data_ptr() for name, view in state.params._views.items()
    }


@pytest.mark.parametrize("name", ["ember", "sd"])
def test_nothing_of_the_loop_ever_moves(name: str, folders: dict[str, Path]) -> None:
    model = opened(name, folders)
    pictures(model, 2)
    before = places(model._state)
    assert len(before) > 40
    pictures(model, 4, diffusion__noise_warp=1.0, diffusion__seed=9.0)
    model.restart()
    model.start_from(np.full((40, 60, 3), 90, np.uint8))
    pictures(model, 2)
    model.restore(model.state())
    pictures(model, 2)
    assert places(model._state) == before


class Weighed:
    """Runs frames and notes the memory that each made, and what was left of it afterwards."""

    def __init__(self, program: FrameProgram) -> None:
        self.made_bytes: list[tuple[FrameMode, int]] = []
        self.left_bytes: list[int] = []
        self._program = program

    def run(self, mode: FrameMode) -> None:
        with profile(profile_memory=True) as profiled, Watch() as watch:
            self._program(mode)
            made = watch.new_bytes
            watch.steps.clear()  # they hold what was made
        events = profiled.function_events or []
        self.made_bytes.append((mode, made))
        self.left_bytes.append(sum(event.self_cpu_memory_usage for event in events))


@pytest.mark.parametrize("memory", [0.0, 1.0])
@pytest.mark.parametrize("name", ["ember", "sd"])
def test_every_frame_makes_the_same_memory_and_leaves_none(
    name: str, memory: float, folders: dict[str, Path]
) -> None:
    model = opened(name, folders)
    weighed = Weighed(FrameProgram(model.bundle, model._state))
    model._frames = weighed  # type: ignore[assignment]
    pictures(model, 10, diffusion__noise_warp=0.5, diffusion__memory=memory)
    kinds = {mode for mode, _ in weighed.made_bytes[3:]}
    assert len(kinds) == (2 if memory else 1)
    assert len(set(weighed.made_bytes[3:])) == len(kinds)
    assert weighed.left_bytes[3:] == [0] * 7


def test_an_overflow_is_painted_over_from_nothing(folders: dict[str, Path]) -> None:
    model = opened("sd", folders)
    newest = pictures(model, 4)[-1]
    with torch.inference_mode():
        model._state.picture.fill_(float("nan"))
        model._state.latent.fill_(float("nan"))
    assert np.array_equal(model.generate(show(4), 0.1), newest)  # the picture of before stays
    healed = model.generate(show(5), 0.1)
    assert healed.std() > 1.0


def test_weights_that_are_no_numbers_are_an_error_and_no_black_show(
    folders: dict[str, Path],
) -> None:
    model = opened("sd", folders)
    pictures(model, 2)
    with torch.inference_mode():
        model.bundle._unet.conv_in.weight.fill_(float("nan"))  # type: ignore[attr-defined]
    with pytest.raises(ModelLoadError, match="no number"):
        pictures(model, 4)


def test_two_frames_may_be_under_way_and_come_back_in_order(folders: dict[str, Path]) -> None:
    one, two = opened("ember", folders), opened("ember", folders)
    made = pictures(one, 5)
    two.submit(show(0), 0.1)
    back = []
    for k in range(1, 5):
        two.submit(show(k), 0.1)
        back.append(two.collect())
    back.append(two.collect())
    assert all(np.array_equal(a, b) for a, b in zip(made, back, strict=True))


def test_more_calls_are_more_of_the_prompt_and_other_noise(folders: dict[str, Path]) -> None:
    model = opened("ember", folders)
    last = []
    for steps in (1, 2, 4):
        model.restart()
        last.append(pictures(model, 4, diffusion__steps=steps)[-1].astype(int))
    assert all(np.abs(a - b).mean() > 0.5 for a, b in ((last[0], last[1]), (last[1], last[2])))


def test_the_graph_runner_needs_cuda_and_says_so() -> None:
    request = ModelRequest("ember", SIDE, SIDE, "cpu", "float32", 1, "graph")
    with pytest.raises(ModelLoadError, match=r"graph .* CUDA .* cpu: use the eager"):
        open_ember(request)


def test_a_show_on_a_cpu_that_may_climb_stays_eager() -> None:
    model = open_ember(ModelRequest("ember", SIDE, SIDE, "cpu", "float32", 1, "auto"))
    assert (model.runner, model.runner_message) == ("eager", "")
    model.close()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
