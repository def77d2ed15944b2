"""`python -m app` is `sonolume`: runs the command line and ends the process."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from app.cli import main
from engine.threads import threads_left


def program() -> NoReturn:
    """Run one command and end the process with its exit code."""
    leave(main())


def leave(code: int) -> NoReturn:
    """End the process; at once where a thread has not ended, with everything written.

    An interpreter that is torn down under a thread inside torch aborts (SIGABRT), after all the
    command had to say and to save.
    """
    left = threads_left()
    if not left:
        raise SystemExit(code)
    logging.getLogger(__name__).info("leaving %s behind", ", ".join(left))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    program()
