"""`StructureSlot`: the one picture, video or camera that steers, and how it is exchanged."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.clock import Clock
from engine.commands import NO_STRUCTURE, StructureChoice
from engine.diffusion.structure.opening import open_structure
from engine.messages import StructureStatus, Uint8
from engine.protocols import StructureSource

StructureOpener = Callable[[StructureChoice], StructureSource | None]
"""Returns an open source, None for `none`. Raises `StructureError`; may block for a second."""


class StructureSlot:
    """Opens, exchanges and closes structure sources."""

    def __init__(self, clock: Clock, opener: StructureOpener | None = None) -> None:
        self._open = opener or (lambda choice: open_structure(choice, clock, patient=False))
        self._lock = threading.Lock()  # one at a time opens or closes
        self._choice = NO_STRUCTURE  # written under _lock
        self._source: StructureSource | None = None  # written under _lock, read by anyone

    def picture_at(self, time_s: float) -> Uint8 | None:
        """The picture that steers at a musical time; None while there is none. Never blocks."""
        source = self._source
        return None if source is None else source.picture_at(time_s)

    def status(self) -> StructureStatus:
        """How it is doing. Any thread, never blocks."""
        source = self._source
        return StructureStatus() if source is None else source.status()

    def choose(self, choice: StructureChoice) -> None:
        """Be steered by `choice` from now on. Control thread; may block for a second.

        Raises `StructureError`; the old source then steers on, unless it had to make room.
        """
        with self._lock:
            if choice.kind == "camera" == self._choice.kind:
                if choice == self._choice:
                    return
                self._exchange(NO_STRUCTURE, None)  # a camera is lent only once
            self._exchange(choice, self._open(choice))

    def close(self) -> None:
        """Free the source; idempotent."""
        with self._lock:
            self._exchange(NO_STRUCTURE, None)

    def _exchange(self, choice: StructureChoice, newer: StructureSource | None) -> None:
        older, self._source, self._choice = self._source, newer, choice
        if older is not None:
            older.close()
