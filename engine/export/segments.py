"""The pictures of a render, in segments that are closed files soon after their last picture."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from functools import partial
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

MOST_WAITING = 6
"""Pictures that may wait for the encoder: enough to even out a key frame, few in memory."""


class Segments:
    """Encodes pictures into files of equal length. Every method raises `SinkError`.

    Each segment has an encoder of its own, so that it does not matter to a picture whether the
    render was interrupted before. Encoding happens on one thread beside the caller's, emptying an
    encoder and saving on another; what fails there is raised by a later call.
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
        self._in_open = 0
        self._waiting: deque[Future[None]] = deque()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="sink-encoder")
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="sink-disk")
        # The encoder's thread alone uses these, and the caller when that thread is idle.
        self._file: MovieFile | None = None
        self._open: list[av.VideoFrame] = []  # pictures of the open segment, if not too many
        self._pending: Future[None] | None = None

    @property
    def files(self) -> list[Path]:
        """All segments so far, in order, the open one too."""
        count = -(-self.frames // self.frames_each)
        return [self._folder.segment(index) for index in range(count)]

    @property
    def full(self) -> bool:
        """True when the open segment has its last picture and waits for `close_segment`."""
        return self._in_open > 0 and self.frames % self.frames_each == 0

    def go_on(self, frames: int, planes: Uint8 | None) -> None:
        """Continue after picture number `frames`; `planes` are those of the open segment."""
        count = 0 if planes is None else len(planes)
        self.frames = frames - count
        for index in range(count):
            assert planes is not None
            self._next(partial(MovieFile.write_planes, planes=planes[index]))

    def write(self, pixels: Uint8) -> None:
        """Encode a picture, shape `(height, width, 3)`, beside; it must not change any more."""
        self._next(partial(MovieFile.write_picture, pixels=pixels))

    def close_segment(self, state: dict[str, Any] | None) -> None:
        """Close the open segment, then save `state`, which holds after its last picture."""
        self._in_open = 0
        self._beside(partial(self._hand_over, state))

    def save(self, state: dict[str, Any] | None) -> bool:
        """Save `state` and the open segment's pictures; False when they are too many.

        For the open segment, or for the disk: the video comes first.
        """
        planes_bytes = self._planes_bytes(self._in_open)
        if state is None or planes_bytes > MOST_OPEN_BYTES:
            return False
        if not self._folder.room_for(planes_bytes):
            return False
        self._beside(partial(self._copy_open, state))
        return True

    def wait(self) -> None:
        """Return when all that was begun is on the disk."""
        self._drain(0)
        self._wait_for_disk()

    def close(self) -> None:
        """Let go of everything; what is not on the disk by now is given up. Idempotent."""
        self._encoder.shutdown(cancel_futures=True)
        self._disk.shutdown()
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except SinkError as error:
                logger.info("segment given up: %s", error)

    def _next(self, write: Callable[[MovieFile, int], None]) -> None:
        index = self.frames
        self.frames += 1
        self._in_open += 1
        self._beside(partial(self._encode, index, write))

    def _beside(self, task: Callable[[], None]) -> None:
        """Run `task` after those before it, of which few may wait; raises what they raised."""
        self._drain(MOST_WAITING)
        self._waiting.append(self._encoder.submit(task))

    def _drain(self, most: int) -> None:
        while self._waiting and (len(self._waiting) > most or self._waiting[0].done()):
            self._waiting.popleft().result()

    def _planes_bytes(self, pictures: int) -> int:
        """Size of so many pictures in 4:2:0."""
        return pictures * self._size[0] * self._size[1] * 3 // 2

    # From here on: the encoder's thread.

    def _encode(self, index: int, write: Callable[[MovieFile, int], None]) -> None:
        if self._file is None:
            path = self._folder.segment(index // self.frames_each)
            self._file = MovieFile(
                path, self._size, self._rate, 0, 0, self._quality, final=True
            )  # fmt: skip
        write(self._file, index % self.frames_each)
        if self._file.picture is not None:
            self._open.append(self._file.picture)
        if self._planes_bytes(len(self._open)) > MOST_OPEN_BYTES:
            self._open = []

    def _hand_over(self, state: dict[str, Any] | None) -> None:
        file, self._file, self._open = self._file, None, []
        self._wait_for_disk()
        self._pending = self._disk.submit(self._finish, file, state)

    def _copy_open(self, state: dict[str, Any]) -> None:
        self._wait_for_disk()
        self._pending = self._disk.submit(self._save_open, list(self._open), state)

    def _wait_for_disk(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    # From here on: the disk's thread.

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
