"""Widgets are freed by Qt, in the GUI thread, and by no collector.

Python's cycle collector runs in whichever thread allocates at that moment, and a window is full
of cycles. PySide 6.11 then plans the destruction for the main thread, for some classes with no
destructor to call: a crash as the show ends (backtrace: `BindingManager::runDeletionInMainThread`
jumps to 0). What Qt has deleted already is an empty shell, and anybody may collect it.
"""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, QObject


def delete_now(*objects: QObject) -> None:
    """Have Qt delete them and their children in its own order; a collector knows none.

    GUI thread only, after its event loop, while the objects are still referred to.
    """
    for one in objects:
        one.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
