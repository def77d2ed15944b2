"""Ctrl-C and a polite kill end the event loop instead of tearing it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from PySide6.QtWidgets import QApplication


@contextmanager
def quit_on_signals(app: QApplication) -> Iterator[None]:
    """Let SIGINT and SIGTERM quit `app`; Python sees them at the next timer tick. Main thread."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        app.quit()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
