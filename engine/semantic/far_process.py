"""`FarProcess`: a process of its own for a network that would stall the show, and the ways to it.

Sound goes there through shared memory, everything else as small messages through a pipe. One
thread asks; the process has one window in hand at a time.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.semantic.process_messages import Failure

LONGEST_S = 10.0
"""How much sound the shared memory holds, at the highest rate there is."""
_HIGHEST_RATE_HZ = 192_000
_LEAVE_S, _TERMINATE_S, _KILL_S = 0.3, 0.7, 0.7


@dataclass(frozen=True, slots=True)
class FarWork:
    """What a process does, all of it picklable."""

    name: str
    """What works there, as the user knows it."""
    serve: Callable[[Any, Any, Any], None]
    """Its main: the pipe, the shared memory and the opener."""
    opener: Callable[[], Any]
    """Opens what works there. Raises `ModelLoadError`."""


class FarProcess:
    """The process and the two ways to it. It ends with its parent, however that ends."""

    def __init__(self, work: FarWork) -> None:
        """Start it; what it opens is not waited for. Raises `ModelLoadError`."""
        self.name = work.name
        self._failure = ""
        context = multiprocessing.get_context("spawn")
        self._shared = context.RawArray("f", round(LONGEST_S * _HIGHEST_RATE_HZ))
        self._sound = np.frombuffer(self._shared, np.float32)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=work.serve, args=(theirs, self._shared, work.opener),
            name=f"sonolume-{work.name.lower()}", daemon=True,
        )  # fmt: skip
        try:
            self._process.start()
        except OSError as error:
            self._pipe.close()
            raise ModelLoadError(
                f"{self.name}'s process cannot be started ({error}): close other programs"
            ) from error
        finally:
            theirs.close()  # so that the end of the process is the end of the pipe

    def hand_over(self, samples: Float32, ask: Callable[[int], object]) -> None:
        """Send mono `samples` with what is asked about so many. Only while nothing is asked."""
        count = min(len(samples), len(self._sound))
        self._sound[:count] = samples[len(samples) - count :]
        self.send(ask(count))

    def send(self, message: object) -> None:
        """Ask. Raises `ModelLoadError` when nobody is there."""
        self._check()
        try:
            self._pipe.send(message)
        except OSError as error:
            while self.receive(0.0) is not None:
                pass  # its last words may say why
            raise self._gone() from error

    def receive(self, wait_s: float) -> object:
        """Return the next answer, None when there is none yet. Raises `ModelLoadError`."""
        self._check()
        try:
            if not self._pipe.poll(wait_s):
                return None
            message = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        if isinstance(message, Failure):
            raise self.fail(message.line)
        return message

    def fail(self, line: str) -> ModelLoadError:
        """End the process; return what to raise, now and whenever it is asked again."""
        self._failure = line
        self.close()
        return ModelLoadError(line)

    def close(self) -> None:
        """Ask to leave by closing the pipe, then insist; idempotent."""
        if self._pipe.closed:
            return
        self._pipe.close()
        self._process.join(_LEAVE_S)
        for insist, wait_s in (
            (self._process.terminate, _TERMINATE_S), (self._process.kill, _KILL_S),
        ):  # fmt: skip
            if self._process.is_alive():
                insist()
                self._process.join(wait_s)
        if not self._process.is_alive():
            self._process.close()

    def _check(self) -> None:
        if self._failure:
            raise ModelLoadError(self._failure)

    def _gone(self) -> ModelLoadError:
        self._process.join(_LEAVE_S)
        code = self._process.exitcode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = f"killed by {signal.Signals(-code).name}; was there enough memory?"
        return self.fail(f"{self.name}'s process has ended ({how})")
