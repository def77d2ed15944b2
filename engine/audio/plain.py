"""WAV, FLAC, OGG, Opus and what else libsndfile opens; MP3 is left to FFmpeg."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from engine.messages import Float32

logger = logging.getLogger(__name__)

_CHUNK = 4096
"""What is lost where a file breaks: libsndfile throws away the whole read."""


class PlainDecoder:
    """One sound file, native channels, sample-exact seeks.

    Raises `soundfile.LibsndfileError` (or `TypeError` for headerless files) when it cannot open.
    MP3 is refused with a `TypeError`: libsndfile 1.2.2 loses its bit reservoir between two reads
    and returns damaged sound unless the whole file is read at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = self._reopen()
        if self._file.format == "MP3":
            self._file.close()
            raise TypeError("MP3")
        self.sample_rate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.note = ""
        self._there = max(0, int(self._file.frames))
        claimed = _claimed_samples(path, self._file.format)
        self._claimed = max(claimed, self._there)
        self.duration_s = self._there / self.sample_rate
        self._position = 0
        if claimed > self._there:
            self._breaks_at(self._there)

    def read(self, n: int) -> Float32:
        """Return at most `n` samples; a broken file ends where it breaks."""
        blocks = []
        while n > 0:
            block = self._read_chunk(min(n, _CHUNK))
            if block.shape[0] == 0:
                break
            blocks.append(block)
            n -= block.shape[0]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.channels), np.float32)

    def seek(self, sample: int) -> None:
        """Make `sample` the next one read."""
        # A second seek in an OGG lands elsewhere in libsndfile 1.2.2; the first one is exact.
        if self._file.closed or self._file.format == "OGG":
            self._file.close()
            self._file = self._reopen()
        self._position = min(sample, self._there)
        try:
            self._file.seek(self._position)
        except self._error as error:
            logger.warning("%s: cannot go to sample %d: %s", self._path.name, sample, error)
            self._breaks_at(0)

    def close(self) -> None:
        """Free the file; idempotent."""
        self._file.close()

    def _reopen(self) -> Any:
        import soundfile

        self._error = soundfile.LibsndfileError
        return soundfile.SoundFile(str(self._path))

    def _read_chunk(self, n: int) -> Float32:
        n = min(n, self._there - self._position)
        if n <= 0 or self._file.closed:
            return np.zeros((0, self.channels), np.float32)
        try:
            block: Float32 = self._file.read(n, dtype="float32", always_2d=True)
        except self._error as error:
            logger.debug("%s: %s", self._path.name, error)
            block = np.zeros((0, self.channels), np.float32)
        self._position += block.shape[0]
        if block.shape[0] == 0:
            self._breaks_at(self._position)
            self._file.close()  # libsndfile cannot seek any more after such an error
        return block

    def _breaks_at(self, there: int) -> None:
        self._there = there
        self.duration_s = there / self.sample_rate
        self.note = (
            f"{self._path.name} breaks off: {self.duration_s:.1f} s of"
            f" {self._claimed / self.sample_rate:.1f} s can be played"
        )


def _claimed_samples(path: Path, kind: str) -> int:
    """How many samples a WAV header promises; 0 for other formats and for streamed headers."""
    if kind not in ("WAV", "WAVEX"):
        return 0
    with path.open("rb") as file:
        file.seek(12)
        frame_bytes = 0
        while len(head := file.read(8)) == 8:
            name, size = head[:4], int.from_bytes(head[4:], "little")
            if name == b"fmt ":
                frame_bytes = int.from_bytes(file.read(14)[12:14], "little")
                file.seek(size - 14 + size % 2, 1)
            elif name == b"data":
                streamed = size >= 0xFFFFF000  # a recorder that never went back to fill it in
                return 0 if streamed or frame_bytes == 0 else size // frame_bytes
            else:
                file.seek(size + size % 2, 1)
    return 0
