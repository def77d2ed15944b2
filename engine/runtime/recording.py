"""A running recording: frames and sound of the show on one clock, on the sink's own thread."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from platformdirs import user_videos_path

from engine.clock import seconds_to_samples
from engine.mailbox import Fifo
from engine.messages import Float32, Frame, RecordStatus
from engine.sinks.audio_chunk import AudioChunk
from engine.sinks.recorder import Recorder
from engine.sinks.thread import SinkRunner

logger = logging.getLogger(__name__)

QUEUED = 256
"""Frames and sound chunks that may wait for the encoder before frames are dropped (seconds)."""


class Recording:
    """Takes frames from the composer and sound from the analysis; neither ever waits for it.

    Everything is stamped in musical time of the show, so that switching the source (and its sample
    rate) does not break the file.
    """

    def __init__(self, path: Path, width: int, height: int, fps: float, sample_rate: int) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self._finishing = False
        self._recorder = Recorder(path, width, height, fps, sample_rate)
        self._queue: Fifo[Frame | AudioChunk] = Fifo(QUEUED)
        self._runner = SinkRunner("recorder", self._recorder, self._queue)
        self._resampler: tuple[int, Any] | None = None  # analysis thread only
        self._dropped = 0  # until the end was asked for: what comes later is not lost but late

    @property
    def failed(self) -> bool:
        """True when the disk, the encoder or the path did not play along. Any thread."""
        return self._runner.error is not None

    @property
    def alive(self) -> bool:
        """True until everything is written and the file is closed. Any thread, never blocks."""
        return self._runner.alive

    @property
    def dropped(self) -> int:
        """Frames and chunks that found no room. Any thread, never blocks."""
        return 0 if self.failed else self._dropped if self._finishing else self._queue.dropped

    def start(self) -> None:
        """Open the file on the sink's thread."""
        self._runner.start()

    def see(self, frame: Frame, time_s: float) -> None:
        """Take a frame that belongs to musical time `time_s`. Composer thread, never blocks."""
        index = seconds_to_samples(time_s, self.sample_rate)
        self._queue.put(replace(frame, sample_index=index))

    def hear(self, block: Float32, sample_rate: int, time_s: float) -> None:
        """Take sound that starts at musical time `time_s`. Analysis thread, never blocks."""
        if sample_rate != self.sample_rate:
            block = self._resample(block, sample_rate)
        if block.shape[0]:
            self._queue.put(AudioChunk(seconds_to_samples(time_s, self.sample_rate), block))

    def request_stop(self) -> None:
        """Take nothing more, write what is queued, finish the file. Any thread, never blocks."""
        self._dropped = self.dropped
        self._finishing = True
        self._runner.request_stop()

    def wait(self, timeout_s: float) -> bool:
        """`request_stop`, and return when the file is finished; False if that takes too long."""
        if not self._finishing:
            self.request_stop()
        return self._runner.stop(timeout_s)

    def status(self) -> RecordStatus:
        """How far it is, and what went wrong. Any thread, never blocks."""
        status = self._recorder.status()
        error = self._runner.error
        return replace(
            status, dropped=self.dropped, message=str(error) if error else "",
            finishing=self._finishing,
        )  # fmt: skip

    def _resample(self, block: Float32, sample_rate: int) -> Float32:
        import soxr

        if self._resampler is None or self._resampler[0] != sample_rate:
            stream = soxr.ResampleStream(
                sample_rate, self.sample_rate, block.shape[1], dtype="float32", quality="QQ"
            )
            self._resampler = (sample_rate, stream)
        resampled: Float32 = self._resampler[1].resample_chunk(block)
        return resampled


def recording_path() -> Path:
    """A new name in the user's video folder."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d %H.%M.%S")
    folder = user_videos_path() / "Sonolume"
    names = itertools.chain([stamp], (f"{stamp} {number}" for number in itertools.count(2)))
    paths = (folder / f"Sonolume {name}.mp4" for name in names)
    return next(path for path in paths if not path.exists())
