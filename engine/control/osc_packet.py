"""One UDP datagram in, the OSC messages it holds out, each with its time."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message import ParseError as MessageParseError
from pythonosc.parsing.osc_types import ParseError as TypeParseError

_BUNDLE = b"#bundle\0"
_DEEPEST = 8
_NTP_TO_UNIX_S = 2_208_988_800
_IMMEDIATELY = 1
_READABLE = frozenset(b"ifsbhdrmtTFN[]")
# Types that python-osc does not know, as ones of the same layout that it does: symbol, character,
# and the impulse that Max and Pd send for a bang.
_SAME_LAYOUT = bytes.maketrans(b"ScI", b"siN")


class MalformedPacketError(ValueError):
    """A datagram that is not OSC 1.0."""


@dataclass(frozen=True, slots=True)
class TimedMessage:
    """An OSC message and when it is meant."""

    due_unix_s: float | None
    """Wall-clock time of the bundle's time tag; None for at once."""
    address: str
    arguments: tuple[Any, ...]


def read_datagram(datagram: bytes) -> list[TimedMessage]:
    """Return the messages of a packet in order. Raises `MalformedPacketError`, nothing else."""
    messages: list[TimedMessage] = []
    _read_element(datagram, None, messages, depth=0)
    return messages


def _read_element(
    data: bytes, due_unix_s: float | None, messages: list[TimedMessage], depth: int
) -> None:
    if data.startswith(_BUNDLE):
        _read_bundle(data, messages, depth)
    elif data.startswith(b"/"):
        messages.append(_read_message(data, due_unix_s))
    else:
        raise MalformedPacketError("neither a message nor a bundle")


def _read_bundle(data: bytes, messages: list[TimedMessage], depth: int) -> None:
    if depth >= _DEEPEST or len(data) < 16:
        raise MalformedPacketError("a bundle too deep or too short")
    due_unix_s = _unix_time_s(int.from_bytes(data[8:16], "big"))
    index = 16
    while index < len(data):
        size = int.from_bytes(data[index : index + 4], "big")
        element = data[index + 4 : index + 4 + size]
        if size == 0 or len(element) < size:
            raise MalformedPacketError("a bundle element reaches beyond the packet")
        _read_element(element, due_unix_s, messages, depth + 1)
        index += 4 + size


def _read_message(data: bytes, due_unix_s: float | None) -> TimedMessage:
    end = data.find(b"\0")
    tags_at = (end // 4 + 1) * 4
    if end > 0 and data[tags_at : tags_at + 1] == b",":
        tags_end = data.find(b"\0", tags_at)
        tags = data[tags_at + 1 : tags_end].translate(_SAME_LAYOUT)
        if tags_end < 0 or not _READABLE.issuperset(tags):
            raise MalformedPacketError("an argument of unknown type")
        data = data[: tags_at + 1] + tags + data[tags_end:]
    try:
        message = OscMessage(data)
    except (
        MessageParseError, TypeParseError, struct.error, ValueError, IndexError, TypeError,
        OverflowError,
    ) as error:  # fmt: skip
        raise MalformedPacketError(str(error)) from error
    return TimedMessage(due_unix_s, message.address, tuple(message.params))


def _unix_time_s(time_tag: int) -> float | None:
    if time_tag <= _IMMEDIATELY:
        return None
    return (time_tag >> 32) - _NTP_TO_UNIX_S + (time_tag & 0xFFFFFFFF) / 2**32
