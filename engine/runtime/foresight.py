"""`Foresight`: the beats of the file that plays, found beforehand (`--lookahead whole`)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

from engine.analysis.grid_clock import GridClock
from engine.analysis.whole import BeatGrid, beat_grid
from engine.audio.decode import SoundReader
from engine.errors import AudioFileError
from engine.messages import AudioFeatures, Float32
from engine.protocols import AudioSource, Recorded
from engine.runtime.pump import Pump
from engine.threads import Worker

logger = logging.getLogger(__name__)

_BLOCK = 65_536


def grid_of(path: Path, stopping: threading.Event | None = None) -> BeatGrid:
    """Find the beats of a whole file. Raises `AudioFileError`; takes seconds."""
    with SoundReader(path) as reader:
        return beat_grid(_blocks(reader, stopping), reader.sample_rate)


def _blocks(reader: SoundReader, stopping: threading.Event | None) -> Iterator[Float32]:
    while stopping is None or not stopping.is_set():
        block = reader.read(_BLOCK)
        if not block.shape[0]:
            return
        yield block


class Foresight:
    """Looks ahead in a thread of its own; until it is done, the beat is the one that is heard.

    Live input has no future and stays as it is. Analysis thread only, except `close`.
    """

    def __init__(self) -> None:
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

    def _look(self, source: AudioSource, stopping: threading.Event) -> None:
        assert isinstance(source, Recorded)
        try:
            grid = grid_of(source.path, stopping)
        except AudioFileError as error:
            logger.warning("%s: its beat is followed as it is heard", error)
            return
        if not stopping.is_set():
            self._found = (source, grid)
            logger.info("%s: %d beats are known", source.path.name, int(grid.sure.sum()))
