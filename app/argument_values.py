"""How words on the command line become values; what is wrong becomes argparse's line."""

from __future__ import annotations

import argparse

from engine.commands import ClockChoice


def as_size(text: str) -> tuple[int, int]:
    """Read `640x360`. Raises `ArgumentTypeError`, as all of these do."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 640x360") from None
    return width, height


def as_duration_s(text: str) -> float:
    """Read `90s`, `10m` or `1h`, in seconds."""
    unit_s = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:].lower())
    try:
        return float(text) if unit_s is None else unit_s * float(text[:-1])
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration; write 90s, 10m or 1h"
        ) from None


def as_clock(text: str) -> ClockChoice:
    """`sound`, `midi`, `midi:PORT` or `link`; raises what argparse turns into a line."""
    if text in ("sound", "midi", "link"):
        return ClockChoice(text)  # type: ignore[arg-type]
    kind, _, port = text.partition(":")
    if kind == "midi" and port.strip():
        return ClockChoice("midi", port.strip())
    raise argparse.ArgumentTypeError(f"no clock {text!r}; choose sound, midi, midi:PORT or link")


def as_host_port(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT; write 127.0.0.1:9001")
    return host, int(port)
