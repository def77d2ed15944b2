"""`Playlist`: one file as an endless stream, with pauses, seeks and loops in it."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.audio.decode import SoundReader
from engine.messages import Float32

_KEPT = 64
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Where the file is at some musical time."""

    position_s: float
    playing: bool


@dataclass(frozen=True, slots=True)
class _Segment:
    start: int
    """First sample of the endless stream it covers."""
    position_s: float
    playing: bool


class Playlist:
    """The file as an endless stream of samples, and the map back from stream to file.

    One producer calls `produce` (holding `producing`); any thread calls the rest.
    """

    def __init__(self, reader: SoundReader, sample_rate: int, *, loop: bool = False) -> None:
        self.loop = loop  # any thread writes, producer reads
        self.sample_rate = sample_rate
        self.producing = threading.RLock()
        self._reader = reader  # guarded by producing
        self._produced = 0  # guarded by producing
        self._left = np.zeros((0, 2), np.float32)  # guarded by producing
        self._resampler = self._new_resampler()  # guarded by producing
        self._flushed = False  # guarded by producing
        self._at_end = False  # guarded by producing
        self._playing = True  # guarded by _lock
        self._seek_s: float | None = None  # guarded by _lock
        self._segments: deque[_Segment] = deque([_Segment(0, 0.0, True)], _KEPT)  # by _lock
        self._duration_s = reader.duration_s
        self._note = reader.note
        self._lock = threading.Lock()

    @property
    def duration_s(self) -> float:
        """Length of the file. Any thread, never blocks."""
        return self._duration_s

    @property
    def note(self) -> str:
        """What is wrong with the file, or empty. Any thread, never blocks."""
        return self._note

    def play(self, on: bool) -> None:
        """Play or pause. Any thread."""
        with self._lock:
            self._playing = on

    def seek(self, position_s: float) -> None:
        """Jump; clamped to the file. A file that was over plays on from there. Any thread."""
        with self._lock:
            self._seek_s = min(max(position_s, 0.0), self._duration_s)
            if self._at_end and self._seek_s < self._duration_s:
                self._playing = True

    def at(self, sample: int) -> Place:
        """Where the file is when stream sample `sample` is heard. Any thread."""
        with self._lock:
            segments = list(self._segments)
        segment = next((s for s in reversed(segments) if s.start <= sample), segments[0])
        position_s = segment.position_s
        if segment.playing:
            position_s += max(0, sample - segment.start) / self.sample_rate
        return Place(min(position_s, self._duration_s), segment.playing)

    def produce(self, n: int) -> Float32:
        """Return the next `n` samples, shape `(n, 2)`; silence while paused or at the end."""
        out = np.zeros((n, 2), np.float32)
        filled = 0
        with self.producing:
            self._obey()
            while filled < n and self._segments[-1].playing:
                if self._left.shape[0] == 0 and not self._fetch():
                    break
                take = min(n - filled, self._left.shape[0])
                out[filled : filled + take] = self._left[:take]
                self._left = self._left[take:]
                filled += take
                self._produced += take
            self._produced += n - filled
        return out

    def close(self) -> None:
        """Close the file; idempotent."""
        with self.producing:
            self._reader.close()

    def _obey(self) -> None:
        """Put what was asked for into the stream, here."""
        with self._lock:
            seek_s, self._seek_s = self._seek_s, None
            playing = self._playing
        if seek_s is None and playing and self._at_end:
            seek_s = 0.0
        now = self.at(self._produced)
        if seek_s is not None:
            self._rewind(seek_s)
        if seek_s is not None or playing != now.playing:
            position_s = now.position_s if seek_s is None else seek_s
            self._mark(position_s, playing)

    def _fetch(self) -> bool:
        """Refill `_left`; False when the file is over and does not loop."""
        block = self._decode()
        if block.shape[0]:
            self._left = block
            return True
        self._duration_s, self._note = self._reader.duration_s, self._reader.note
        newest = self._segments[-1]
        nothing = newest.position_s == 0.0 and newest.start == self._produced
        if not self.loop or nothing:
            self._at_end = True
            with self._lock:
                self._playing = False
            self._mark(self._duration_s, False)
            return False
        self._rewind(0.0)
        self._mark(0.0, True)
        return self._fetch()

    def _decode(self) -> Float32:
        """Return the next block at the stream's rate; empty at the end of the file."""
        while True:
            block = self._reader.read(_BLOCK)
            if self._resampler is None or self._flushed:
                return block
            self._flushed = block.shape[0] == 0
            resampled: Float32 = self._resampler.resample_chunk(block, last=self._flushed)
            if resampled.shape[0] or self._flushed:
                return resampled

    def _rewind(self, position_s: float) -> None:
        self._reader.seek(round(position_s * self._reader.sample_rate))
        self._resampler = self._new_resampler()
        self._flushed = False
        self._left = np.zeros((0, 2), np.float32)
        self._at_end = False

    def _mark(self, position_s: float, playing: bool) -> None:
        with self._lock:
            self._segments.append(_Segment(self._produced, position_s, playing))

    def _new_resampler(self) -> Any:
        if self._reader.sample_rate == self.sample_rate:
            return None
        import soxr

        return soxr.ResampleStream(
            self._reader.sample_rate, self.sample_rate, 2, dtype="float32", quality="HQ"
        )
