"""Whether there is a screen to open a window on: where there is none, Qt aborts the program."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.errors import CommandError

_FIRST_TCP_PORT = 6000
_WAIT_S = 3.0
_REMEDY = "use `sonolume live --headless`, or `sonolume render demo -o demo.mp4` for a video"


def check_display(environment: Mapping[str, str] = os.environ) -> None:
    """Raise `CommandError` where a window cannot open. Only X11 and Wayland can be missing."""
    if not sys.platform.startswith("linux"):
        return
    platform = environment.get("QT_QPA_PLATFORM", "")
    if platform and not platform.startswith(("xcb", "wayland")):
        return  # offscreen, vnc, eglfs: needs neither
    wayland, x11 = environment.get("WAYLAND_DISPLAY"), environment.get("DISPLAY")
    if not wayland and not x11:
        raise CommandError(f"there is no display (DISPLAY is not set): {_REMEDY}")
    if wayland and _answers(_wayland_address(wayland, environment)):
        return
    if x11 and any(_answers(address) for address in x_addresses(x11)):
        return
    raise CommandError(f"the display {x11 or wayland} does not answer: {_REMEDY}")


def x_addresses(display: str) -> list[str | tuple[str, int]]:
    """Where the X server of `[host]:number[.screen]` may listen; none for what is no display."""
    host, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdigit():
        return []
    if host and host != "unix":
        return [(host.strip("[]"), _FIRST_TCP_PORT + int(number))]
    path = f"/tmp/.X11-unix/X{number}"
    return [path, f"\0{path}"]


def _wayland_address(display: str, environment: Mapping[str, str]) -> str:
    return str(Path(environment.get("XDG_RUNTIME_DIR", "/")) / display)


def _answers(address: str | tuple[str, int]) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    if isinstance(address, tuple) and ":" in address[0]:
        family = socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(_WAIT_S)
            connection.connect(address)
    except OSError:
        return False
    return True
