"""Which listener a name means, in the library and on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from huggingface_hub import constants

from app.cli import main
from engine.errors import ModelLoadError
from engine.mailbox import Latest
from engine.runtime.semantic_loop import SemanticLoop
from engine.runtime.source_slot import Heard
from engine.semantic.bank import default_bank
from engine.semantic.clap import ClapListener
from engine.semantic.descriptors import DESCRIPTORS
from engine.semantic.embedded import EmbeddedListener
from engine.semantic.listeners import LISTENER_NAMES, check_listener, open_listener
from tests.scripted_source import ScriptedSource
from tests.signals import noise

RATE_HZ = 24_000


@pytest.fixture(autouse=True)
def nothing_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "noise.wav"
    soundfile.write(path, noise(3.0, RATE_HZ), RATE_HZ)
    return path


def test_every_name_opens_what_it_says(tmp_path: Path) -> None:
    assert isinstance(open_listener("embedded"), EmbeddedListener)
    assert isinstance(open_listener("clap"), ClapListener)
    assert isinstance(open_listener(str(tmp_path)), ClapListener)
    assert open_listener("descriptors") is None


def test_a_name_that_is_nothing_is_refused_with_the_choices() -> None:
    with pytest.raises(ModelLoadError, match="choose embedded, clap, descriptors, or a folder"):
        open_listener("embeded")
    for name in (*LISTENER_NAMES, "laion/larger_clap_general"):
        check_listener(name)


def test_naming_listeners_loads_nothing_heavy() -> None:
    program = (
        "import sys, engine.semantic.listeners, engine.semantic.clap\n"
        "print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


def test_listen_describes_a_sound_when_asked(sound: Path, capsys) -> None:
    assert main(["listen", str(sound), "--listener", "descriptors", "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["listener"] == "descriptors"
    assert told["labels"] == list(DESCRIPTORS.names)
    assert told["held"][-1] == "noisy"
    assert sum(told["probabilities"][-1]) == pytest.approx(1.0, abs=1e-3)


def test_listen_without_clap_says_how_to_get_it(sound: Path, capsys) -> None:
    assert main(["listen", str(sound), "--listener", "clap"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "hf download laion/clap-htsat-unfused" in said.err
    assert len(said.err.strip().splitlines()) == 1


class Recorder:
    """Keeps the lengths of the windows it is given."""

    name = "recorder"
    window_s = 10.0
    step_s = 0.5
    temperature = 0.1
    least_cosine = 0.3
    warning = "a warning"

    def __init__(self) -> None:
        self.windows: list[np.ndarray] = []

    def load(self) -> None:
        pass

    def embed_texts(self, texts):
        return np.ones((len(texts), 1), np.float32)

    def hear(self, samples, sample_rate):
        self.windows.append(samples)

    def close(self) -> None:
        pass


class Slot:
    """Has one source."""

    def __init__(self, source: ScriptedSource) -> None:
        self.heard = Heard(source, 1)


def test_a_live_listener_gets_ten_seconds_though_the_ring_holds_fewer() -> None:
    source, listener, stopping = ScriptedSource(RATE_HZ), Recorder(), threading.Event()
    loop = SemanticLoop(
        Slot(source), Latest(), lambda: 0.0, lambda stopping: listener, default_bank()
    )  # type: ignore[arg-type]
    thread = threading.Thread(target=loop.run, args=(stopping,))
    waiting, ring_wait = threading.Event(), source.ring.wait
    source.ring.wait = lambda due, wait_s: (waiting.set(), ring_wait(due, wait_s))[1]
    step = RATE_HZ // 2
    sound = noise(13.0, RATE_HZ)
    thread.start()
    try:
        assert waiting.wait(10.0)
        for number in range(26):
            source.feed(sound[number * step : (number + 1) * step])
            loop.states.wait(number, 10.0)
    finally:
        stopping.set()
        thread.join(10.0)
    assert source.ring.capacity < 10 * RATE_HZ
    assert len(listener.windows[-1]) == 10 * RATE_HZ
    np.testing.assert_array_equal(listener.windows[-1], sound[-10 * RATE_HZ :])
    assert loop.message == "a warning"
