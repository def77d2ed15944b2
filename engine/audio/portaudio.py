"""PortAudio's device list, by name and never by index; and the way to refresh it."""

from __future__ import annotations

import difflib
import logging
import threading
from dataclasses import dataclass
from typing import Any

from engine.errors import AudioDeviceError

logger = logging.getLogger(__name__)

_LISTING = threading.Lock()
"""The list must not be read while PortAudio starts again on another thread."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One entry of the device list."""

    host_api: str
    name: str
    inputs: int
    outputs: int
    default_rate_hz: int
    default: bool
    """The system's default input or output."""
    loopback: bool = False
    """What the system plays itself, as an input."""

    @property
    def key(self) -> str:
        """How it is chosen and remembered, "host api: name": indices change on every plug."""
        return f"{self.host_api}: {self.name}"


def portaudio() -> Any:
    """Return the `sounddevice` module; `AudioDeviceError` where PortAudio itself is missing."""
    try:
        import sounddevice
    except OSError as error:
        raise AudioDeviceError(
            f"PortAudio is not installed ({error}): install it (Debian: apt install libportaudio2)"
            " or use --source demo"
        ) from error
    return sounddevice


def reinitialise() -> None:
    """Make PortAudio look at the hardware again. No stream may be open; may block for a second.

    Raises `AudioDeviceError`.
    """
    sd = portaudio()
    # The list is frozen when PortAudio starts, and there is no public way to start it again.
    with _LISTING:
        try:
            try:
                sd._terminate()  # noqa: SLF001
            finally:
                sd._initialize()  # noqa: SLF001
        except sd.PortAudioError as error:
            raise AudioDeviceError(
                f"the sound system does not start again ({error}): I keep trying"
            ) from error


def list_devices() -> tuple[DeviceInfo, ...]:
    """All devices there are; empty when there is no PortAudio or no hardware."""
    try:
        return tuple(info for _, info in indexed_devices())
    except AudioDeviceError as error:
        logger.info("no sound devices: %s", error)
        return ()


def indexed_devices() -> tuple[tuple[int, DeviceInfo], ...]:
    """All devices with the index they have just now. Raises `AudioDeviceError`."""
    with _LISTING:
        return _indexed_devices()


def _indexed_devices() -> tuple[tuple[int, DeviceInfo], ...]:
    sd = portaudio()
    try:
        hosts = [host["name"] for host in sd.query_hostapis()]
        defaults = set(sd.default.device)
        found = []
        for index, row in enumerate(sd.query_devices()):
            info = DeviceInfo(
                host_api=hosts[row["hostapi"]],
                name=row["name"],
                inputs=int(row["max_input_channels"]),
                outputs=int(row["max_output_channels"]),
                default_rate_hz=round(row["default_samplerate"]),
                default=index in defaults,
            )
            found.append((index, info))
    except sd.PortAudioError as error:
        raise AudioDeviceError(f"the sound devices cannot be listed: {error}") from error
    return tuple(found)


def find_input(device: str) -> tuple[int, DeviceInfo]:
    """Find an input by "host api: name", by name alone, or the default for "".

    Raises `AudioDeviceError` with what there is.
    """
    inputs = [(index, info) for index, info in indexed_devices() if info.inputs > 0]
    if not inputs:
        raise AudioDeviceError(
            "there is no sound input (0 devices): plug in a microphone, or play the demo track"
        )
    if not device:
        default = portaudio().default.device[0]
        return next((pair for pair in inputs if pair[0] == default), inputs[0])
    wanted = device.casefold()
    for matches in (
        [pair for pair in inputs if pair[1].key.casefold() == wanted],
        [pair for pair in inputs if pair[1].name.casefold() == wanted],
    ):
        if matches:
            return matches[0]
    keys = [info.key for _, info in inputs]
    nearest = (difflib.get_close_matches(device, keys, 1, 0.0) or keys)[0]
    raise AudioDeviceError(
        f"there is no sound input {device!r} among {len(keys)}: nearest is {nearest!r}"
    )
