"""`Foresight`: the beats of the file that plays, found beforehand (`--lookahead whole`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.analysis.grid_clock import GridClock
from engine.analysis.whole import BeatGrid, beat_grid
from engine.audio.decode import SoundReader
from engine.clock import MonotonicClock
from engine.errors import AudioFileError
from engine.messages import AudioFeatures, Float32
from engine.protocols import AudioSource, Recorded
from engine.runtime.pump import Pump
from engine.threads import Worker

logger = logging.getLogger(__name__)

_BLOCK = 4096
_LOOK_S = 0.05
_LONGEST_WAIT_S = 30.0
"""A painter that takes longer is not waited for: without one there are beats all the same. On two
busy cores the first picture took 14 s, and looking ahead beside it makes it later still."""


def grid_of(
    path: Path, stopping: threading.Event | None = None, *, gently: bool = False
) -> BeatGrid:
    """Find the beats of a whole file. Raises `AudioFileError`; takes seconds.

    `gently` rests as long as it works: a show goes on beside it.
    """
    with SoundReader(path) as reader:
        blocks = _blocks(reader, stopping or threading.Event(), gently)
        return beat_grid(blocks, reader.sample_rate)


def _blocks(reader: SoundReader, stopping: threading.Event, gently: bool) -> Iterator[Float32]:
    clock = MonotonicClock()
    while not stopping.is_set():
        block = reader.read(_BLOCK)
        if not block.shape[0]:
            return
        began_s = clock.now()
        yield block
        if gently:
            stopping.wait(clock.now() - began_s)


class Foresight:
    """Looks ahead in a thread of its own; until it is done, the beat is the one that is heard.

    Live input has no future and stays as it is. Analysis thread only, except `close`.
    """

    def __init__(self, painted: Callable[[], bool] | None = None) -> None:
        """`painted` says whether there is a picture; the worker asks.

        Looking begins when there is, so that the first one does not wait for it; without `painted`
        at once.
        """
        self._painted = painted
        self._source: AudioSource | None = None
        self._worker: Worker | None = None
        self._found: tuple[AudioSource, BeatGrid] | None = None  # written by the worker
        self._clock: GridClock | None = None

    def step(self, features: AudioFeatures, pump: Pump) -> AudioFeatures:
        """Return the features with the beat of the file, as soon as it is known."""
        source = pump.source
        if not isinstance(source, Recorded):
            return features
        if source is not self._source:
            self._begin(source)
        found = self._found
        if found is None or found[0] is not source:
            return features
        if self._clock is None:
            self._clock = GridClock(found[1])
        return self._clock.step(
            features, source.position_s(pump.ring_index(features.sample_index))
        )

    def close(self) -> None:
        """Stop looking; idempotent. Any thread."""
        if self._worker is not None:
            self._worker.stop()

    def _begin(self, source: AudioSource) -> None:
        self.close()
        self._source, self._clock = source, None
        self._worker = Worker("lookahead", lambda stopping: self._look(source, stopping))
        self._worker.start()

    def _wait_for_a_picture(self, stopping: threading.Event) -> None:
        clock = MonotonicClock()
        end_s = clock.now() + _LONGEST_WAIT_S
        while self._painted is not None and not self._painted() and clock.now() < end_s:
            if stopping.wait(_LOOK_S):
                return

    def _look(self, source: AudioSource, stopping: threading.Event) -> None:
        assert isinstance(source, Recorded)
        self._wait_for_a_picture(stopping)
        try:
            grid = grid_of(source.path, stopping, gently=True)
        except AudioFileError as error:
            logger.warning("%s: its beat is followed as it is heard", error)
            return
        if not stopping.is_set():
            self._found = (source, grid)
            logger.info("%s: %d beats are known", source.path.name, int(grid.sure.sum()))
