"""Looking for sound devices off the GUI thread: enumerating them may take a second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from engine.errors import EngineError
from engine.mailbox import Latest

logger = logging.getLogger(__name__)


class ListedDevice(Protocol):
    """What is needed of `engine.audio.device.DeviceInfo`."""

    @property
    def key(self) -> str:
        """`host API: name`, by which it is chosen and remembered."""
        ...

    @property
    def inputs(self) -> int:
        """Input channels; 0 for a pure output."""
        ...

    @property
    def loopback(self) -> bool:
        """What the system plays itself."""
        ...


@dataclass(frozen=True, slots=True)
class DeviceList:
    """What the last scan found."""

    names: tuple[str, ...] = ()
    """`host API: name`, inputs only."""
    loopbacks: tuple[str, ...] = ()
    """What the system plays itself, named alike."""
    scanned: bool = False
    message: str = ""


class DeviceScan:
    """One scan at a time on its own thread; the result is a polled value, never a signal."""

    def __init__(self, list_devices: Callable[[], Sequence[ListedDevice]]) -> None:
        self._list_devices = list_devices  # immutable
        self._result = Latest(DeviceList())
        self._thread: threading.Thread | None = None  # GUI thread only

    def start(self) -> None:
        """Begin a scan unless one runs. GUI thread only."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._scan, name="device-scan", daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for a running scan to end. GUI thread only."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def result(self) -> DeviceList:
        """Return the newest result. Any thread, never blocks."""
        return self._result.get() or DeviceList()

    def _scan(self) -> None:
        try:
            found = self._list_devices()
            names = _keys(info for info in found if info.inputs > 0 and not info.loopback)
            loopbacks = _keys(info for info in found if info.loopback)
        except (EngineError, OSError) as error:
            logger.warning("sound devices cannot be listed: %s", error)
            self._result.put(DeviceList(scanned=True, message=str(error)))
            return
        self._result.put(DeviceList(names, loopbacks, scanned=True))


def _keys(found: Iterable[ListedDevice]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(info.key for info in found))
