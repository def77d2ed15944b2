"""CLAP in its own process: never waited for, told apart when it dies, gone when it should be."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from huggingface_hub import constants

from engine.clock import MonotonicClock
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.protocols import Listener
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from engine.semantic.bank import Bank, Label
from engine.semantic.clap import OVERDUE_S, SENTENCE, ClapListener
from engine.semantic.clap_encoder import ClapEncoder, exact_window
from engine.semantic.report import listen
from engine.semantic.stage import SemanticStage
from tests import clap_encoders as encoders
from tests.checkpoints import write_clap
from tests.scripted_source import ScriptedSource
from tests.signals import noise, sine

ROOT = Path(__file__).parents[2]
RATE_HZ = 8_000
STEP = RATE_HZ // 2
BANK = Bank((Label("low", ("band 0",), "a cave"), Label("high", ("band 3",), "a star")))
SOUND = noise(2.0, RATE_HZ)
WAIT_S = 60.0


@pytest.fixture
def opened() -> Iterator[Callable[..., ClapListener]]:
    """Open listeners, and close them."""
    listeners: list[ClapListener] = []

    def open_listener(encoder: Callable[[], object], **options: bool) -> ClapListener:
        listener = ClapListener(encoder=encoder, **options)  # type: ignore[arg-type]
        listeners.append(listener)
        listener.load()
        return listener

    yield open_listener
    for listener in listeners:
        listener.close()


def child(listener: ClapListener) -> psutil.Process:
    assert listener._child is not None
    return psutil.Process(listener._child._process.pid)


def tone(band: int) -> Float32:
    return sine(500.0 + 1_000.0 * band, 2.0, RATE_HZ)


def answer(listener: ClapListener, sound: Float32) -> int:
    """Wait for what is in the pipe, then ask; return the band that was heard."""
    assert listener._child is not None
    assert listener._child._pipe.poll(WAIT_S)
    heard = listener.hear(sound, RATE_HZ)
    assert heard is not None
    return int(heard.argmax())


def test_hear_returns_at_once_while_the_process_works_and_drops_what_comes_meanwhile(opened):
    context = multiprocessing.get_context("spawn")
    begun, let_go = context.Event(), context.Event()
    listener = opened(partial(encoders.HeldEncoder, begun, let_go))
    assert listener.hear(tone(1), RATE_HZ) is None
    assert begun.wait(WAIT_S)
    begun.clear()
    # The process is held by an event that only this thread sets: waiting for it would never end.
    for _ in range(15):
        assert listener.hear(tone(2), RATE_HZ) is None
    let_go.set()
    assert answer(listener, tone(3)) == 1  # and the newest is handed over
    assert listener.hear(SOUND, RATE_HZ) is None  # nothing is returned twice
    assert begun.wait(WAIT_S)
    let_go.set()
    assert answer(listener, SOUND) == 3


def test_windows_go_over_every_two_seconds_of_music_on_a_cpu(opened):
    listener = opened(encoders.BandEncoder, patient=True)
    heard = [listener.hear(SOUND, RATE_HZ) is not None for _ in range(10)]
    assert heard == [True, False, False, False] * 2 + [True, False]


def test_the_process_has_low_priority_and_gets_ten_seconds_at_48_khz(opened):
    listener = opened(encoders.ShyEncoder, patient=True)
    heard = listener.hear(SOUND, RATE_HZ)
    niceness, pid, parent, count = heard
    assert count == 480_000
    assert (pid, parent) == (child(listener).pid, os.getpid())
    if os.name == "posix":
        assert niceness >= 10


def test_a_process_that_is_killed_is_one_line_and_descriptors_go_on(opened, caplog):
    stage = SemanticStage(ClapListener(encoder=encoders.DyingEncoder, patient=True), BANK)
    for step in range(4, 8):
        state = stage.step(SOUND, RATE_HZ, step * STEP)
    assert stage.message.startswith("CLAP's process has ended (")
    assert "\n" not in stage.message
    assert state.listener == "descriptors"
    assert [record.getMessage() for record in caplog.records] == [stage.message]
    stage.close()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_killed_while_it_works_is_noticed_by_the_next_question(opened):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    listener = opened(partial(encoders.HeldEncoder, begun, context.Event()))
    listener.hear(SOUND, RATE_HZ)
    assert begun.wait(WAIT_S)
    child(listener).kill()
    listener._child._process.join(WAIT_S)
    for _ in range(2):
        with pytest.raises(ModelLoadError, match="killed by SIGKILL"):
            listener.hear(SOUND, RATE_HZ)
    with pytest.raises(ModelLoadError, match="killed by SIGKILL"):
        listener.embed_texts(["band 1"])


def test_a_process_that_never_answers_is_given_up(opened):
    context = multiprocessing.get_context("spawn")
    listener = opened(partial(encoders.HeldEncoder, context.Event(), context.Event()))
    listener.hear(SOUND, RATE_HZ)
    process = child(listener)
    for _ in range(round(OVERDUE_S / listener.step_s)):
        assert listener.hear(SOUND, RATE_HZ) is None
    with pytest.raises(ModelLoadError, match="not answered for 60 s"):
        listener.hear(SOUND, RATE_HZ)
    assert not process.is_running()


def test_close_ends_a_process_that_works_and_can_be_repeated(opened):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    listener = opened(partial(encoders.HeldEncoder, begun, context.Event()))
    listener.hear(SOUND, RATE_HZ)
    assert begun.wait(WAIT_S)
    process = child(listener)
    listener.close()
    assert not process.is_running()
    listener.close()
    with pytest.raises(ModelLoadError, match="not loaded"):
        listener.hear(SOUND, RATE_HZ)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", ["exit", "killed"])
def test_nothing_survives_the_parent(how: str):
    program = f"""
import multiprocessing, os, signal
from functools import partial
from engine.semantic.clap import ClapListener
from tests.clap_encoders import HeldEncoder
import numpy as np
context = multiprocessing.get_context("spawn")
begun = context.Event()
listener = ClapListener(encoder=partial(HeldEncoder, begun, context.Event()))
listener.load()
listener.hear(np.ones(8000, np.float32), 8000)
assert begun.wait(60)
print(listener._child._process.pid, flush=True)
if {how == "killed"}:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip
    assert done.returncode == (-signal.SIGKILL if how == "killed" else 0), done.stderr
    pid = int(done.stdout)
    if psutil.pid_exists(pid):
        gone, _ = psutil.wait_procs([psutil.Process(pid)], timeout=WAIT_S)
        assert gone
    assert "Traceback" not in done.stderr


def test_loading_that_is_not_wanted_any_more_ends_with_its_process():
    stopping = threading.Event()
    stopping.set()
    listener = ClapListener(encoder=encoders.BandEncoder, stopping=stopping)
    with pytest.raises(ModelLoadError, match="was stopped"):
        listener.load()
    assert not multiprocessing.active_children()


def test_an_encoder_that_cannot_be_opened_says_why_in_one_line():
    listener = ClapListener(encoder=encoders.missing_encoder)
    with pytest.raises(ModelLoadError, match=r"^the weights are gone: fetch them again$"):
        listener.load()
    assert not multiprocessing.active_children()


def test_a_missing_checkpoint_starts_no_process(tmp_path: Path):
    listener = ClapListener(str(tmp_path))
    with pytest.raises(ModelLoadError, match=r"has no config\.json"):
        listener.load()
    assert not multiprocessing.active_children()


def test_a_live_show_without_the_checkpoint_says_how_to_get_it_and_describes(caplog, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", "/nowhere")
    source = ScriptedSource(RATE_HZ)
    config = EngineConfig(model="null", width=128, height=96, listener="clap")
    engine = Engine(config, open_source=lambda choice: source)
    engine.start()
    try:
        clock, pause = MonotonicClock(), threading.Event()
        end_s = clock.now() + WAIT_S
        while clock.now() < end_s and engine.status().semantic is None:
            source.feed(SOUND[: RATE_HZ // 20])
            pause.wait(0.05)
        status = engine.status()
    finally:
        engine.close()
    assert "hf download laion/clap-htsat-unfused" in status.message
    assert status.semantic.listener == "descriptors"


def test_texts_that_are_known_need_no_text_tower(opened):
    before = opened(encoders.BandEncoder).embed_texts(["band 1", "band 2"])
    known = opened(encoders.MuteEncoder)
    np.testing.assert_array_equal(known.embed_texts(["band 2", " "]), [before[1], [0.0] * 4])
    with pytest.raises(ModelLoadError, match="no text tower"):
        known.embed_texts(["band 3"])


@pytest.mark.parametrize(
    ("encoder", "warned"), [(encoders.ConstantEncoder, True), (encoders.BandEncoder, False)]
)
def test_an_encoder_that_hears_no_difference_is_warned_of(encoder, warned: bool):
    stage = SemanticStage(ClapListener(encoder=encoder), BANK)
    assert ("hardly tells sounds apart" in stage.message) is warned
    assert "\n" not in stage.message
    stage.close()


def test_a_file_is_heard_label_by_label_as_fast_as_the_process_can(opened):
    parts = [sine(hz, 20.0, RATE_HZ) for hz in (200.0, 3_700.0)]
    sound = np.concatenate(parts)[:, None]
    blocks: list[Float32] = [sound[start : start + 1_000] for start in range(0, len(sound), 1_000)]
    listener: Listener = ClapListener(encoder=encoders.BandEncoder, patient=True)
    heard = listen(blocks, RATE_HZ, listener, BANK)
    assert [label for _, _, label in heard.spans()] == [0, 1]
    assert not multiprocessing.active_children()


def test_a_whole_checkpoint_answers_from_its_process(tmp_path: Path, capfd):
    folder = write_clap(tmp_path / "tiny")
    capfd.readouterr()
    listener = ClapListener(str(folder), "cpu", patient=True)
    listener.load()
    try:
        texts = listener.embed_texts(["rain"])
        heard = listener.hear(noise(2.0, 44_100), 44_100)
    finally:
        listener.close()
    assert capfd.readouterr().err == ""  # transformers says nothing to the terminal
    encoder = ClapEncoder(folder, "cpu")
    window = exact_window(noise(2.0, 44_100), 44_100)
    np.testing.assert_allclose(heard, encoder.embed_sounds(window[None])[0], atol=1e-5)
    expected = encoder.embed_texts([SENTENCE.format("rain")])
    np.testing.assert_allclose(texts, expected, atol=1e-5)
    assert "hardly tells" in listener.warning  # its weights are random
    assert listener.temperature == pytest.approx(1.0 / 20.0, rel=1e-5)
