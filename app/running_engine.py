"""What the window needs of an engine."""

from __future__ import annotations

from typing import Protocol

from engine.commands import Command
from engine.mailbox import Latest
from engine.messages import EngineStatus, Frame


class AskedFor(Protocol):
    """What the show was asked for at its start."""

    @property
    def fps(self) -> float:
        """Output frames per second."""
        ...


class RunningEngine(Protocol):
    """`engine.runtime.Engine`, or the tests' twin."""

    @property
    def config(self) -> AskedFor:
        """What it was asked for."""
        ...

    @property
    def frames(self) -> Latest[Frame]:
        """The newest output frame."""
        ...

    def post(self, command: Command) -> None:
        """Ask for something. Any thread, never blocks."""
        ...

    def status(self) -> EngineStatus:
        """One frozen look. Any thread, never blocks."""
        ...

    def close(self) -> None:
        """Stop and free; idempotent."""
        ...
