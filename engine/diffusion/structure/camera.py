"""`CameraStructure`: a camera that steers the shapes, and may come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from engine.clock import Clock
from engine.diffusion.structure.fitting import picture_from_bgr
from engine.errors import StructureError
from engine.mailbox import Latest
from engine.messages import StructureStatus, Uint8
from engine.threads import Worker

RETRY_S = 1.0
"""How long after a vain look for the camera the next one follows."""
STALE_S = 1.0
"""A picture older than this no longer steers: a dead camera must not hold the show still."""
STOP_LIMIT_S = 12.0
"""A driver whose camera hangs lets go after 10 s."""


class Capture(Protocol):
    """An open camera, as OpenCV's `VideoCapture`."""

    def read(self) -> tuple[bool, Uint8 | None]:
        """Wait for the next picture, BGR; False when the camera gives none any more."""
        ...

    def release(self) -> None:
        """Let go of it."""
        ...


CameraOpener = Callable[[int], Capture]
"""Opens a camera by number. Raises `StructureError`; may block for seconds."""


@dataclass(frozen=True, slots=True)
class _Seen:
    pixels: Uint8
    at_s: float
    """Host time."""


class CameraStructure:
    """Its newest picture. Its thread opens the camera, reads it, and looks for it when it is gone.

    A camera that is missing, taken or forbidden is a state with one line, never an error: it
    steers as soon as it gives pictures.
    """

    def __init__(
        self, number: int, clock: Clock, opener: CameraOpener, retry_s: float = RETRY_S
    ) -> None:
        self._number = number
        self._clock = clock
        self._open_camera = opener
        self._retry_s = retry_s
        self._seen: Latest[_Seen] = Latest()
        self._message = ""  # written by the worker, read by anyone
        self._worker = Worker("structure", self._run)

    def open(self) -> None:
        """Begin to look for it; never raises, never waits."""
        self._worker.start()

    def picture_at(self, time_s: float) -> Uint8 | None:
        """The newest picture, whatever the musical time; None while the camera gives none."""
        seen = self._seen.get()
        if seen is None or self._clock.now() - seen.at_s > STALE_S:
            return None
        return seen.pixels

    def status(self) -> StructureStatus:
        """How it is doing. Any thread, never blocks."""
        name = f"camera {self._number}"
        message = str(self._worker.error) if self._worker.error is not None else self._message
        if not message and self._seen.get() is not None and self.picture_at(0.0) is None:
            message = f"{name} has stopped giving pictures: waiting for it"
        connected = not message and self._seen.get() is not None
        return StructureStatus("camera", name, f"camera:{self._number}", connected, message)

    def close(self) -> None:
        """Stop and free; idempotent. Waits for a camera that hangs."""
        self._worker.stop(STOP_LIMIT_S)

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                camera = self._open_camera(self._number)
            except StructureError as error:
                self._message = str(error)
            else:
                try:
                    self._watch(camera, stopping)
                finally:
                    camera.release()
            stopping.wait(self._retry_s)

    def _watch(self, camera: Capture, stopping: threading.Event) -> None:
        seen_any = False
        while not stopping.is_set():
            alive, pixels = camera.read()
            if not alive or pixels is None:
                self._message = (
                    f"camera {self._number} is gone: plug it in again, it is waited for"
                    if seen_any
                    else f"camera {self._number} gives no pictures: close the program that uses "
                    "it, or choose another"
                )
                return
            self._seen.put(_Seen(picture_from_bgr(pixels), self._clock.now()))
            self._message, seen_any = "", True
