"""A real sound server: a tone is played into a null sink and comes back through PortAudio."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.signals import sine

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (shutil.which("pulseaudio") and shutil.which("paplay") and shutil.which("pactl")),
        reason="needs pulseaudio and pulseaudio-utils",
    ),
]

# PortAudio looks for the sound server once per process, so the listening happens in its own.
LISTEN = """
    import json, sys
    import numpy as np
    from engine.audio.device import DeviceSource, list_devices
    from engine.clock import MonotonicClock

    clock = MonotonicClock()
    source = DeviceSource("pulse", clock=clock)
    source.open()
    rate = source.sample_rate
    whole = source.ring.wait(2 * rate, timeout_s=60.0)
    before, heard_s = source.ring.written, source.heard_s(clock.now())
    samples = source.ring.read(source.ring.written - rate, rate)[:, 0]
    status = source.status()
    keys = [device.key for device in list_devices()]
    source.close()
    source.close()
    print(json.dumps({
        "whole": whole, "rate": rate, "connected": status.connected, "name": status.name,
        "keys": keys, "level": float(np.sqrt(np.mean(samples**2))),
        "peak_hz": float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(rate))))),
        "ahead_s": heard_s - before / rate, "overflows": source.overflows,
    }))
"""


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A PulseAudio of our own with one null sink called `mic`."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(runtime),
        "HOME": str(tmp_path),
        "PULSE_SOURCE": "mic.monitor",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    server = subprocess.Popen(
        [
            "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--log-target=stderr",
            "--load=module-null-sink sink_name=mic", "--load=module-native-protocol-unix",
        ],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        subprocess.run(
            ["sh", "-c", "until pactl info >/dev/null 2>&1; do sleep 0.1; done"],
            env=environment, check=True, timeout=60,
        )  # fmt: skip
        yield environment
    finally:
        server.terminate()
        server.wait(20)


def test_a_tone_comes_back_through_a_real_sound_server(
    sound_server: dict[str, str], tmp_path: Path
) -> None:
    tone = tmp_path / "tone.wav"
    soundfile.write(tone, np.tile(sine(440.0, 1.0, 44_100, 0.3), 120), 44_100)
    player = subprocess.Popen(["paplay", "--device=mic", str(tone)], env=sound_server)
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(LISTEN)],
            env=sound_server, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
    finally:
        player.terminate()
        player.wait(20)
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout.splitlines()[-1])
    assert heard["whole"]
    assert heard["connected"]
    assert heard["name"] == "ALSA: pulse"
    assert "ALSA: pulse" in heard["keys"]
    assert heard["peak_hz"] == pytest.approx(440.0, abs=2.0)
    assert heard["level"] == pytest.approx(0.3 / np.sqrt(2.0), rel=0.1)
    assert abs(heard["ahead_s"]) < 0.5
