from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from engine.clock import ManualClock
from engine.diffusion.brush import Brush
from engine.diffusion.loop import DiffusionLoop
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
        self.readings: list[tuple[str, threading.Event]] = []
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

    def large(self, name: str, may_end: threading.Event) -> Brush:
        """A brush whose files are read until the event."""

        def read(stopping: threading.Event) -> None:
            assert threading.current_thread().name == "loader"
            self.readings.append((name, stopping))
            while not may_end.wait(0.01) and not stopping.is_set():
                pass

        return replace(self.brush(name), ahead=read)

    def turn(self) -> None:
        """What the thread does between two pictures."""
        self.loop._switch_model()

    def turn_until_painting(self, name: str) -> None:
        for _ in range(1000):
            self.turn()
            if self.loop.model_asked == name:
                return
            assert self.paint() is not None
        pytest.fail(f"{name} never painted")

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


# while the files of a large model are read ------------------------------------------------------


def test_the_fallback_paints_from_the_start_until_a_large_model_is_open() -> None:
    studio, read = Studio(fallback="ember"), threading.Event()
    studio.loop.request_model(studio.large("large", read))
    studio.turn()
    assert (studio.loop.model_asked, studio.loop.model_opening) == ("ember", "large")
    studio.turn()
    assert studio.readings == []  # the disk waits for the first picture
    assert studio.paint() is not None
    studio.turn()
    assert studio.paint() is not None
    assert studio.asked == ["ember"]
    read.set()
    studio.turn_until_painting("large")
    assert studio.asked == ["ember", "large"]
    assert (studio.loop.model_opening, studio.loop.message) == ("", "")
    assert studio.models[0].closed
    picture = studio.paint()
    assert picture is not None
    assert picture.fresh


def test_a_large_model_that_cannot_be_opened_leaves_the_fallback_and_says_why() -> None:
    studio, read = Studio(fallback="ember"), threading.Event()
    studio.loop.request_model(studio.large("gone-large", read))
    studio.turn()
    assert studio.paint() is not None
    assert studio.loop.message == ""
    read.set()
    for _ in range(1000):
        studio.turn()
        assert studio.paint() is not None
        if not studio.loop.model_opening:
            break
    assert studio.loop.message == f"{GONE}; ember paints instead"
    assert studio.loop.model_asked == "ember"
    assert studio.asked == ["ember", "gone-large"]
    assert not studio.models[0].closed


def test_a_large_model_is_opened_without_a_fallback_that_cannot_be() -> None:
    studio, read = Studio(fallback="gone-ember"), threading.Event()
    read.set()
    studio.loop.request_model(studio.large("large", read))
    for _ in range(1000):
        studio.turn()
        if studio.loop.model_asked:
            break
        studio.readings[0][1].wait(0.005)
    assert studio.asked == ["gone-ember", "large"]
    assert studio.loop.message == ""
    assert studio.paint() is not None


def test_during_a_show_the_model_that_paints_goes_on_while_files_are_read() -> None:
    studio, read = Studio(fallback="ember"), threading.Event()
    studio.ask("a")
    studio.loop.request_model(studio.large("large", read))
    studio.turn()
    assert (studio.loop.model_asked, studio.loop.model_opening) == ("a", "large")
    assert studio.paint() is not None
    read.set()
    studio.turn_until_painting("large")
    assert studio.asked == ["a", "large"]


def test_a_look_at_what_cannot_be_opened_is_told_before_the_fallback_is_open() -> None:
    studio, never = Studio(fallback="ember"), threading.Event()

    def refuse() -> None:
        assert studio.asked == []
        raise GONE

    studio.loop.request_model(replace(studio.large("large", never), check=refuse))
    studio.turn()
    assert studio.loop.message == f"{GONE}; ember paints instead"
    assert (studio.loop.model_asked, studio.loop.model_opening) == ("ember", "")
    assert studio.readings == []


def test_a_choice_that_is_refused_leaves_the_one_that_is_awaited() -> None:
    studio, read = Studio(fallback="ember"), threading.Event()
    studio.loop.request_model(studio.large("large", read))
    studio.turn()
    assert studio.paint() is not None

    def refuse() -> None:
        raise GONE

    studio.loop.request_model(replace(studio.brush("wrong"), check=refuse))
    studio.turn()
    assert (studio.loop.message, studio.loop.model_opening) == (str(GONE), "large")
    read.set()
    studio.turn_until_painting("large")
    assert studio.loop.message == ""


def test_another_choice_ends_the_reading_of_the_one_before() -> None:
    studio, never = Studio(fallback="ember"), threading.Event()
    studio.ask("a")
    studio.loop.request_model(studio.large("large", never))
    studio.turn()
    studio.ask("b")
    assert studio.readings[0][1].is_set()
    assert (studio.loop.model_asked, studio.loop.model_opening) == ("b", "")
    studio.turn()
    assert studio.asked == ["a", "b"]


def test_the_end_of_the_show_ends_the_reading() -> None:
    studio, never = Studio(fallback="ember"), threading.Event()
    studio.loop.request_model(studio.large("large", never))
    studio.turn()
    studio.paint()
    studio.turn()
    studio.loop.close()
    assert studio.readings[0][1].is_set()
    assert studio.models[0].closed
