"""A display for programs that open a window: the one that is there, or a virtual one."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SCREEN = "1600x900x24"
MISSING = (
    "no display and no Xvfb to make one: install it (apt-get install xvfb) or run in a desktop "
    "session"
)
_READY_WITHIN_S = 15.0
_STOP_WITHIN_S = 5.0


@contextmanager
def display_environment() -> Iterator[dict[str, str] | None]:
    """Environment in which a child process can open a window; None where there is no way.

    On Linux without a display an X server without a screen (Xvfb) runs as long as the context,
    started before it is entered, so that no measurement of the child includes it.
    """
    environment = dict(os.environ)
    if sys.platform != "linux" or environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        yield environment
        return
    program = shutil.which("Xvfb")
    if program is None:
        yield None
        return
    server, number = _start(program)
    try:
        yield None if number is None else environment | {"DISPLAY": f":{number}"}
    finally:
        server.terminate()
        try:
            server.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _start(program: str) -> tuple[subprocess.Popen[bytes], str | None]:
    """Start the server; it chooses a free number and says so once it answers."""
    reading, writing = os.pipe()
    try:
        server = subprocess.Popen(
            [program, "-displayfd", str(writing), "-screen", "0", SCREEN, "-nolisten", "tcp"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(writing,),
        )  # fmt: skip
    finally:
        os.close(writing)
    try:
        said = b""
        while not said.endswith(b"\n") and select.select([reading], [], [], _READY_WITHIN_S)[0]:
            piece = os.read(reading, 16)
            if not piece:  # it ended
                break
            said += piece
    finally:
        os.close(reading)
    return server, said.decode().strip() or None
