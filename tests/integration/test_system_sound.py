"""What a real sound server plays is heard, and heard again after the server or the sink died."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.audio.loopback import LoopbackSource
from engine.audio.pulse import PulseSystem
from engine.clock import MonotonicClock
from engine.synthesis.loop import render_loop
from tests.real_parts import PULSE_TOOLS, SINK, missing, played, sound_server
from tests.signals import sine

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(missing((*PULSE_TOOLS, "parec"))), reason="needs PulseAudio"),
]

RATE_HZ = 48_000


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.tile(sine(440.0, 1.0, 44_100, 0.3), 30), 44_100)
    return path


@contextmanager
def listening(environment: dict[str, str], device: str = "") -> Iterator[LoopbackSource]:
    """A source that is served as the engine's watchdog does."""
    clock = MonotonicClock()
    source = LoopbackSource(device, clock=clock, system=PulseSystem(environment))
    source.open()
    stop = threading.Event()

    def serve() -> None:
        while not stop.wait(0.1):
            source.service(clock.now())

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield source
    finally:
        stop.set()
        server.join()
        source.close()


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1200):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError("it never happened")


def level(source: LoopbackSource) -> float:
    written = source.ring.written
    if written < RATE_HZ // 4:
        return 0.0
    return float(np.abs(source.ring.read(written - RATE_HZ // 4, RATE_HZ // 4)).max())


def test_what_is_played_is_heard_as_it_is(tmp_path: Path, tone: Path) -> None:
    with sound_server(tmp_path) as environment:
        (monitor,) = PulseSystem(environment).loopbacks()
        assert (monitor.key, monitor.default) == (f"PulseAudio: {SINK}", True)
        with listening(environment, monitor.key) as source, played(tone, environment):
            until(lambda: level(source) > 0.2)
            assert source.ring.wait(source.ring.written + RATE_HZ, 20.0)
            heard = source.ring.read(source.ring.written - RATE_HZ, RATE_HZ)[:, 0]
            status = source.status()
    assert (status.kind, status.name, status.connected) == ("loopback", monitor.key, True)
    peak_hz = float(np.argmax(np.abs(np.fft.rfft(heard * np.hanning(RATE_HZ)))))
    assert peak_hz == pytest.approx(440.0, abs=2.0)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.3 / np.sqrt(2.0), rel=0.1)


def test_a_sink_that_is_unplugged_and_plugged_in_again_is_heard_again(
    tmp_path: Path, tone: Path
) -> None:
    def pactl(*words: str) -> None:
        subprocess.run(["pactl", *words], env=environment, check=True, capture_output=True)

    with sound_server(tmp_path) as environment, listening(environment, SINK) as source:
        pactl("unload-module", "module-null-sink")
        pactl("load-module", "module-null-sink", "sink_name=other")
        until(lambda: "there is no system sound" in source.status().message)
        assert not source.status().connected
        before = source.ring.written
        assert source.ring.wait(before + RATE_HZ // 2, 20.0)
        pactl("load-module", "module-null-sink", f"sink_name={SINK}")
        until(lambda: source.status().connected)
        with played(tone, environment):
            until(lambda: level(source) > 0.2)
        assert source.status().message == ""


def test_a_sound_server_that_is_killed_and_restarted_is_heard_again(
    tmp_path: Path, tone: Path
) -> None:
    with ExitStack() as server, ExitStack() as rest:
        environment = server.enter_context(sound_server(tmp_path))
        source = rest.enter_context(listening(environment))
        assert source.status().connected
        server.close()
        until(lambda: "start PulseAudio or PipeWire" in source.status().message)
        assert not source.status().connected
        rest.enter_context(sound_server(tmp_path))
        rest.enter_context(played(tone, environment))
        until(lambda: source.status().connected and level(source) > 0.2)


# The show ends by itself when it has heard what it waited for, so that nothing depends on speed.
SHOW = """
    import json, threading
    from engine.commands import SourceChoice
    from engine.runtime.config import EngineConfig
    from engine.runtime.engine import Engine

    choice = SourceChoice("loopback")
    engine = Engine(EngineConfig(choice, model="null", width=64, height=64, fps=20.0))
    engine.start()
    pause = threading.Event()
    for _ in range(2400):
        status = engine.status()
        if status.features and status.features.onset_count > 3 and status.frames > 5:
            break
        pause.wait(0.05)
    engine.close()
    print(json.dumps({"kind": status.source.kind, "name": status.source.name,
                      "onsets": status.features.onset_count, "message": status.message}))
"""


def test_a_show_listens_to_what_the_computer_plays(tmp_path: Path) -> None:
    drums = tmp_path / "drums.wav"
    soundfile.write(drums, render_loop(bpm=120.0, bars=4)[0], 44_100)
    with sound_server(tmp_path) as environment, played(drums, environment):
        root = str(Path(__file__).parents[2])
        done = subprocess.run(
            [sys.executable, "-c", "if True:" + SHOW],
            env=environment | {"PYTHONPATH": root},
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout.splitlines()[-1])
    assert heard["onsets"] > 3
    assert (heard["kind"], heard["name"]) == ("loopback", f"PulseAudio: {SINK}")
    assert heard["message"] == ""
