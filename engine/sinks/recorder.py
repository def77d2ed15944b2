"""Recorder: output frames and the sound they belong to, as one movie on one clock."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

from engine.errors import MovieError, SinkError
from engine.messages import Float32, Frame, RecordStatus
from engine.sinks.audio_timeline import AudioTimeline
from engine.sinks.movie_file import CONTAINERS, MovieFile, writing_failed

logger = logging.getLogger(__name__)

SMALLEST_PX = 16
LARGEST_PX = 8192
BEST_QUALITY = 0
WORST_QUALITY = 51

_NEW_SOURCE_S = 10.0
_NEW_SOURCE_BACK_S = 1.0
"""A longer jump of the sample clock, forwards or back, is another source: it goes on from here."""
_SILENCE_AFTER_S = 2.0
"""Sound that is later than this behind the picture is not coming; silence takes its place."""


class Recorder:
    """H.264 and AAC, stamped from the sample clock. A `FrameSink` that also takes sound.

    The first frame is time 0. Frames go into the slots of a constant frame rate by their sample
    index: a missing slot repeats the picture before, a second picture for a slot is left out.
    Sound is written exactly as far as there are pictures, so both end together.

    The file grows under its own name and stays playable if the process is killed.

    One thread only, except `status`.
    """

    def __init__(
        self, path: Path, width: int, height: int, fps: float, sample_rate: int,
        channels: int = 2, quality: int = 20,
    ) -> None:  # fmt: skip
        self.path = Path(path)
        self.size = (width, height)
        self.rate = Fraction(fps).limit_denominator(1001)
        self.sample_rate = sample_rate
        self.quality = quality
        self.repeated = 0
        self.left_out = 0
        self._timeline = AudioTimeline(min(max(channels, 1), 2))
        self._early: list[tuple[int, Float32]] = []  # sound from before the first frame
        self._file: MovieFile | None = None
        self._origin: int | None = None  # sample index of time 0
        self._slots = 0  # pictures in the file so far; written by the sink thread, read by any
        self._closed = False

    @property
    def seconds(self) -> float:
        """Length of the movie so far. Any thread, never blocks."""
        return float(self._slots / self.rate)

    @property
    def frames(self) -> int:
        """Pictures in the movie so far. Any thread, never blocks."""
        return self._slots

    def status(self) -> RecordStatus:
        """How far it is. Any thread, never blocks."""
        return RecordStatus(str(self.path), self.seconds, self._slots, self.left_out)

    def open(self) -> None:
        """Create the file. Raises `SinkError` for a name, size or place that will not do."""
        check_movie(self.path, self.size, self.rate, self.quality)
        self._file = MovieFile(
            self.path, self.size, self.rate, self.sample_rate, self._timeline.channels,
            self.quality, final=False,
        )  # fmt: skip

    def write(self, frame: Frame) -> None:
        """Take one frame of the recorder's size. Raises `SinkError`."""
        file = self._open_file()
        height, width = frame.pixels.shape[:2]
        if (width, height) != self.size:
            raise SinkError(
                f"a recording of {self.size[0]}x{self.size[1]} cannot take a picture of "
                f"{width}x{height}; stop it before changing the size"
            )
        slot = self._slot_of(frame.sample_index)
        if slot is None:
            self.left_out += 1
            return
        while self._slots < slot and self._slots:
            file.repeat_picture(self._slots)
            self._slots += 1
            self.repeated += 1
        file.write_picture(self._slots, frame.pixels)
        self._slots += 1
        self._write_sound_up_to_pictures(file)

    def write_audio(self, start_sample: int, samples: Float32) -> None:
        """Take sound that starts at `start_sample`, shape `(n, channels)`. Raises `SinkError`.

        It may come before or up to 2 s after the frames it belongs to.
        """
        self._open_file()
        if self._origin is None:
            self._early.append((start_sample, samples))
            while self._early[-1][0] - self._early[0][0] > _NEW_SOURCE_S * self.sample_rate:
                self._early.pop(0)
            return
        position = start_sample - self._origin
        if abs(position - self._timeline.end) > _NEW_SOURCE_S * self.sample_rate:
            return  # another source; its first frame will move the origin
        self._timeline.add(position, samples)

    def close(self) -> None:
        """Finish the file; idempotent. Without a single frame, none is left behind."""
        if self._closed or self._file is None:
            self._closed = True
            return
        self._closed = True
        try:
            if not self._file.failed:
                self._file.write_sound(self._timeline.take(self._sound_end()), last=True)
        finally:
            self._file.close()
        if self._slots == 0:
            self.path.unlink(missing_ok=True)
            logger.info("no picture came, so %s was not kept", self.path)

    def _open_file(self) -> MovieFile:
        if self._file is None or self._closed:
            raise SinkError(f"{self.path} is not open for recording; start it first")
        return self._file

    def _slot_of(self, sample_index: int) -> int | None:
        """Which slot this frame belongs to; None when its slot has its picture already."""
        if self._origin is None:
            self._origin = sample_index
            for start, samples in self._early:
                self._place_early(start - sample_index, samples)
            self._early = []
        ahead_s = (sample_index - self._origin - self._sound_end()) / self.sample_rate
        if not -_NEW_SOURCE_BACK_S <= ahead_s <= _NEW_SOURCE_S:
            self._origin = sample_index - self._sound_end()
            self._timeline.forget_untaken()
            return self._slots
        position = float(Fraction(sample_index - self._origin, self.sample_rate) * self.rate)
        # A frame up to a slot early or late still takes the next one: the composer's clock and the
        # sample clock jitter against each other, and every needless repeat is a visible stumble.
        if position <= self._slots - 1 and self._slots:
            return None
        return self._slots if position < self._slots + 1 else int(position)

    def _place_early(self, position: int, samples: Float32) -> None:
        if position < 0:
            samples = samples[-position:]
            position = 0
        if samples.shape[0]:
            self._timeline.add(position, samples)

    def _sound_end(self) -> int:
        return round(self._slots / self.rate * self.sample_rate)

    def _write_sound_up_to_pictures(self, file: MovieFile) -> None:
        end = self._sound_end()
        lost = end - round(_SILENCE_AFTER_S * self.sample_rate)
        file.write_sound(self._timeline.take(max(min(self._timeline.end, end), lost)))


def check_movie(path: Path, size: tuple[int, int], rate: Fraction, quality: int) -> None:
    """Raise `MovieError` for its name, size, rate or quality, `SinkError` for its place."""
    if path.suffix.lower() not in CONTAINERS:
        raise MovieError(
            f"cannot record to {path.name!r}: the name must end in "
            f"{', '.join(CONTAINERS)}; try {path.stem}.mp4"
        )
    if any(px % 2 or not SMALLEST_PX <= px <= LARGEST_PX for px in size):
        raise MovieError(
            f"cannot record {size[0]}x{size[1]}: both sides must be even, from "
            f"{SMALLEST_PX} to {LARGEST_PX}; try {'x'.join(str(_nearest_side(px)) for px in size)}"
        )
    if not BEST_QUALITY <= quality <= WORST_QUALITY:
        raise MovieError(
            f"--quality {quality} is outside {BEST_QUALITY} (best) to {WORST_QUALITY} (worst); "
            "18 to 24 look good"
        )
    if not 1 <= rate <= 240:
        raise MovieError(f"{float(rate):g} fps is outside 1..240; try 30")
    try:
        folder = path.is_dir()
    except OSError as error:  # a name that no disk takes
        raise writing_failed(path, error) from error
    if folder:
        raise SinkError(f"cannot write {path}: that is a folder; add a file name")


def _nearest_side(px: int) -> int:
    return min(max(px - px % 2, SMALLEST_PX), LARGEST_PX)
