"""A PortAudio without hardware: streams whose callbacks the test calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


class PortAudioError(Exception):
    """As sounddevice's."""


class FakeStream:
    def __init__(self, **options: Any) -> None:
        self.options = options
        self.latency = 0.02
        self.started = self.closed = False

    def start(self) -> None:
        self.started = True

    def abort(self, ignore_errors: bool = True) -> None:
        self.started = False

    def close(self, ignore_errors: bool = True) -> None:
        self.closed = True

    def play(self, frames: int, delay_s: float) -> np.ndarray:
        """Ask for `frames` that will be heard `delay_s` from now."""
        out = np.full((frames, 2), np.nan, np.float32)
        times = SimpleNamespace(currentTime=0.0, outputBufferDacTime=delay_s)
        self.options["callback"](out, frames, times, SimpleNamespace())
        return out

    def record(self, block: np.ndarray, *, overflow: bool = False) -> None:
        """Deliver `block`, as many channels as were asked for, heard just now."""
        duration_s = block.shape[0] / self.options["samplerate"]
        times = SimpleNamespace(currentTime=duration_s, inputBufferAdcTime=0.0)
        flags = SimpleNamespace(input_overflow=overflow)
        self.options["callback"](block, block.shape[0], times, flags)


class FakePortAudio:
    """The few names of `sounddevice` that are used."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.outputs = True
        self.devices = [
            {"name": "Laptop", "max_input_channels": 1, "max_output_channels": 2},
            {"name": "Interface", "max_input_channels": 8, "max_output_channels": 8},
        ]
        self.rate_hz = 48_000
        self.default = SimpleNamespace(device=[0, 0])
        self.streams: list[FakeStream] = []
        self.initialised = 0

    @property
    def stream(self) -> FakeStream:
        return self.streams[-1]

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "ALSA"}]

    def query_devices(self, kind: str | None = None) -> Any:
        if kind == "output":
            if not self.outputs:
                raise PortAudioError("no output")
            return {"default_samplerate": float(self.rate_hz)}
        return [
            {"hostapi": 0, "default_samplerate": float(self.rate_hz), **d} for d in self.devices
        ]

    def check_output_settings(self, **_: Any) -> None: ...

    def OutputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        if not self.outputs:
            raise PortAudioError("Error querying device -1")
        self.streams.append(FakeStream(**options))
        return self.streams[-1]

    def InputStream(self, **options: Any) -> FakeStream:  # noqa: N802
        if options["device"] >= len(self.devices):
            raise PortAudioError("Invalid device")
        self.streams.append(FakeStream(**options))
        return self.streams[-1]

    def _terminate(self) -> None: ...

    def _initialize(self) -> None:
        self.initialised += 1
