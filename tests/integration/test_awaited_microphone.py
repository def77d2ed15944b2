"""A real sound server without any input: the show begins all the same, and hears it later."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from engine.synthesis.loop import render_loop
from tests.real_parts import PULSE_TOOLS, SINK, missing, played, sound_server

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(missing(PULSE_TOOLS)), reason="needs PulseAudio"),
]

# The show ends by itself when it has heard what it waited for, so that nothing depends on speed.
SHOW = """
    import json, threading
    from engine.commands import SourceChoice
    from engine.runtime.config import EngineConfig
    from engine.runtime.engine import Engine

    choice = SourceChoice("mic", "pulse")
    engine = Engine(EngineConfig(choice, model="null", width=64, height=64, fps=20.0))
    engine.start()
    pause = threading.Event()
    def until(condition):
        for _ in range(2400):
            status = engine.status()
            if condition(status):
                return status
            pause.wait(0.05)
        raise SystemExit(f"never happened: {status}")
    missing = until(lambda s: s.frames > 5 and s.pictures > 0)
    print(json.dumps({"kind": missing.source.kind, "name": missing.source.name,
                      "connected": missing.source.connected, "message": missing.message}),
          flush=True)
    heard = until(lambda s: s.source.connected and s.features and s.features.onset_count > 3)
    engine.close()
    print(json.dumps({"name": heard.source.name, "message": heard.message}), flush=True)
"""


def test_a_microphone_missing_at_the_start_is_heard_when_it_appears(tmp_path: Path) -> None:
    samples, _ = render_loop(bpm=120.0, bars=4, seed=1)
    loop = tmp_path / "loop.wav"
    soundfile.write(loop, samples, 44_100)
    with sound_server(tmp_path) as environment:
        environment = environment | {"PYTHONPATH": str(Path(__file__).parents[2])}
        subprocess.run(["pactl", "unload-module", "module-null-sink"], env=environment, check=True)
        show = subprocess.Popen(
            [sys.executable, "-c", "if True:" + SHOW], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert show.stdout is not None
            first = json.loads(show.stdout.readline())
            subprocess.run(
                ["pactl", "load-module", "module-null-sink", f"sink_name={SINK}"],
                env=environment, check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            with played(loop, environment):
                out, err = show.communicate()
        finally:
            if show.poll() is None:
                show.kill()
                show.communicate()
    assert show.returncode == 0, err
    assert (first["kind"], first["name"], first["connected"]) == ("mic", "pulse", False)
    assert first["message"] != ""
    assert json.loads(out) == {"name": "ALSA: pulse", "message": ""}
