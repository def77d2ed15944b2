"""`WasapiSystem`: what Windows plays, through the optional package SoundCard.

PortAudio's own builds lack WASAPI loopback. SoundCard is pure Python, asks Windows to convert to
our rate, and gives silence while nothing plays (WASAPI itself then gives nothing at all).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from engine.audio.portaudio import DeviceInfo
from engine.errors import AudioDeviceError
from engine.messages import Float32

RATE_HZ = 48_000
HOST_API = "Windows WASAPI"
_BLOCK = 960
_PAUSE_S = 0.002


class WasapiSystem:
    """The loudspeakers of Windows as inputs. Any thread.

    `package` is the module `soundcard`; it speaks to PulseAudio in the same words, which is how
    this class is tested.
    """

    def __init__(self, package: Any = None) -> None:
        self._package = package

    def loopbacks(self) -> tuple[DeviceInfo, ...]:
        """Every loudspeaker, the default first. Raises `AudioDeviceError`."""
        package = self._module()
        try:
            default = str(package.default_speaker().name)
            microphones = package.all_microphones(include_loopback=True)
        except Exception as error:  # it raises whatever the system call gave
            raise AudioDeviceError(f"the loudspeakers cannot be listed: {error}") from error
        found = [
            DeviceInfo(HOST_API, m.name, 2, 0, RATE_HZ, _plain(m.name) == _plain(default), True)
            for m in microphones
            if m.isloopback
        ]
        return tuple(sorted(found, key=lambda info: not info.default))

    def tap(self, info: DeviceInfo) -> WasapiTap:
        """Begin to record. Raises `AudioDeviceError`."""
        for microphone in self._module().all_microphones(include_loopback=True):
            if microphone.isloopback and microphone.name == info.name:
                return WasapiTap(microphone)
        raise AudioDeviceError(f"{info.key} went away: connect it again")

    def _module(self) -> Any:
        if self._package is None:
            try:
                import soundcard
            except (ImportError, OSError, AssertionError) as error:
                raise AudioDeviceError(
                    f"the system's sound needs the package SoundCard ({error}): "
                    "pip install 'sonolume[loopback]'"
                ) from error
            self._package = soundcard
        return self._package


class WasapiTap:
    """One recorder. Opened by any thread, read and closed by one."""

    sample_rate = RATE_HZ

    def __init__(self, microphone: Any) -> None:
        self.name = str(microphone.name)
        self._recorder: Any = microphone.recorder(RATE_HZ, channels=2, blocksize=_BLOCK)
        try:
            self._recorder.__enter__()
        except Exception as error:  # it raises whatever the system call gave
            raise AudioDeviceError(f"{self.name} cannot be listened to: {error}") from error

    def read(self, timeout_s: float) -> Float32:
        """Return what came, shape `(n, 2)`. Raises `AudioDeviceError` when it broke."""
        del timeout_s  # SoundCard waits for a block, or for a few of silence
        try:
            came = np.asarray(self._recorder.record(numframes=None), np.float32)
        except Exception as error:  # it raises whatever the system call gave
            raise AudioDeviceError(str(error) or type(error).__name__) from error
        if not came.shape[0]:
            time.sleep(_PAUSE_S)
        return came

    def close(self) -> None:
        """Stop; idempotent."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            try:
                recorder.__exit__(None, None, None)
            except Exception:  # noqa: BLE001 - it is gone, which is what was wanted
                return


def _plain(name: str) -> str:
    """SoundCard calls a monitor of PulseAudio "Monitor of NAME"; on Windows the names are one."""
    return name.removeprefix("Monitor of ")
