"""`VideoStructure`: a film in a loop that steers the shapes, in step with musical time."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from engine.diffusion.structure.video_reader import VideoReader
from engine.messages import StructureStatus, Uint8
from engine.threads import Worker

AHEAD_S = 0.4
"""So far ahead of what is painted a live show unpacks."""
_WAIT_S = 0.05
_PAST_THE_EDGE_S = 1e-6
_JUMP_S = 2.0
"""Musical time that goes back by more than this is another show's."""


@dataclass(frozen=True, slots=True)
class _Ready:
    from_s: float
    """Musical time from which it shows."""
    pixels: Uint8


class VideoStructure:
    """The picture at `time_s` modulo the film's length.

    A patient one unpacks when it is asked: an export gets exactly the picture of its moment. A
    live one has a thread that unpacks ahead and never keeps the painter waiting: the same pictures
    as long as the machine can keep up, and when it cannot, fewer.
    """

    def __init__(self, path: Path, *, patient: bool) -> None:
        self._path = path
        self._reader: VideoReader | None = None  # patient: the painter's; else the worker's
        self._worker = None if patient else Worker("structure", self._unpack_ahead)
        self._wake = threading.Event()
        self._asked_s = 0.0  # written by the painter
        self._lock = threading.Lock()
        self._ready: deque[_Ready] = deque()  # guarded by _lock

    def open(self) -> None:
        """Open the file. Raises `StructureError`."""
        self._reader = VideoReader(self._path)
        if self._worker is not None:
            self._worker.start()

    def picture_at(self, time_s: float) -> Uint8 | None:
        """The picture of the film at a musical time; live, the newest that is unpacked."""
        if self._worker is None:
            return None if self._reader is None else self._reader.at(time_s).pixels
        self._asked_s = time_s
        self._wake.set()
        with self._lock:
            while len(self._ready) > 1 and self._ready[1].from_s <= time_s:
                self._ready.popleft()
            return self._ready[0].pixels if self._ready else None

    def status(self) -> StructureStatus:
        """How it is doing. Any thread, never blocks."""
        worker = self._worker
        problem = str(worker.error) if worker is not None and worker.error is not None else ""
        return StructureStatus(
            "video", self._path.name, f"video:{self._path}", not problem, problem
        )

    def close(self) -> None:
        """Stop and free; idempotent."""
        if self._worker is not None:
            self._wake.set()
            self._worker.stop()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _unpack_ahead(self, stopping: threading.Event) -> None:
        assert self._reader is not None, "not open"
        cursor_s = self._asked_s
        while not stopping.is_set():
            asked_s = self._asked_s
            if asked_s > cursor_s or asked_s < cursor_s - _JUMP_S:
                cursor_s = asked_s  # too slow, or another time altogether
                with self._lock:
                    while self._ready and self._ready[0].from_s > asked_s:
                        self._ready.popleft()
            if cursor_s > asked_s + AHEAD_S:
                self._wake.wait(_WAIT_S)
                self._wake.clear()
                continue
            shown = self._reader.at(cursor_s)
            with self._lock:
                self._ready.append(_Ready(cursor_s, shown.pixels))
            cursor_s += shown.for_s + _PAST_THE_EDGE_S
