"""What every process of a network does: one torch thread, low priority, gone when its parent is.

Only one thread of the show's process may run torch on a CPU (a second one costs the picture
30 %), so what listens by a large network has a process of its own. Nothing heavy is imported
before it runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import connection, parent_process

from engine.errors import ModelLoadError
from engine.semantic.process_messages import Failure

NICENESS = 10
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}  # fmt: skip

Answering = Callable[[object], object]
"""Turns what was asked into its answer. May raise `ModelLoadError`."""


def answer_until_closed(
    pipe: connection.Connection, name: str, begin: Callable[[], tuple[object, Answering]]
) -> None:
    """Run until the pipe closes or the parent is gone.

    `begin` opens what works here, whom the user knows by `name`; it returns the first message and
    what answers from then on. May raise `ModelLoadError`, which is the last message.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it closes the pipe
    os.environ.update(_ENVIRONMENT)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    _be_humble()
    try:
        first, answer = begin()
        pipe.send(first)
        while True:
            pipe.send(answer(pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except ModelLoadError as error:
        _say_last(pipe, str(error))
    except (RuntimeError, MemoryError) as error:  # torch's way to say that memory is short
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        _say_last(pipe, f"{name} has failed ({first_line:.160}): close other programs")


def _say_last(pipe: connection.Connection, line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be there to hear it
        pipe.send(Failure(line))


def _be_humble() -> None:
    if os.name == "posix":
        os.nice(NICENESS)
    else:
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)


def _end_with_parent() -> None:
    """A parent that was killed closes no pipe in the middle of a long computation."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(0)
