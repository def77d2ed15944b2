from __future__ import annotations

import threading

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.diffusion.loop import Brush, DiffusionLoop
from engine.diffusion.models.null import NullModel
from engine.errors import ModelLoadError
from engine.mailbox import Latest
from engine.messages import ControlState, Picture, Uint8
from tests.states import control

GONE = ModelLoadError("no model 'gone': choose another")


class Sketch(NullModel):
    """A null model with a name, whose hand can be broken."""

    def __init__(self, name: str) -> None:
        super().__init__(16, 16)
        self._name = name
        self.broken = self.closed = False

    @property
    def name(self) -> str:
        return self._name

    def generate(self, control: ControlState, dt_s: float) -> Uint8:
        if self.broken:
            raise ModelLoadError(f"{self._name} ran out of memory")
        return super().generate(control, dt_s)

    def close(self) -> None:
        self.closed = True


class Studio:
    """A loop whose thread is the test's own."""

    def __init__(self, fallback: str = "") -> None:
        self.models: list[Sketch] = []
        self.asked: list[str] = []
        self.pictures: Latest[Picture] = Latest()
        self.controls: Latest[ControlState] = Latest()
        brush = self.brush(fallback) if fallback else None
        self.loop = DiffusionLoop(self.controls, self.pictures, ManualClock(), brush)

    def brush(self, name: str) -> Brush:
        def opener() -> Sketch:
            self.asked.append(name)
            assert self.loop.model_opening == name
            if name.startswith("gone"):
                raise GONE
            self.models.append(Sketch(name))
            return self.models[-1]

        return Brush(name, opener)

    def ask(self, *names: str) -> None:
        for name in names:
            self.loop.request_model(self.brush(name))
        self.loop._switch_model()

    def paint(self) -> Picture | None:
        return self.loop.step(control())


def test_the_newest_of_several_requests_is_opened_and_the_old_model_closed() -> None:
    studio = Studio()
    studio.ask("a")
    studio.paint()
    studio.ask("b", "c")
    assert studio.asked == ["a", "c"]
    assert (studio.loop.model_name, studio.loop.model_asked) == ("c", "c")
    assert studio.models[0].closed
    picture = studio.paint()
    assert picture is not None
    assert picture.fresh


def test_a_model_that_cannot_be_opened_leaves_the_old_one_painting() -> None:
    studio = Studio(fallback="ember")
    studio.ask("a")
    studio.ask("gone")
    assert studio.loop.message == str(GONE)
    assert (studio.loop.model_name, studio.loop.model_asked) == ("a", "a")
    assert studio.loop.model_opening == ""
    assert not studio.models[0].closed
    assert studio.paint() is not None
    studio.ask("b")
    assert studio.loop.message == ""


def test_the_fallback_paints_when_the_first_model_cannot_be_opened_and_the_reason_stays() -> None:
    studio = Studio(fallback="ember")
    studio.ask("gone")
    assert studio.loop.model_asked == "ember"
    assert studio.loop.message == f"{GONE}; ember paints instead"
    assert studio.paint() is not None


def test_the_fallback_paints_when_a_model_fails_while_painting() -> None:
    studio = Studio(fallback="ember")
    studio.ask("a")
    studio.models[0].broken = True
    assert studio.paint() is None
    studio.loop._switch_model()
    assert studio.loop.message == "a ran out of memory; ember paints instead"
    assert studio.paint() is not None


@pytest.mark.parametrize("first", ["gone", "gone-ember"])
def test_a_fallback_that_fails_is_tried_once_and_hides_nothing(first: str) -> None:
    studio = Studio(fallback="gone-ember")
    studio.ask(first)
    for _ in range(3):
        studio.loop._switch_model()
    assert studio.asked == list(dict.fromkeys([first, "gone-ember"]))
    assert studio.loop.message == str(GONE)
    studio.ask("a")
    assert studio.paint() is not None


def test_a_request_wakes_the_thread_that_paints() -> None:
    studio = Studio()
    stop = threading.Event()
    worker = threading.Thread(target=studio.loop.run, args=(stop,))
    worker.start()
    studio.loop.request_model(studio.brush("a"))
    studio.controls.put(control())
    picture, _ = studio.pictures.wait(0, 20.0)
    stop.set()
    worker.join(20.0)
    assert picture is not None
    assert np.ptp(picture.pixels) > 0
    assert studio.models[0].closed
