"""Widgets are freed by the GUI thread and by no other.

Python's cycle collector runs in whichever thread allocates at that moment, and a window is full
of cycles. PySide 6.11 then plans the destruction for the main thread, for some classes with no
destructor to call: a crash as the show ends (backtrace: `BindingManager::runDeletionInMainThread`
jumps to 0).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QCoreApplication, QEvent, QObject


@contextmanager
def freed_by_this_thread() -> Iterator[None]:
    """Free here, at the end, what `hide_from_collectors` hid; GUI thread only.

    Nothing inside may be referred to any more when the block ends: build in a function of its own.
    """
    collected = gc.isenabled()
    try:
        yield
    finally:
        gc.disable()  # no other thread's collector comes between the two
        gc.unfreeze()
        gc.collect()
        if collected:
            gc.enable()


def hide_from_collectors() -> None:
    """Make all that exists now invisible to every thread's collector. Any thread, < 1 ms."""
    gc.freeze()


def delete_now(*objects: QObject) -> None:
    """Have Qt delete them and their children in its own order; a collector knows none.

    GUI thread only, after its event loop.
    """
    for one in objects:
        one.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
