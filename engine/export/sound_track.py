"""The sound of a render, exactly as long as its pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from engine.messages import Float32
from engine.sinks.audio_timeline import AudioTimeline
from engine.sinks.movie_file import MovieFile

_CHANNELS = 2


class SoundTrack:
    """Encodes sound up to the pictures that there are. One thread; raises `SinkError`.

    It costs little, so that it is made anew by a render that goes on.
    """

    def __init__(self, path: Path, rate: Fraction, sample_rate: int, first_sample: int) -> None:
        self._rate = rate
        self._sample_rate = sample_rate
        self._first_sample = first_sample
        self._timeline = AudioTimeline(_CHANNELS)
        self._file = MovieFile(path, None, rate, sample_rate, _CHANNELS, 0, final=True)
        self._closed = False

    def add(self, start_sample: int, samples: Float32) -> None:
        """Take sound that starts at `start_sample`, shape `(n, channels)`."""
        self._timeline.add(start_sample - self._first_sample, samples)

    def write_until(self, frames: int) -> None:
        """Encode what belongs to the first `frames` pictures, as far as it has been added."""
        end = min(self._end(frames), self._timeline.end)
        self._file.write_sound(self._timeline.take(end))

    def close(self, frames: int) -> None:
        """End with picture number `frames`; missing sound is silence. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._file.failed:
                self._file.write_sound(self._timeline.take(self._end(frames)), last=True)
        finally:
            self._file.close()

    def _end(self, frames: int) -> int:
        return round(frames / self._rate * self._sample_rate)
