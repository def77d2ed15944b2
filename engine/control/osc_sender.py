"""OscSender: what Sonolume hears and how its parameters stand, for other programs."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from typing import Any

from pythonosc.osc_message_builder import OscMessageBuilder

from engine.clock import Clock, MonotonicClock
from engine.control.osc_addresses import (
    BAND_VALUES,
    PREFIX,
    TEXTURE_VALUES,
    band_address,
    lane_address,
    texture_address,
)
from engine.errors import CommandError
from engine.keys import KEY_NAMES
from engine.messages import BAND_NAMES, LANE_NAMES, AudioFeatures, EngineStatus

logger = logging.getLogger(__name__)

OscValue = float | int | str

MOST_PER_S = 60.0
"""Messages per second and address."""
_TYPE_TAGS: Mapping[type, str] = {float: "f", int: "i", str: "s"}


class OscSender:
    """Sends changes of an `EngineStatus` to one peer, at most 60 a second per address.

    A peer that is not there is no error: it may come later. One thread only.
    """

    def __init__(self, host: str, port: int, *, clock: Clock | None = None) -> None:
        self.host = host
        self.port = port
        self.sent = 0
        self._clock = clock or MonotonicClock()
        self._socket: socket.socket | None = None
        self._address: Any = None
        self._last: dict[str, OscValue] = {}
        self._next_s: dict[str, float] = {}

    def open(self) -> None:
        """Find the peer. Raises `CommandError` for a host that has no address."""
        try:
            family, kind, protocol, _, self._address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_DGRAM
            )[0]
        except OSError as error:
            raise CommandError(
                f"no host {self.host!r} for --osc-out: {error.strerror}; give its IP address"
            ) from error
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setblocking(False)

    def send(self, status: EngineStatus) -> None:
        """Send what has changed since the last time; call it as often as you like."""
        if self._socket is None:
            return
        now_s = self._clock.now()
        for address, value in _values(status).items():
            if self._last.get(address) == value or now_s < self._next_s.get(address, now_s):
                continue
            self._last[address] = value
            self._next_s[address] = now_s + 1.0 / MOST_PER_S
            self._send_one(self._socket, address, value)

    def close(self) -> None:
        """Let go of the socket; idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_one(self, peer: socket.socket, address: str, value: OscValue) -> None:
        message = OscMessageBuilder(address)
        message.add_arg(value, _TYPE_TAGS[type(value)])
        try:
            peer.sendto(message.build().dgram, self._address)
            self.sent += 1
        except OSError as error:  # nobody listens, or the cable is out: it may come back
            logger.debug("OSC to %s:%d: %s", self.host, self.port, error)


def parse_host_port(text: str) -> tuple[str, int]:
    """Read `HOST:PORT` (`[IPV6]:PORT`). Raises `CommandError`."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
        raise CommandError(f"{text!r} is not HOST:PORT; try 127.0.0.1:9001")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _values(status: EngineStatus) -> dict[str, OscValue]:
    values: dict[str, OscValue] = {
        PREFIX + name: float(f"{value:.6g}") for name, value in status.values.items()
    }
    if status.features is not None:
        values |= _heard(status.features)
    if status.semantic is not None:
        semantic = status.semantic
        for label, share in zip(semantic.labels, semantic.probabilities, strict=True):
            values[f"{PREFIX}semantic/{label}"] = round(share, 3)
    return values


def _heard(features: AudioFeatures) -> dict[str, OscValue]:
    """Rounded, so that what nobody can see or hear is no change."""
    values: dict[str, OscValue] = {}
    of_band = (features.band_level, features.band_hit, features.band_presence)
    for name, column in zip(BAND_VALUES, of_band, strict=True):
        for band, value in zip(BAND_NAMES, column.tolist(), strict=True):
            values[band_address(band, name)] = round(value, 3)
    for lane, count in zip(LANE_NAMES, features.lanes.count, strict=True):
        values[lane_address(lane)] = int(count)
    for name in TEXTURE_VALUES:
        values[texture_address(name)] = round(float(getattr(features.texture, name)), 3)
    values[texture_address("loudness")] = round(float(features.texture.loudness_lufs), 1)
    values[f"{PREFIX}beat"] = int(features.beat_count)
    values[f"{PREFIX}tempo/bpm"] = round(float(features.tempo_bpm), 2)
    values[f"{PREFIX}tempo/phase"] = round(float(features.beat_phase), 3)
    values[f"{PREFIX}tempo/confidence"] = round(float(features.tempo_confidence), 3)
    tonal = features.tonal
    values[f"{PREFIX}tonal/key"] = KEY_NAMES[tonal.key] if tonal.key >= 0 else ""
    values[f"{PREFIX}tonal/pitch_hz"] = round(float(tonal.pitch_hz), 1)
    values[f"{PREFIX}tonal/pitch_confidence"] = round(float(tonal.pitch_confidence), 2)
    values[f"{PREFIX}structure/section"] = int(features.structure.section)
    values[f"{PREFIX}structure/drop"] = int(features.structure.drop_count)
    values[f"{PREFIX}structure/build"] = round(float(features.structure.build), 3)
    return values
