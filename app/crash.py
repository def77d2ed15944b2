"""What happens to a defect: it is logged, and one line reaches the message bar; the show goes on.

Nothing is raised into Qt's event loop and nothing ever covers the picture. Exceptions may come
from any thread, so the line is a polled value and not a signal.
"""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

from engine.mailbox import Latest

logger = logging.getLogger(__name__)


class CrashLog:
    """Takes unexpected exceptions of all threads while it is entered."""

    def __init__(self) -> None:
        self._latest: Latest[str] = Latest("")
        self._before = (sys.excepthook, threading.excepthook)

    def __enter__(self) -> CrashLog:
        """Become the hook of this process. GUI thread only."""
        self._before = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception
        return self

    def __exit__(self, *_: object) -> None:
        """Give the hooks back. GUI thread only."""
        sys.excepthook, threading.excepthook = self._before

    def latest(self) -> str:
        """Return the newest line, empty when nothing went wrong. Any thread, never blocks."""
        return self._latest.get() or ""

    def _on_exception(
        self,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._before[0](kind, error, traceback)
            return
        self._take(kind, error, traceback, threading.current_thread().name)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_type is SystemExit or args.exc_value is None:
            return
        name = args.thread.name if args.thread else "a thread"
        self._take(args.exc_type, args.exc_value, args.exc_traceback, name)

    def _take(
        self,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
        thread_name: str,
    ) -> None:
        first_line = next(iter(str(error).splitlines()), "")
        line = (
            f"Something went wrong in {thread_name}: {kind.__name__}: {first_line}. See the log."
        )
        if line == self.latest():
            return  # one defect in a repaint would otherwise fill the log at 30 lines a second
        logger.error("unexpected error in %s", thread_name, exc_info=(kind, error, traceback))
        self._latest.put(line)
