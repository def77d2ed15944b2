"""`PulseSystem`: monitors of PulseAudio, or of PipeWire in its place, through `parec`.

PortAudio knows ALSA only and lists no monitor. A child that records arrives as fast as PortAudio
over ALSA's pulse plug-in (both within 1 ms of each other, measured with clicks through a null
sink), needs no plug-in and no environment variable, and its end says at once that the server or
the loudspeaker is gone.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Mapping

import numpy as np

from engine.audio.portaudio import DeviceInfo
from engine.errors import AudioDeviceError
from engine.messages import Float32

RATE_HZ = 48_000
"""What is asked for; the server converts."""
HOST_API = "PulseAudio"
_LATENCY_MS = 20
_ASK_S = 2.0
_FRAME_BYTES = 8
_READ_BYTES = 65_536
_MONITOR = ".monitor"


class PulseSystem:
    """The sound server of a Linux desktop. Any thread."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**(os.environ if environment is None else environment), "LC_ALL": "C"}

    def loopbacks(self) -> tuple[DeviceInfo, ...]:
        """Every sink, the default first. Raises `AudioDeviceError`; may block for a second."""
        default = self._default_sink()
        found = [
            _info(line.split("\t"), default)
            for line in self._ask("list", "short", "sources").splitlines()
            if line.count("\t") >= 3 and line.split("\t")[1].endswith(_MONITOR)
        ]
        return tuple(sorted(found, key=lambda info: not info.default))

    def tap(self, info: DeviceInfo) -> PulseTap:
        """Begin to record a sink's monitor. Raises `AudioDeviceError`."""
        return PulseTap(info.name, self._environment)

    def _default_sink(self) -> str:
        for line in self._ask("info").splitlines():
            if line.startswith("Default Sink: "):
                return line.removeprefix("Default Sink: ").strip()
        return ""

    def _ask(self, *words: str) -> str:
        try:
            done = subprocess.run(
                ["pactl", *words], env=self._environment, capture_output=True, text=True,
                timeout=_ASK_S, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise _not_installed("pactl") from error
        except subprocess.TimeoutExpired as error:
            raise AudioDeviceError(
                f"the sound server did not answer within {_ASK_S:g} s: restart it"
            ) from error
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise AudioDeviceError(
                f"no sound server answers ({reason[0]}): start PulseAudio or PipeWire"
            )
        return done.stdout


class PulseTap:
    """One `parec` that records a monitor. Used by one thread."""

    sample_rate = RATE_HZ

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._rest = b""
        try:
            self._child = subprocess.Popen(
                ["parec", f"--device={name}{_MONITOR}", f"--rate={RATE_HZ}", "--channels=2",
                 "--format=float32ne", f"--latency-msec={_LATENCY_MS}",
                 "--client-name=Sonolume", "--stream-name=system sound"],
                env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, bufsize=0,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise _not_installed("parec") from error
        assert self._child.stdout is not None
        self._pipe = self._child.stdout.fileno()

    def read(self, timeout_s: float) -> Float32:
        """Return what came, shape `(n, 2)`. Raises `AudioDeviceError` when the child has ended."""
        ready, _, _ = select.select([self._pipe], [], [], timeout_s)
        if not ready:
            return np.zeros((0, 2), np.float32)
        came = os.read(self._pipe, _READ_BYTES)
        if not came:
            raise AudioDeviceError("the sound server or the device went away")
        came = self._rest + came
        whole = len(came) // _FRAME_BYTES * _FRAME_BYTES
        self._rest = came[whole:]
        return np.frombuffer(came[:whole], np.float32).reshape(-1, 2)

    def close(self) -> None:
        """End the child; idempotent."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(1.0)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()


def _info(row: list[str], default: str) -> DeviceInfo:
    """From "index, name, module, sample specification, state"."""
    name = row[1].removesuffix(_MONITOR)
    rates = [word[:-2] for word in row[3].split() if word.endswith("Hz")]
    return DeviceInfo(
        host_api=HOST_API, name=name, inputs=2, outputs=0,
        default_rate_hz=int(rates[0]) if rates else RATE_HZ,
        default=name == default, loopback=True,
    )  # fmt: skip


def _not_installed(tool: str) -> AudioDeviceError:
    return AudioDeviceError(
        f"the system's sound is heard through {tool}, which is not installed: install it (Debian:"
        " apt install pulseaudio-utils; it serves PipeWire too)"
    )
