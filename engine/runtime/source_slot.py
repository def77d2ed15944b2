"""`SourceSlot`: the one source that is listened to, and how it is exchanged."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.clock import Clock
from engine.commands import SourceChoice
from engine.errors import AudioDeviceError
from engine.messages import SourceStatus
from engine.protocols import AudioSource
from engine.runtime.awaited import AwaitedDevice

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.9
"""How long after a vain look for a missing microphone the next one follows."""

SourceOpener = Callable[[SourceChoice], AudioSource]
"""Returns an open source. Raises `AudioDeviceError` or `AudioFileError`; may block a second."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A source and which one it is since the start: both change at once."""

    source: AudioSource
    number: int


class SourceSlot:
    """Opens, exchanges, watches and closes sources.

    A microphone or system sound that cannot be opened is awaited in silence: "no device" is a
    state of the show, not its end, and it is heard as soon as it appears.
    """

    def __init__(self, opener: SourceOpener, reopener: SourceOpener, clock: Clock) -> None:
        """`reopener` is asked for a device that was missing: it looks at the hardware anew."""
        self._open = opener
        self._reopen = reopener
        self._clock = clock
        self._lock = threading.Lock()  # one at a time opens, closes or looks for devices
        self._heard: Heard | None = None  # written under _lock, read by anyone
        self._opened = False  # written under _lock, read by anyone
        self._overflows_before = 0  # written under _lock
        self._look_at_s = 0.0  # guarded by _lock

    @property
    def heard(self) -> Heard | None:
        """What is listened to now; None before the first and after `close`. Any thread."""
        return self._heard

    @property
    def overflows(self) -> int:
        """Input overflows of all sources so far. Any thread, never blocks."""
        heard = self._heard
        return self._overflows_before + (heard.source.overflows if heard else 0)

    @property
    def opened(self) -> bool:
        """Whether anything but silence was ever listened to. Any thread, never blocks."""
        return self._opened

    def status(self) -> SourceStatus:
        """How the source is doing. Any thread, never blocks."""
        heard = self._heard
        return heard.source.status() if heard else SourceStatus("none", "", connected=False)

    def choose(self, choice: SourceChoice) -> None:
        """Listen to `choice` from now on; the old source stays when it cannot be opened.

        Raises `AudioFileError`. Control thread; may block for a second.
        """
        with self._lock:
            source: AudioSource
            try:
                source = self._open(choice)
            except AudioDeviceError as error:
                if choice.kind not in ("mic", "loopback"):
                    raise
                source = AwaitedDevice(choice, str(error), self._clock)
                source.open()
                self._look_at_s = self._clock.now() + LOOK_AGAIN_S
            self._exchange(source)

    def service(self, now_s: float) -> None:
        """Look after the device, and for a missing one. Watchdog thread; may block for a second.

        Raises `AudioDeviceError`.
        """
        with self._lock:
            heard = self._heard
            if heard is None:
                return
            heard.source.service(now_s)
            if isinstance(heard.source, AwaitedDevice) and now_s >= self._look_at_s:
                self._look_again(heard.source)

    def close(self) -> None:
        """Free the source; idempotent."""
        with self._lock:
            heard, self._heard = self._heard, None
            if heard is not None:
                self._overflows_before += heard.source.overflows
                heard.source.close()

    def _look_again(self, awaited: AwaitedDevice) -> None:
        try:
            source = self._reopen(awaited.choice)
        except AudioDeviceError as error:
            awaited.message = str(error)
            self._look_at_s = self._clock.now() + LOOK_AGAIN_S
        else:
            logger.info("%s is here", source.status().name)
            self._exchange(source)

    def _exchange(self, newer: AudioSource) -> None:
        older = self._heard
        self._opened = self._opened or not isinstance(newer, AwaitedDevice)
        self._heard = Heard(newer, older.number + 1 if older else 0)
        if older is not None:
            self._overflows_before += older.source.overflows
            older.source.close()
