"""`VideoReader`: the picture of a film at any time, in a loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from engine.diffusion.structure.fitting import size_within
from engine.errors import StructureError
from engine.messages import Uint8, freeze

SEEK_BEYOND_S = 3.0
"""A jump further than this is made from the nearest key picture and not picture by picture."""
_SAME_S = 1e-4
"""Two times nearer than this are one: time stamps are fractions, musical time is not."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the film."""

    pixels: Uint8
    """`(h, w, 3)` RGB within `LARGEST_PX`, upright, frozen."""
    for_s: float
    """How long it shows from the time asked about on."""


@dataclass(slots=True)
class _Still:
    """A picture as it was unpacked, and in RGB once that was asked for."""

    at_s: float
    frame: VideoFrame
    pixels: Uint8 | None = None


class VideoReader:
    """The same picture for the same time, however one gets there. One thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open a file and unpack its first picture. Raises `StructureError`."""
        self._path = path
        try:
            self._container = av.open(str(path))
        except (OSError, ValueError) as error:  # av's errors are OSErrors or ValueErrors
            reason = getattr(error, "strerror", None) or "unknown format"
            raise StructureError(
                f"{path} cannot be opened as a video ({reason}): choose an .mp4, .mov, .mkv or "
                ".webm"
            ) from error
        try:
            self._open_stream()
        except BaseException:
            self._container.close()
            raise

    def _open_stream(self) -> None:
        if not self._container.streams.video:
            raise StructureError(f"{self._path} has no pictures in it: choose a video")
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._frames = self._unpacked()
        self._ahead = next(self._frames, None)
        if self._ahead is None:
            raise StructureError(
                f"{self._path}: not one picture of it can be unpacked, it is damaged; choose "
                "another video"
            )
        self._held = self._ahead
        self._start_s = self._ahead.at_s
        self.duration_s = self._duration_s()

    def at(self, time_s: float) -> Shown:
        """Return the picture at `time_s` modulo the length."""
        local_s = (time_s + _SAME_S) % self.duration_s
        wanted_s = self._start_s + local_s
        jump_s = wanted_s - self._held.at_s
        if jump_s < 0.0 or jump_s > SEEK_BEYOND_S:
            self._jump(wanted_s)
        while self._ahead is not None and self._ahead.at_s <= wanted_s:
            self._held, self._ahead = self._ahead, next(self._frames, None)
        end_s = self._start_s + self.duration_s
        until_s = end_s if self._ahead is None else min(self._ahead.at_s, end_s)
        if self._held.pixels is None:
            self._held.pixels = _upright(self._held.frame)
        return Shown(self._held.pixels, max(until_s - wanted_s, 0.0))

    def close(self) -> None:
        """Let go of the file; idempotent."""
        self._container.close()

    def _jump(self, wanted_s: float) -> None:
        self._seek(wanted_s)
        if self._ahead is None or self._ahead.at_s > wanted_s:  # its index lies
            self._seek(self._start_s)
        if self._ahead is not None:
            self._held = self._ahead

    def _seek(self, time_s: float) -> None:
        base = self._stream.time_base
        try:
            assert base is not None, "a picture had a time"
            self._container.seek(int(time_s / base), stream=self._stream, backward=True)
        except av.FFmpegError:  # nothing to seek by: once more from the start
            self._container.close()
            self._container = av.open(str(self._path))
            self._stream = self._container.streams.video[0]
        self._frames = self._unpacked()
        self._ahead = next(self._frames, None)

    def _unpacked(self) -> Iterator[_Still]:
        """Pictures in the order in which they show; what is damaged is left out."""
        last_s = -np.inf
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                time_s = frame.time
                if isinstance(frame, VideoFrame) and time_s is not None and time_s > last_s:
                    last_s = time_s
                    yield _Still(float(time_s), frame)

    def _duration_s(self) -> float:
        """Length of the loop; a film that does not tell is run through once."""
        stream, base = self._stream, self._stream.time_base
        if stream.duration is not None and base is not None:
            return max(float(stream.duration * base), _SAME_S * 10)
        if self._container.duration is not None:
            return max(self._container.duration / av.time_base, _SAME_S * 10)
        ends_s = [
            float((packet.pts + (packet.duration or 0)) * base)
            for packet in self._container.demux(stream)
            if packet.pts is not None and base is not None
        ]
        self._seek(self._start_s)
        return max(max(ends_s, default=0.0) - self._start_s, 1.0 / 30.0)


def _upright(frame: VideoFrame) -> Uint8:
    width, height = size_within(frame.width, frame.height)
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    # A telephone held upright films lying down and notes by how much.
    turned: Uint8 = np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90.0)))
    freeze(turned)
    return turned
