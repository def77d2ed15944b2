"""MP3, and the sound of MP4, MKV, M4A, WEBM and whatever else FFmpeg opens, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import AudioFileError
from engine.messages import Float32

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

_REMEDY = "choose a file with sound"
_GUESSED_LENGTH = frozenset({"aac", "mp3", "mpegts", "ac3", "dts"})
"""Formats without an index: FFmpeg may estimate their length from the bit rate."""
_SHORT_S = 0.25
_SEEK_MARGIN_S = 0.2
"""Decoders need a few packets before what they return is right again after a seek."""


class ContainerDecoder:
    """The first sound track of a container, native channels.

    Seeks are sample-exact where the container counts in samples (MP4) and within a millisecond
    where it counts in milliseconds (Matroska, WebM).
    """

    def __init__(self, path: Path) -> None:
        import av

        self._name = path.name
        self._av_error = av.FFmpegError
        self.note = ""
        try:
            self._container = av.open(str(path))
        except (av.FFmpegError, ValueError) as error:
            raise AudioFileError(
                f"{path.name} ({path.stat().st_size} bytes) is not a sound file I can read, "
                f"or its end is missing: {_REMEDY}"
            ) from error
        try:
            self._open_track(path)
        except BaseException:
            self._container.close()
            raise
        self._frames: Iterator[Float32] = self._decode(0)
        self._rest = np.zeros((0, self.channels), np.float32)
        self._position = 0

    def _open_track(self, path: Path) -> None:
        from av.audio.resampler import AudioResampler

        if not self._container.streams.audio:
            moving = any(stream.average_rate for stream in self._container.streams.video)
            still = self._container.format.name.endswith("_pipe") or (
                self._container.format.name in ("image2", "tty")
            )
            what = "has no sound track" if moving and not still else "is not sound"
            raise AudioFileError(f"{path.name} {what}: {_REMEDY}")
        self._track = self._container.streams.audio[0]
        self.sample_rate = int(self._track.sample_rate or 0)
        self.channels = int(self._track.channels or 0)
        if self.sample_rate <= 0 or self.channels <= 0:
            raise AudioFileError(f"{path.name}: the sound track cannot be decoded: {_REMEDY}")
        self._resampler = AudioResampler(format="fltp")
        self._tick_s = float(self._track.time_base or 1.0 / self.sample_rate)
        self._start_s = (self._track.start_time or 0) * self._tick_s
        if self._track.duration is not None:
            self.duration_s = self._track.duration * self._tick_s
        else:
            self.duration_s = (self._container.duration or 0) / 1e6

    def read(self, n: int) -> Float32:
        """Return at most `n` samples; a broken file ends where it breaks."""
        while self._rest.shape[0] < n:
            block = next(self._frames, None)
            if block is None:
                break
            self._rest = np.concatenate([self._rest, block]) if self._rest.shape[0] else block
        block, self._rest = self._rest[:n], self._rest[n:]
        self._position += block.shape[0]
        return block

    def seek(self, sample: int) -> None:
        """Make `sample` the next one read."""
        self._frames = self._decode(sample)
        self._rest = np.zeros((0, self.channels), np.float32)
        self._position = sample

    def close(self) -> None:
        """Free the file; idempotent."""
        self._container.close()

    def _decode(self, first: int) -> Iterator[Float32]:
        """Yield blocks that begin at sample `first`."""
        try:
            target_s = max(0.0, first / self.sample_rate - _SEEK_MARGIN_S) + self._start_s
            self._container.seek(int(target_s / self._tick_s), stream=self._track)
            index = None
            for frame in self._container.decode(self._track):
                for part in self._resampler.resample(frame):
                    if index is None:
                        index = self._index_of(part, first)
                    block = np.ascontiguousarray(part.to_ndarray().T, np.float32)
                    skip = min(max(0, first - index), block.shape[0])
                    index += block.shape[0]
                    if skip < block.shape[0]:
                        yield block[skip:]
            self._check_end((index or 0) / self.sample_rate)
        except self._av_error as error:
            self.note = (
                f"{self._name} breaks off after {self._position / self.sample_rate:.1f} s:"
                f" {error.strerror or 'damaged'}"
            )

    def _check_end(self, end_s: float) -> None:
        guessed = self._container.format.name in _GUESSED_LENGTH
        if end_s < self.duration_s * (0.8 if guessed else 1.0) - _SHORT_S:
            self.note = (
                f"{self._name} breaks off: {end_s:.1f} s of {self.duration_s:.1f} s can be played"
            )

    def _index_of(self, frame: AudioFrame, fallback: int) -> int:
        if frame.pts is None or frame.time_base is None:
            return fallback
        return round((float(frame.pts * frame.time_base) - self._start_s) * self.sample_rate)
