"""The recordings of a show: one that runs, and those that the encoder is still busy with."""

from __future__ import annotations

import logging
from pathlib import Path

from engine.errors import SinkError
from engine.messages import RecordStatus
from engine.runtime.recording import Recording, recording_path

logger = logging.getLogger(__name__)

FINISH_LIMIT_S = 300.0
"""A slow encoder may need this long for what is queued when the show ends."""


class Recordings:
    """Starts and stops without ever waiting for an encoder.

    `start`, `stop` and `settle` on one thread at a time (`control`; `close` after it has ended);
    the rest may be read by any.
    """

    def __init__(self, width: int, height: int, fps: float) -> None:
        self.running: Recording | None = None
        self.last: RecordStatus | None = None
        """The newest one that was finished, its file whole."""
        self._width, self._height, self._fps = width, height, fps
        self._finishing: tuple[Recording, ...] = ()

    def status(self) -> RecordStatus | None:
        """The one that runs, else one that is being finished. Any thread, never blocks."""
        running, finishing = self.running, self._finishing
        shown = running or next(iter(finishing), None)
        return shown.status() if shown is not None else None

    def start(self, path: Path | None, sample_rate: int) -> None:
        """Stop what runs and record to `path`. Raises `SinkError`.

        Without a path the new file gets a name, unless one is being recorded already: to be asked
        again, as controllers do, changes nothing.
        """
        running = self.running
        if running is not None and not running.failed and path in (None, running.path):
            return
        self.stop()
        if path is None:
            path = recording_path()
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SinkError(
                    f"cannot record to {path.parent}: {error.strerror}; free or create the folder"
                ) from error
        if any(recording.path == path and recording.alive for recording in self._finishing):
            raise SinkError(f"{path} is still being finished: wait, or choose another name")
        recording = Recording(path, self._width, self._height, self._fps, sample_rate)
        recording.start()
        self.running = recording

    def stop(self) -> None:
        """Ask the running one to finish; `settle` tells when it has."""
        recording, self.running = self.running, None
        if recording is not None:
            self._finishing += (recording,)  # before it closes: no look finds it nowhere
            recording.request_stop()

    def settle(self) -> str:
        """Look which ones have ended; return why one failed, or an empty line."""
        if self.running is not None and self.running.failed:
            self.stop()
        problem = ""
        for recording in [each for each in self._finishing if not each.alive]:
            status = recording.status()
            if status.message:
                problem = status.message
            elif status.frames:  # one without a single picture leaves no file
                self.last = status
            self._finishing = tuple(each for each in self._finishing if each is not recording)
        return problem

    def close(self) -> str:
        """Stop, and wait until every file is whole; return why one failed, or an empty line."""
        self.stop()
        for recording in self._finishing:
            recording.wait(FINISH_LIMIT_S)
        return self.settle()
