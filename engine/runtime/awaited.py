"""`AwaitedDevice`: what is heard until the microphone that was asked for is there."""

from __future__ import annotations

from engine.audio.silent import SilentSource
from engine.clock import Clock
from engine.commands import SourceChoice
from engine.messages import DEFAULT_INPUT, DEFAULT_LOOPBACK, SourceStatus


class AwaitedDevice(SilentSource):
    """Silence in place of an input that is missing; its status says which one, and why.

    `message` is set anew after every look for the device. Watchdog writes it, anyone reads it.
    """

    def __init__(self, choice: SourceChoice, message: str, clock: Clock) -> None:
        super().__init__(message, clock)
        self.choice = choice  # immutable

    def status(self) -> SourceStatus:
        """An input that is not connected. Any thread, never blocks."""
        unnamed = DEFAULT_INPUT if self.choice.kind == "mic" else DEFAULT_LOOPBACK
        name = self.choice.device or unnamed
        return SourceStatus(self.choice.kind, name, connected=False, message=self.message)
