"""SinkRunner: one sink on its own thread behind a bounded queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from engine.mailbox import Fifo
from engine.messages import Float32, Frame
from engine.protocols import FrameSink
from engine.sinks.audio_chunk import AudioChunk
from engine.threads import Worker

_LOOK_AGAIN_S = 0.25


class SoundSink(FrameSink, Protocol):
    """A sink that also takes sound."""

    def write_audio(self, start_sample: int, samples: Float32) -> None:
        """Take sound that starts at `start_sample`. Raises `SinkError`."""
        ...


class SinkRunner:
    """Feeds a sink from a `Fifo` on the thread `sink-<name>`; the producer never waits.

    A sink that fails is a state (`error`, `on_failure`), closes its file, and refuses what comes
    after; the show goes on.
    """

    def __init__(
        self,
        name: str,
        sink: SoundSink,
        fifo: Fifo[Frame | AudioChunk],
        on_failure: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        self.sink = sink
        self.fifo = fifo
        self._worker = Worker(f"sink-{name}", self._run, on_failure)

    @property
    def error(self) -> BaseException | None:
        """Why it failed, None while all is well. Any thread, never blocks."""
        return self._worker.error

    @property
    def alive(self) -> bool:
        """True until everything is written and closed. Any thread, never blocks."""
        return self._worker.alive

    def start(self) -> None:
        """Start the thread; the sink is opened there."""
        self._worker.start()

    def request_stop(self) -> None:
        """Take nothing more, write what is queued, close the sink. Any thread, never blocks."""
        self.fifo.close()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """`request_stop`, and wait for the end; False when it took longer than `timeout_s`."""
        self.fifo.close()
        return self._worker.stop(timeout_s)

    def _run(self, stopping: threading.Event) -> None:
        try:
            self.sink.open()
            try:
                self._write_until_closed()
            finally:
                self.sink.close()
        finally:
            self.fifo.close()
            self.fifo.drain()

    def _write_until_closed(self) -> None:
        while True:
            # Asked before the queue is: what was put before the closing is then always seen.
            closed = self.fifo.closed
            item = self.fifo.get(_LOOK_AGAIN_S)
            if isinstance(item, Frame):
                self.sink.write(item)
            elif item is not None:
                self.sink.write_audio(item.start_sample, item.samples)
            elif closed:
                return
