"""The MIDI inputs of this machine, through the optional package `rtmidi2`.

Chosen among the RtMidi bindings for its wheels (Python 3.10-3.14 on Linux x86-64, macOS and
Windows, October 2026, MIT licence); python-rtmidi, the best known one, has none for 3.13 and is
unchanged since 2023, and mido is a layer above it that this needs nothing of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol, cast

from engine.errors import TempoSourceError

REMEDY = "install it with `pip install 'sonolume[midi]'`"
_ALSA_NUMBERS = re.compile(r" \d+:\d+$")


class MidiInput(Protocol):
    """What is used of `rtmidi2.MidiIn`: its queue, filled by a thread of its own.

    Its callbacks are not used: closing a port waits for that thread while the thread waits for
    Python, and what it stamps does not wait.
    """

    @property
    def deltatime(self) -> float:
        """Seconds between the newest message taken and the one before, as the driver has it."""
        ...

    def get_message(self) -> list[int] | None:
        """Take one whole message; None when there is none. Never blocks."""
        ...

    def close_port(self) -> None:
        """Stop."""
        ...


class MidiPorts(Protocol):
    """The MIDI inputs there are. Its twin is in the tests."""

    def names(self) -> list[str]:
        """All inputs, in the system's order. Raises `TempoSourceError`."""
        ...

    def open(self, index: int) -> MidiInput:
        """Listen to one, clocks included. Raises `TempoSourceError`."""
        ...


class SystemMidiPorts:
    """The real ones. Raises `TempoSourceError` where the package or the system's MIDI lacks."""

    def __init__(self) -> None:
        try:
            import rtmidi2
        except (ImportError, OSError) as error:
            raise TempoSourceError(f"MIDI needs the package rtmidi2: {REMEDY}") from error
        self._library: Any = rtmidi2

    def names(self) -> list[str]:
        """All inputs, in the system's order."""
        try:
            return [str(name) for name in self._library.get_in_ports()]
        except (RuntimeError, OSError) as error:
            raise TempoSourceError(_no_midi(error)) from error

    def open(self, index: int) -> MidiInput:
        """Listen to one input, clocks included."""
        try:
            midi_in = self._library.MidiIn("Sonolume")
            midi_in.ignore_types(midi_sysex=True, midi_time=False, midi_sense=True)
            midi_in.open_port(index)
        except (RuntimeError, ValueError, OSError) as error:  # ValueError: it has just gone
            raise TempoSourceError(f"a MIDI input cannot be opened: {_line(error)}") from error
        return cast("MidiInput", midi_in)


def midi_input_names() -> list[str]:
    """Names as `--clock midi:PORT` takes them. Raises `TempoSourceError`."""
    return [plain_name(name) for name in SystemMidiPorts().names()]


def plain_name(name: str) -> str:
    """The name without ALSA's client numbers, which change with every plugging in."""
    return _ALSA_NUMBERS.sub("", name)


def wanted_ports(names: Sequence[str], wanted: str) -> list[int]:
    """Numbers of the inputs that `wanted` means: all when empty, else the one of that name.

    The whole name counts more than a part of one; upper and lower case are alike.
    """
    if not wanted:
        return list(range(len(names)))
    plain = [plain_name(name).casefold() for name in names]
    asked = plain_name(wanted).casefold()
    same = [index for index, name in enumerate(plain) if name == asked]
    return (same or [index for index, name in enumerate(plain) if asked in name])[:1]


def _no_midi(error: Exception) -> str:
    return (
        f"this system offers no MIDI ({_line(error)}); on Linux load the sequencer with "
        "`sudo modprobe snd-seq`"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
