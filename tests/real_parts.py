"""Real parts for tests: an X server, a sound server with a null sink that is a microphone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PULSE_TOOLS = ("pulseaudio", "paplay", "pactl")
X_TOOLS = ("xvfb-run", "Xvfb")
SINK = "mic"


def missing(tools: tuple[str, ...]) -> str:
    """Return the names of the tools that are not installed."""
    return ", ".join(tool for tool in tools if shutil.which(tool) is None)


@contextmanager
def sound_server(folder: Path) -> Iterator[dict[str, str]]:
    """Run PulseAudio with a null sink; give the environment in which its monitor is the mic."""
    home = folder / "pulse"
    home.mkdir(mode=0o700, exist_ok=True)
    environment = os.environ | {
        "XDG_RUNTIME_DIR": str(home),
        "PULSE_RUNTIME_PATH": str(home),
        "PULSE_SOURCE": f"{SINK}.monitor",
        "HOME": str(folder),
    }
    server = subprocess.Popen(
        ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1",
         f"--load=module-null-sink sink_name={SINK}", "--load=module-native-protocol-unix"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            ready = subprocess.run(
                ["pactl", "list", "short", "sources"],
                env=environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if f"{SINK}.monitor" in ready.stdout:
                break
        else:
            raise RuntimeError("pulseaudio did not start")
        yield environment
    finally:
        server.terminate()
        server.wait()


@contextmanager
def played(path: Path, environment: dict[str, str]) -> Iterator[None]:
    """Play a file into the microphone, again and again."""
    loop = f'while true; do paplay --device={SINK} "{path}" || exit; done'
    player = subprocess.Popen(["sh", "-c", loop], env=environment, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(player.pid, 15)
        player.wait()
