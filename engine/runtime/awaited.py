"""`AwaitedDevice`: what is heard until the microphone that was asked for is there."""

from __future__ import annotations

from engine.audio.silent import SilentSource
from engine.clock import Clock
from engine.commands import SourceChoice
from engine.messages import DEFAULT_INPUT, SourceStatus


class AwaitedDevice(SilentSource):
    """Silence in place of an input that is missing; its status says which one, and why.

    `message` is set anew after every look for the device. Watchdog writes it, anyone reads it.
    """

    def __init__(self, choice: SourceChoice, message: str, clock: Clock) -> None:
        super().__init__(message, clock)
        self.choice = choice  # immutable

    def status(self) -> SourceStatus:
        """A microphone that is not connected. Any thread, never blocks."""
        name = self.choice.device or DEFAULT_INPUT
        return SourceStatus("mic", name, connected=False, message=self.message)
