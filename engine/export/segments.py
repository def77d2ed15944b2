"""The pictures of a render, in segments that are closed files soon after their last picture."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import SinkError
from engine.export.state_file import sync_file
from engine.export.work_folder import WorkFolder
from engine.messages import Uint8
from engine.sinks.movie_file import MovieFile

if TYPE_CHECKING:
    import av

logger = logging.getLogger(__name__)

SEGMENT_S = 4
"""A whole number of key frame intervals: so cut, a video is not larger than in one piece."""
MOST_OPEN_BYTES = 192 << 20
"""Pictures of the open segment that are kept; with more, going on repeats that segment."""


class Segments:
    """Encodes pictures into files of equal length. Every method raises `SinkError`.

    Each segment has an encoder of its own, so that it does not matter to a picture whether the
    render was interrupted before. Emptying an encoder and saving happen on a thread beside.
    """

    def __init__(
        self, folder: WorkFolder, size: tuple[int, int], rate: Fraction, quality: int
    ) -> None:
        self.frames_each = frames_each(rate)
        self.frames = 0
        self._folder = folder
        self._size = size
        self._rate = rate
        self._quality = quality
        self._file: MovieFile | None = None
        self._open: list[av.VideoFrame] | None = []  # pictures of the open segment
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink-segments")
        self._pending: Future[None] | None = None

    @property
    def files(self) -> list[Path]:
        """All segments so far, in order, the open one too."""
        count = -(-self.frames // self.frames_each)
        return [self._folder.segment(index) for index in range(count)]

    @property
    def full(self) -> bool:
        """True when the open segment has its last picture and waits for `close_segment`."""
        return self._file is not None and self.frames % self.frames_each == 0

    def go_on(self, frames: int, planes: Uint8 | None) -> None:
        """Continue after picture number `frames`; `planes` are those of the open segment."""
        count = 0 if planes is None else len(planes)
        self.frames = frames - count
        for index in range(count):
            assert planes is not None
            self._slot().write_planes(self.frames % self.frames_each, planes[index])
            self._keep()

    def write(self, pixels: Uint8) -> None:
        """Encode a picture, shape `(height, width, 3)`."""
        self._slot().write_picture(self.frames % self.frames_each, pixels)
        self._keep()

    def close_segment(self, state: dict[str, Any] | None) -> None:
        """Close the open segment, then save `state`, which holds after its last picture."""
        file, self._file, self._open = self._file, None, []
        self._wait()
        self._pending = self._thread.submit(self._finish, file, state)

    def save(self, state: dict[str, Any] | None) -> bool:
        """Save `state` and the open segment's pictures; False when they are too many."""
        if state is None or self._open is None:
            return False
        self._wait()
        self._pending = self._thread.submit(self._save_open, list(self._open), state)
        return True

    def wait(self) -> None:
        """Return when all that was begun is on the disk."""
        self._wait()

    def close(self) -> None:
        """Let go of everything; what is not on the disk by now is given up. Idempotent."""
        self._thread.shutdown()
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except SinkError as error:
                logger.info("segment given up: %s", error)

    def _slot(self) -> MovieFile:
        if self._file is None:
            path = self._folder.segment(self.frames // self.frames_each)
            self._file = MovieFile(
                path, self._size, self._rate, 0, 0, self._quality, final=True
            )  # fmt: skip
        return self._file

    def _keep(self) -> None:
        self.frames += 1
        picture = None if self._file is None else self._file.picture
        if self._open is None or picture is None:
            return
        self._open.append(picture)
        if len(self._open) * self._size[0] * self._size[1] * 3 // 2 > MOST_OPEN_BYTES:
            self._open = None

    def _wait(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def _finish(self, file: MovieFile | None, state: dict[str, Any] | None) -> None:
        if file is not None:
            file.close()
            sync_file(file.path)
        if state is not None:
            self._folder.save({**state, "planes": None})

    def _save_open(self, pictures: list[av.VideoFrame], state: dict[str, Any]) -> None:
        planes = np.stack([picture.to_ndarray() for picture in pictures]) if pictures else None
        self._folder.save({**state, "planes": planes})


def frames_each(rate: Fraction) -> int:
    """Return how many pictures a segment has."""
    return SEGMENT_S * max(1, round(rate))
