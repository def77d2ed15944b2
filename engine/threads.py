"""Every thread of the program, in one table, and the worker that runs one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch

from engine.errors import EngineError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ThreadSpec:
    """One row of the table."""

    name: str
    rate: str
    may_block_on: str
    writes: str


THREADS: tuple[ThreadSpec, ...] = (
    ThreadSpec("audio-in", "device block", "nothing: copy, store, return", "SampleRing"),
    ThreadSpec("audio-loopback", "20 ms", "sound server", "SampleRing"),
    ThreadSpec("audio-file", "10 ms", "decoder", "SampleRing"),
    ThreadSpec("lookahead", "once per file", "decoder", "BeatGrid"),
    ThreadSpec("analysis", "hop, about 94 Hz", "ring wait", "features, controls"),
    ThreadSpec(
        "semantic",
        "2 Hz, late steps dropped",
        "CPU",
        "Latest[SemanticState], Latest[FarHeard] for adapters",
    ),
    ThreadSpec("structure", "video or camera rate", "camera, decoder", "newest pictures"),
    ThreadSpec("diffusion", "free-running, paced", "device", "Latest[Picture]"),
    ThreadSpec("loader", "once per checkpoint", "disk", "files into the system's cache"),
    ThreadSpec("composer", "output fps", "clock", "Latest[Frame], Fifo[Frame] per sink"),
    ThreadSpec("sink-*", "output fps", "disk, encoder, network", "files, streams"),
    ThreadSpec("control", "events", "sockets", "Fifo[Command]"),
    ThreadSpec("watchdog", "2 Hz", "device list", "SourceStatus"),
    ThreadSpec("export", "as fast as it goes", "device, encoder", "the exported file"),
)


def threads_left() -> tuple[str, ...]:
    """Names of the program's own threads that have not ended. Any thread, never blocks."""
    return tuple(
        thread.name
        for thread in threading.enumerate()
        if any(fnmatch(thread.name, spec.name) for spec in THREADS)
    )


class Worker:
    """A named thread with a stop flag, whose failure is a state and not a silence.

    `body` gets the stop event and returns when it is set. What it raises is kept in `error` and
    logged once; `on_failure` (any thread safe callable) is told.
    """

    def __init__(
        self,
        name: str,
        body: Callable[[threading.Event], None],
        on_failure: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        self.name = name
        self.error: BaseException | None = None  # written by the thread, read after it ended
        self.stopping = threading.Event()
        self._body = body
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        """True while the thread runs. Any thread, never blocks."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Ask it to end and wait at most `timeout_s`; False (and logged) when it did not."""
        self.stopping.set()
        if self._thread.ident is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.error("thread %s did not end within %.1f s", self.name, timeout_s)
            return False
        return True

    def _run(self) -> None:
        try:
            self._body(self.stopping)
        except EngineError as error:
            self._fail(error)
        except BaseException as error:  # the one place where a worker may die
            logger.error(  # noqa: TRY400 - a trace is for --debug, the user gets a line
                "thread %s died: %s: %s; --debug shows where",
                self.name, type(error).__name__, error,
                exc_info=logger.isEnabledFor(logging.DEBUG),
            )  # fmt: skip
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.error = error
        if self._on_failure is not None:
            self._on_failure(self.name, error)
