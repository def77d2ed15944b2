"""A platform's sound without hardware: taps that send what the test gives them."""

from __future__ import annotations

import queue

import numpy as np

from engine.audio.portaudio import DeviceInfo
from engine.errors import AudioDeviceError
from engine.messages import Float32

RATE_HZ = 48_000


class FakeTap:
    sample_rate = RATE_HZ

    def __init__(self, name: str) -> None:
        self.name = name
        self.blocks: queue.Queue[Float32 | None] = queue.Queue()
        self.closed = False

    def read(self, timeout_s: float) -> Float32:
        try:
            block = self.blocks.get(timeout=timeout_s)
        except queue.Empty:
            return np.zeros((0, 2), np.float32)
        if block is None:
            raise AudioDeviceError("the server went away")
        return block

    def close(self) -> None:
        self.closed = True


class FakeSoundSystem:
    """Loudspeakers by name, the first one the default; none: the server does not answer."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.taps: list[FakeTap] = []

    def loopbacks(self) -> tuple[DeviceInfo, ...]:
        if not self.names:
            raise AudioDeviceError("no sound server answers: start PulseAudio or PipeWire")
        return tuple(
            DeviceInfo("PulseAudio", name, 2, 0, RATE_HZ, name == self.names[0], True)
            for name in self.names
        )

    def tap(self, info: DeviceInfo) -> FakeTap:
        self.taps.append(FakeTap(info.name))
        return self.taps[-1]
