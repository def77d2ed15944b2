"""What a show's adapters hear by CLAP or VGGish comes from a process that nobody waits for.

The processes are real; only what works in them is small.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from engine.conditioning.encoder_names import CLAP, VGGISH
from engine.conditioning.sound_embedding import SoundEncoding, SoundMoment, TargetSpec
from engine.conditioning.vggish import VggishEncoder
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.protocols import Listener
from engine.semantic import clap_process, ear_process
from engine.semantic.adapters import open_adapter, open_live_adapter
from engine.semantic.clap import OVERDUE_S, ClapListener
from engine.semantic.clap_encoder import Encoder, open_clap
from engine.semantic.far_ears import FarEar, FarEars, waiting
from engine.semantic.far_hearing import IDLE_S, FarHearing, work_of
from engine.semantic.far_process import LONGEST_S, FarWork
from engine.semantic.process_messages import Kind
from engine.semantic.sound_memory import SoundMemory
from engine.semantic.sound_vectors import ClapVectors, SoundVectors
from tests import clap_encoders as encoders
from tests.adapter_files import EMBER, write_mapper, write_projector
from tests.checkpoints import write_fetched_clap
from tests.signals import noise, sine
from tests.unit.test_vggish import write_vggish

RATE_HZ = 8_000
STEP = RATE_HZ // 2
WAIT_S = 20.0
BANDS = ClapVectors(encoders.BandEncoder(), encoders.WIDTH)
"""The same in this process, to the last bit."""
CLAP_WIDTH = 48
SONIC = TargetSpec(5, 72)


class Show:
    """The semantic thread's half of a show; time goes on when a test says so."""

    def __init__(self, ears: FarEars, work: FarWork, rate_hz: int = RATE_HZ) -> None:
        self.hearing = FarHearing(ears, lambda encoder: work)
        self.rate_hz = rate_hz
        self.index = 40 * rate_hz
        self.listener: Listener | None = None
        self.ear: FarEar | None = None  # what pictures are painted by, some in every half second

    def step(self, window: Float32, steps: int = 1) -> None:
        """Half a second goes by, at whose end nothing but `window` was heard."""
        for _ in range(steps):
            self.hearing._memory = SoundMemory(LONGEST_S)
            if self.ear is not None:
                self.ear.newest()
            self.index += self.rate_hz // 2
            self.hearing.step(window, self.rate_hz, self.index, self.listener)

    def answered(self, window: Float32) -> None:
        """Wait until the process has said something more, then go on."""
        assert self.hearing._process is not None
        assert self.hearing._process._pipe.poll(WAIT_S)
        self.step(window)

    @property
    def process(self) -> BaseProcess:
        assert self.hearing._process is not None
        return self.hearing._process._process


@pytest.fixture
def shown() -> Iterator[Callable[..., Show]]:
    """Begin shows, and end them."""
    shows: list[Show] = []

    def begin(ears: FarEars, work: FarWork, rate_hz: int = RATE_HZ) -> Show:
        shows.append(Show(ears, work, rate_hz))
        return shows[-1]

    yield begin
    for show in shows:
        show.hearing.close()


def show_of(shown: Callable[..., Show], work: FarWork) -> tuple[FarEars, FarEar, Show]:
    """A show in which an adapter hears one vector of CLAP."""
    ears = FarEars()
    ear = ears.ear(CLAP, "vector", encoders.WIDTH)
    show = shown(ears, work)
    show.ear = ear
    return ears, ear, show


def clap_work(opener: Callable[[], Encoder]) -> FarWork:
    return FarWork("CLAP", clap_process.serve, opener)


def held() -> tuple[FarWork, object, object]:
    context = multiprocessing.get_context("spawn")
    begun, let_go = context.Event(), context.Event()
    return clap_work(partial(encoders.HeldEncoder, begun, let_go)), begun, let_go


def tone(band: int) -> Float32:
    """Ten seconds, so that no sound of before is in what is handed over."""
    return sine(500.0 + 1_000.0 * band, 10.0, RATE_HZ)


def strongest(vectors: tuple[Float32, ...]) -> int:
    assert len(vectors) == 1
    return int(vectors[0].argmax())


def same(found: tuple[Float32, ...], wanted: tuple[Float32, ...]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["views", "vector", "sequence"])
def test_the_process_finds_what_its_twin_here_finds_to_the_last_bit(
    shown: Callable[..., Show], kind: Kind
) -> None:
    ears = FarEars()
    ear = ears.ear(CLAP, kind, encoders.WIDTH)
    show = shown(ears, clap_work(encoders.BandEncoder))
    sound = noise(10.0, RATE_HZ) + tone(2)
    assert ear.newest() == ()
    show.ear = ear
    show.step(sound)  # starts the process
    show.answered(sound)  # it is there, and the newest ten seconds go over
    show.answered(sound)
    same(ear.newest(), ear_process.heard_by(BANDS, kind, sound, RATE_HZ))
    assert ear.message() == ""


def test_painting_gets_what_there_is_at_once_while_the_process_works_and_the_newest_goes_next(
    shown: Callable[..., Show],
) -> None:
    work, begun, let_go = held()
    _, ear, show = show_of(shown, work)
    show.step(tone(0))
    show.answered(tone(1))
    assert begun.wait(WAIT_S)
    begun.clear()
    # The process is held by an event that only this thread sets: waiting for it would never end.
    for _ in range(15):
        assert ear.newest() == ()
        assert ear.message() == waiting(CLAP)
        show.step(tone(2))
    let_go.set()
    show.answered(tone(3))  # the answer to the first, and the newest is handed over
    first = ear.newest()
    assert strongest(first) == 1
    assert ear.newest() is first
    assert begun.wait(WAIT_S)
    let_go.set()
    show.answered(tone(0))
    assert strongest(ear.newest()) == 3  # none of those in between


def test_a_window_goes_over_every_two_seconds_of_music_on_a_cpu(
    shown: Callable[..., Show],
) -> None:
    _, _, show = show_of(shown, clap_work(encoders.BandEncoder))
    show.step(tone(0))
    show.answered(tone(0))
    show.answered(tone(0))
    asked = []
    for _ in range(9):
        show.step(tone(1))
        asked.append(show.hearing._pending is not None)
        if asked[-1]:
            show.answered(tone(1))
            asked.append(False)
    assert [place for place, busy in enumerate(asked) if busy][:2] == [2, 6]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_killed_in_a_show_is_one_line_and_the_next_adapter_starts_another(
    shown: Callable[..., Show], caplog: pytest.LogCaptureFixture
) -> None:
    ears, ear, show = show_of(shown, clap_work(encoders.BandEncoder))
    show.step(tone(1))
    show.answered(tone(1))
    show.answered(tone(1))
    assert strongest(ear.newest()) == 1
    show.process.kill()
    show.process.join(WAIT_S)
    for _ in range(4):  # it is said once, and not tried again
        show.step(tone(1))
        assert ear.newest() == ()
    assert "CLAP's process has ended (killed by SIGKILL" in ear.message()
    assert "load the adapter again" in ear.message()
    assert "\n" not in ear.message()
    assert [record.getMessage() for record in caplog.records] == [ear.message()]
    assert not multiprocessing.active_children()
    again = ears.ear(CLAP, "vector", encoders.WIDTH)
    show.ear = again
    show.step(tone(2))
    assert again.message() == waiting(CLAP)
    show.answered(tone(2))
    show.answered(tone(2))
    assert strongest(again.newest()) == 2


def test_a_process_that_never_answers_is_given_up(
    shown: Callable[..., Show], caplog: pytest.LogCaptureFixture
) -> None:
    work, begun, _ = held()
    _, ear, show = show_of(shown, work)
    show.step(tone(1))
    show.answered(tone(1))
    assert begun.wait(WAIT_S)
    show.step(tone(1), round(2.0 * OVERDUE_S) + 1)
    assert f"not answered for {OVERDUE_S:.0f} s" in ear.message()
    assert not multiprocessing.active_children()
    assert [record.getMessage() for record in caplog.records] == [ear.message()]


def test_an_encoder_that_cannot_be_opened_says_why_in_one_line(
    shown: Callable[..., Show], caplog: pytest.LogCaptureFixture
) -> None:
    ears = FarEars()
    ear = ears.ear(CLAP, "views", encoders.WIDTH)
    show = shown(ears, clap_work(encoders.missing_encoder))
    ear.newest()
    show.step(tone(0))
    show.answered(tone(0))
    assert "the weights are gone: fetch them again; load the adapter again" in ear.message()
    assert ear.newest() == ()
    assert [record.getMessage() for record in caplog.records] == [ear.message()]


def test_vectors_of_another_width_are_one_line_and_never_reach_the_picture(
    shown: Callable[..., Show], caplog: pytest.LogCaptureFixture
) -> None:
    ears = FarEars()
    ear = ears.ear(CLAP, "views", 512)
    show = shown(ears, clap_work(encoders.BandEncoder))
    show.ear = ear
    show.step(tone(0))
    show.answered(tone(0))
    show.answered(tone(0))
    assert ear.newest() == ()
    assert "hears 512 numbers of CLAP, this one has 4" in ear.message()
    assert [record.getMessage() for record in caplog.records] == [ear.message()]


def test_an_encoder_that_hears_no_difference_is_warned_of(shown: Callable[..., Show]) -> None:
    _, ear, show = show_of(shown, clap_work(encoders.ConstantEncoder))
    show.step(tone(0))
    show.answered(tone(0))
    show.answered(tone(0))
    assert ear.newest() != ()
    assert "hardly tells sounds apart" in ear.message()


def test_nobody_who_asks_is_no_process_and_one_that_is_not_asked_for_long_is_let_go(
    shown: Callable[..., Show],
) -> None:
    ears = FarEars()
    ear = ears.ear(CLAP, "vector", encoders.WIDTH)
    show = shown(ears, clap_work(encoders.BandEncoder))
    show.step(tone(0), 5)
    assert not multiprocessing.active_children()
    assert show.hearing.window_s == 0.0
    show.ear = ear
    show.step(tone(0))
    show.answered(tone(0))
    show.answered(tone(0))
    show.ear = None
    show.step(tone(1), 12)  # silence, or the fader is closed: after some seconds
    if show.hearing._pending is not None:
        show.answered(tone(1))
    show.step(tone(1), 8)
    assert show.hearing._pending is None  # nothing is computed
    show.step(tone(1), round(2.0 * IDLE_S))
    assert not multiprocessing.active_children()
    assert ear.message() == waiting(CLAP)  # what it heard is long ago
    show.ear = ear
    show.step(tone(1))
    assert multiprocessing.active_children()  # for it was asked again


def test_the_answer_to_another_source_is_not_taken(shown: Callable[..., Show]) -> None:
    work, begun, let_go = held()
    _, ear, show = show_of(shown, work)
    show.step(tone(1))
    show.answered(tone(1))
    assert begun.wait(WAIT_S)
    show.hearing.begin_anew()
    let_go.set()
    show.answered(tone(2))
    assert ear.newest() == ()
    let_go.set()
    show.answered(tone(2))
    assert strongest(ear.newest()) == 2


def test_a_listener_that_is_clap_hears_for_the_adapter_too_in_its_one_process(
    shown: Callable[..., Show], caplog: pytest.LogCaptureFixture
) -> None:
    listener = ClapListener(encoder=encoders.BandEncoder, patient=True)
    listener.load()
    ears = FarEars()
    ear = ears.ear(CLAP, "views", encoders.WIDTH)
    show = shown(ears, clap_work(encoders.missing_encoder))
    show.listener = listener
    sound = tone(1) + 0.1 * noise(10.0, RATE_HZ)
    try:
        ear.newest()
        show.step(sound)  # from now on the listener's windows are the adapter's
        heard = listener.hear(sound, RATE_HZ)
        show.step(sound)
        assert heard is not None
        assert heard.argmax() == 1
        same(ear.newest(), BANDS.views(sound, RATE_HZ))
        assert len(multiprocessing.active_children()) == 1
        assert listener.also == "views"
        show.step(sound, 12)  # nobody has asked for some seconds
        assert listener.also is None
        ear.newest()
        show.step(sound)
    finally:
        listener.close()
    show.step(sound)
    assert "the listener's CLAP has ended; load the adapter again" in ear.message()
    assert not multiprocessing.active_children()
    assert [record.getMessage() for record in caplog.records] == [ear.message()]


def test_a_listener_of_other_weights_hears_for_itself_alone(
    shown: Callable[..., Show], tmp_path: Path
) -> None:
    listener = ClapListener(str(tmp_path), encoder=encoders.BandEncoder)
    listener.load()
    ears = FarEars()
    ear = ears.ear(CLAP, "vector", encoders.WIDTH)
    show = shown(ears, clap_work(encoders.BandEncoder))
    show.listener = listener
    try:
        ear.newest()
        show.step(tone(0))
        assert len(multiprocessing.active_children()) == 2
    finally:
        listener.close()


# -- adapters ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("hub")
    write_fetched_clap(cache)
    return cache


@pytest.fixture
def fetched(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(checkpoint))


def adapter_file(folder: Path, which: str) -> tuple[str, Path, TargetSpec]:
    path = folder / "own.safetensors"
    if which == "mapper":
        return which, write_mapper(path, CLAP, CLAP_WIDTH), EMBER
    if which == "sonic":
        write_projector(path, 1, SONIC, encoder=CLAP, width=CLAP_WIDTH, decomposer="sonic")
        return "projector", path, SONIC
    return which, write_projector(path, 1, encoder=CLAP, width=CLAP_WIDTH), EMBER


def live_rows(encoding: SoundEncoding, show: Show, sound: Float32, kept: SoundMoment) -> Float32:
    """What the first answer makes of a sound, by the real steps of a show."""
    for _ in range(2):
        assert encoding.embed(kept) is None
        assert "not in the picture yet" in encoding.message
        show.step(sound) if show.hearing._process is None else show.answered(sound)
    show.answered(sound)
    found = encoding.embed(kept)
    assert found is not None
    assert encoding.embed(SoundMoment(kept.samples, kept.sample_rate)) is found
    return found.tokens


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize("which", ["projector", "sonic", "mapper"])
def test_live_and_offline_a_clap_adapter_makes_the_same_of_the_same_ten_seconds(
    shown: Callable[..., Show], tmp_path: Path, which: str
) -> None:
    name, path, target = adapter_file(tmp_path, which)
    ears = FarEars()
    live = open_live_adapter(ears, name, path, target)
    rate_hz = 44_100
    sound = noise(10.0, rate_hz)
    moment = SoundMoment(sound[-2 * rate_hz :], rate_hz)
    show = shown(ears, work_of(CLAP, "cpu"), rate_hz)
    found = live_rows(live, show, sound, moment)
    offline = open_adapter(name, path, target).embed(SoundMoment(sound, rate_hz))
    assert offline is not None
    np.testing.assert_allclose(found, offline.tokens, rtol=1e-4, atol=1e-5)
    assert live.embed(SoundMoment(np.zeros(rate_hz, np.float32), rate_hz)) is None


@pytest.mark.parametrize("network", ["linear", "sequence"])
def test_live_and_offline_a_vggish_mapper_makes_the_same_of_the_same_sound(
    shown: Callable[..., Show], tmp_path: Path, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = write_vggish(tmp_path / "vggish.safetensors")
    monkeypatch.setattr("engine.conditioning.vggish_file.default_vggish", lambda: weights)
    path = write_mapper(tmp_path / "own.safetensors", VGGISH, 128, network)
    ears = FarEars()
    live = open_live_adapter(ears, "mapper", path, EMBER)
    opener: Callable[[], SoundVectors] = partial(VggishEncoder, weights)
    show = shown(ears, FarWork("VGGish", ear_process.serve, opener))
    offline = open_adapter("mapper", path, EMBER)
    sound = noise(10.0, RATE_HZ)
    heard = sound[-round(offline.window_s * RATE_HZ) :]
    found = live_rows(live, show, sound, SoundMoment(sound, RATE_HZ))
    wanted = offline.embed(SoundMoment(heard, RATE_HZ))
    assert wanted is not None
    np.testing.assert_allclose(found, wanted.tokens, rtol=1e-4, atol=1e-4)


def test_without_weights_an_adapter_is_refused_with_the_remedy_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "engine.conditioning.vggish_file.default_vggish", lambda: tmp_path / "none.safetensors"
    )
    name, path, target = adapter_file(tmp_path, "projector")
    with pytest.raises(ModelLoadError, match="hf download laion/clap-htsat-unfused") as refused:
        open_live_adapter(FarEars(), name, path, target)
    assert "\n" not in str(refused.value)
    path = write_mapper(tmp_path / "v.safetensors", VGGISH, 128)
    with pytest.raises(ModelLoadError, match="weights are not in"):
        open_live_adapter(FarEars(), "mapper", path, EMBER)


@pytest.mark.usefixtures("fetched")
@pytest.mark.parametrize("name", ["projector", "mapper"])
def test_an_adapter_of_another_width_is_refused_before_anything_is_loaded(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "wide.safetensors"
    if name == "mapper":
        write_mapper(path, CLAP, 512)
    else:
        write_projector(path, encoder=CLAP, width=512)
    with pytest.raises(ModelLoadError, match=r"hears clap \(512 numbers\).* clap \(48\)"):
        open_live_adapter(FarEars(), name, path, EMBER)
    assert not multiprocessing.active_children()


@pytest.mark.usefixtures("fetched")
def test_the_process_of_clap_is_of_the_checkpoint_that_was_fetched(checkpoint: Path) -> None:
    opener = work_of(CLAP, "cpu").opener
    assert isinstance(opener, partial)
    assert opener.func is open_clap
    folder, device = opener.args
    assert checkpoint in folder.parents
    assert device == "cpu"
