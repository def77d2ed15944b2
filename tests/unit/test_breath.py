"""Long work is left midway when nobody waits for it, and what paints goes on beside an opening."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.diffusion.breath import Abandoned, breathe, breathing
from engine.diffusion.brush import Brush
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.frame import FrameProgram
from engine.diffusion.loop import DiffusionLoop
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.null import NullModel
from engine.diffusion.runners.frames import RecordedFrames
from engine.errors import ModelLoadError
from engine.mailbox import Latest
from engine.messages import ControlState, Picture, Travel, Uint8
from engine.registry import ModelRequest
from engine.threads import Worker, threads_left
from tests.checkpoints import write_lcm, write_sd, write_sd3, write_sdxl
from tests.states import control
from tests.tape import Tape

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
WAIT_S = 60.0


class Painter(NullModel):
    """Paints as long as it is told to, in blocks of nothing; it can be left between two."""

    def __init__(self, name: str, block: Callable[[], bool]) -> None:
        super().__init__(16, 16)
        self._name = name
        self._block = block
        self._breathes = False
        self.closed = False

    @property
    def name(self) -> str:
        return self._name

    def breathe(self) -> None:
        self._breathes = True

    def generate(self, control: ControlState, dt_s: float) -> Uint8:
        while self._block():
            if self._breathes:
                breathe()
        return super().generate(control, dt_s)

    def close(self) -> None:
        self.closed = True


class Show:
    """A loop on a thread of its own, as in a show."""

    def __init__(self) -> None:
        self.pictures: Latest[Picture] = Latest()
        self.controls: Latest[ControlState] = Latest()
        self.clock = ManualClock()
        self.loop = DiffusionLoop(self.controls, self.pictures, self.clock)
        self.controls.put(control())
        self.worker = Worker("diffusion", self.loop.run)
        self.begun = threading.Event()
        self.models: list[Painter] = []

    def brush(self, name: str, block: Callable[[], bool] = lambda: False) -> Brush:
        def opener() -> Painter:
            self.models.append(Painter(name, block))
            return self.models[-1]

        return Brush(name, opener)

    def paint_for_ever(self) -> bool:
        self.begun.set()
        return True

    def begin(self, brush: Brush) -> None:
        """Until the first picture is in the making."""
        self.loop.request_model(brush)
        self.worker.start()
        assert self.begun.wait(WAIT_S)

    def end(self) -> bool:
        return self.worker.stop(WAIT_S)


def test_a_picture_in_the_making_is_left_when_the_show_ends() -> None:
    show = Show()
    show.begin(show.brush("slow", show.paint_for_ever))
    assert show.end()
    assert show.worker.error is None
    assert show.models[0].closed
    assert show.pictures.get() is None


def test_a_picture_in_the_making_is_left_when_another_model_can_be_opened() -> None:
    show = Show()
    show.begin(show.brush("slow", show.paint_for_ever))
    may_read, reading = threading.Event(), threading.Event()

    def read(stopping: threading.Event) -> None:
        reading.set()
        may_read.wait(WAIT_S)

    show.loop.request_model(replace(show.brush("other"), ahead=read))
    assert reading.wait(WAIT_S)  # the files are read while the picture is in the making
    assert (show.loop.model_asked, show.loop.model_opening) == ("slow", "other")
    may_read.set()
    show.controls.put(control(0.1))
    picture, _ = show.pictures.wait(0, WAIT_S)
    assert picture is not None
    assert [model.closed for model in show.models] == [True, False]
    assert show.end()
    assert show.loop.model_asked == "other"


def test_a_picture_in_the_making_outlives_a_choice_that_is_refused() -> None:
    show = Show()

    def refuse() -> None:
        raise ModelLoadError("no such model")

    def until_refused() -> bool:
        show.begun.set()
        return not show.loop.message

    show.begin(show.brush("slow", until_refused))
    show.loop.request_model(replace(show.brush("wrong"), check=refuse))
    picture, _ = show.pictures.wait(0, WAIT_S)
    assert picture is not None
    assert show.end()
    assert [model.name for model in show.models] == ["slow"]


def test_an_opening_is_left_when_the_show_ends_and_when_another_is_chosen() -> None:
    show = Show()

    def open_for_ever() -> Painter:
        while True:
            show.begun.set()
            breathe()

    show.begin(Brush("large", open_for_ever))
    show.loop.request_model(show.brush("small"))
    picture, _ = show.pictures.wait(0, WAIT_S)
    assert picture is not None
    show.begun.clear()
    show.loop.request_model(Brush("large", open_for_ever))
    assert show.begun.wait(WAIT_S)
    assert show.end()
    assert show.worker.error is None
    assert [model.closed for model in show.models] == [True]


def test_what_paints_gets_every_other_pictures_time_while_a_model_is_opened() -> None:
    show, painted = Show(), []

    def a_second() -> bool:
        show.clock.set(show.clock.now() + 1.0)
        painted.append(show.clock.now())
        return False

    def open_in_tensors() -> Painter:
        for _ in range(12):
            show.clock.set(show.clock.now() + 0.25)
            breathe()
            assert show.loop.model_opening == "large"
        show.models.append(Painter("large", lambda: False))
        return show.models[-1]

    show.loop.request_model(show.brush("ember", a_second))
    show.loop._switch_model()
    show.loop.step(control())
    assert painted == [1.0]
    show.loop.request_model(Brush("large", open_in_tensors))
    show.loop._switch_model()
    assert painted == [1.0, 3.0, 5.0, 7.0]
    newest = show.pictures.get()
    assert newest is not None
    assert (newest.index, newest.fresh) == (4, False)
    assert (show.loop.model_asked, show.models[0].closed) == ("large", True)


def test_a_painter_that_fails_beside_an_opening_does_not_end_it() -> None:
    show = Show()
    failing: list[bool] = []

    def fail_later() -> bool:
        if failing:
            raise MemoryError
        failing.append(True)
        return False

    def opener() -> Painter:
        breathe()
        breathe()
        return Painter("large", lambda: False)

    show.loop.request_model(show.brush("ember", fail_later))
    show.loop._switch_model()
    show.loop.step(control())
    show.loop.request_model(Brush("large", opener))
    show.loop._switch_model()
    assert (show.loop.model_asked, show.loop.rate.made) == ("large", 1)
    assert show.models[0].closed
    assert show.loop.step(control(0.1)) is not None


def test_nothing_happens_where_nobody_began_to_breathe() -> None:
    breathe()


# with networks ----------------------------------------------------------------------------------

WRITERS = {"sd": write_sd, "sdxl": write_sdxl, "sd3": write_sd3, "lcm": write_lcm}
STATES = (
    control(0.0, prompts=(("low", 1.0),)),
    control(0.1, prompts=(("low", 0.6), ("newer", 0.4)), travel=Travel(log_zoom=0.02)),
    control(0.2, prompts=(("newer", 1.0),), travel=Travel(log_zoom=0.04, noise_rad=0.3)),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("checkpoints")
    return {name: write(home / name) for name, write in WRITERS.items()}


def open_model(folder: Path) -> FeedbackModel:
    return open_checkpoint(ModelRequest(str(folder), 64, 64, "cpu", "float32", 1))


def paint(model: FeedbackModel) -> list[Uint8]:
    return [model.generate(state, 0.1) for state in STATES]


@pytest.mark.parametrize("name", list(WRITERS))
def test_pictures_with_places_to_breathe_are_the_same_to_the_last_bit(
    folders: dict[str, Path], name: str
) -> None:
    plain, breathing_one = open_model(folders[name]), open_model(folders[name])
    breathing_one.breathe()
    breaths: list[None] = []
    with breathing(lambda: breaths.append(None)):
        pictures = paint(breathing_one)
        assert len(breaths) > 100
        count = len(breaths)
        expected = paint(plain)
    assert len(breaths) == count  # of a model that was not told to, nothing is asked
    for picture, other in zip(pictures, expected, strict=True):
        assert np.array_equal(picture, other)
    plain.close()
    breathing_one.close()


@pytest.mark.parametrize("name", ["sd", "sd3"])
def test_a_picture_that_was_left_anywhere_is_painted_by_the_next_call(
    folders: dict[str, Path], name: str
) -> None:
    plain = open_model(folders[name])
    plain.breathe()
    expected: list[tuple[ControlState, Uint8, int]] = []
    for state in STATES:
        breaths: list[None] = []
        with breathing(lambda found=breaths: found.append(None)):
            expected.append((state, plain.generate(state, 0.1), len(breaths)))
    for share in range(5):  # in the text encoders, the denoiser and the autoencoder
        model = open_model(folders[name])
        model.breathe()
        for state, picture, places in expected:
            leave(model, state, share * places // 5)
            assert np.array_equal(model.generate(state, 0.1), picture)
        model.close()
    plain.close()


def leave(model: FeedbackModel, state: ControlState, place: int) -> None:
    """Begin a picture and leave it at one of its places."""
    left = [None] * place

    def look_up() -> None:
        if not left:
            raise Abandoned
        left.pop()

    with breathing(look_up), pytest.raises(Abandoned):
        model.generate(state, 0.1)


def test_a_recorded_frame_has_no_places_to_breathe(folders: dict[str, Path]) -> None:
    model = open_model(folders["sd"])
    state = model._state
    model._frames = RecordedFrames(FrameProgram(model.bundle, state), state, Tape())
    model.breathe()
    breaths: list[None] = []
    with breathing(lambda: breaths.append(None)):
        paint(model)
    assert breaths == []
    model.close()


def test_a_checkpoint_is_opened_with_a_place_to_breathe_after_every_tensor(
    folders: dict[str, Path],
) -> None:
    breaths: list[None] = []
    with breathing(lambda: breaths.append(None)):
        model = open_model(folders["sd"])
    tensors = sum(len(network.state_dict()) for network in model.bundle.networks)
    assert len(breaths) == tensors
    model.close()


# the end of the process -------------------------------------------------------------------------

LEAVE = """
import atexit, sys, threading
from app.__main__ import leave
from engine.threads import Worker
atexit.register(print, "torn down")
begun = threading.Event()
def paint(stopping):
    begun.set()
    threading.Event().wait()
if sys.argv[1] == "painting":
    Worker("diffusion", paint).start()
    begun.wait()
print("said")
leave(3)
"""


@pytest.mark.parametrize(
    ("thread", "said"), [("painting", "said\n"), ("none", "said\ntorn down\n")]
)
def test_a_process_is_not_torn_down_under_a_thread_that_paints(thread: str, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVE, thread], capture_output=True, text=True, check=False,
        timeout=WAIT_S,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, said)


def test_threads_that_are_left_are_named() -> None:
    may_end = threading.Event()
    worker = Worker("sink-film", lambda stopping: may_end.wait(WAIT_S) and None)
    before = threads_left()
    worker.start()
    assert sorted(threads_left()) == sorted((*before, "sink-film"))
    may_end.set()
    assert worker.stop(WAIT_S)
