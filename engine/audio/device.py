"""`DeviceSource`: a microphone, a line or a loopback input, with a watchdog."""

from __future__ import annotations

import logging
import threading
from typing import Any, Literal

import numpy as np

from engine.audio.offset import eased_offset_s
from engine.audio.portaudio import (
    DeviceInfo,
    find_input,
    list_devices,
    portaudio,
    reinitialise,
)
from engine.clock import Clock, MonotonicClock
from engine.errors import AudioDeviceError
from engine.messages import DEFAULT_INPUT, SourceStatus
from engine.ring import SampleRing
from engine.threads import Worker

__all__ = ["DeviceInfo", "DeviceSource", "list_devices"]

logger = logging.getLogger(__name__)

_RING_S = 3.0
_LOST_AFTER_S = 1.0
_RETRY_S = 0.9
"""Looked at by a watchdog of 2 Hz: what is back is heard within 2 s."""
_FILL_PERIOD_S = 0.01
_FILL_LAG_S = 0.02
_LATENCIES_S: tuple[str | float, ...] = ("low", 0.02, 0.05, 0.1)
_OVERFLOW_WINDOW_S = 60.0
_OVERFLOWS_ALLOWED = 1
_SCRATCH = 16384
_LOWEST_HZ, _HIGHEST_HZ = 8_000, 192_000
"""What the analysis takes; the sound system converts."""


class DeviceSource:
    """Live input, chosen by "host api: name"; "" is the system's default input.

    The callback copies, stores and returns. `service` (about once a second, any thread but the
    callback's) notices a device that fell silent or overflows, reopens it, and meanwhile writes
    silence, so that musical time never stops.
    """

    def __init__(
        self,
        device: str = "",
        *,
        clock: Clock | None = None,
        kind: Literal["mic", "loopback"] = "mic",
    ) -> None:
        """`kind` is `loopback` for a virtual cable that carries the system's own sound."""
        self.device = device
        self.kind = kind
        self._clock: Clock = clock if clock is not None else MonotonicClock()
        self._ring = SampleRing(round(_RING_S * 48_000), 2)
        self._sample_rate = 48_000
        self._name = device or DEFAULT_INPUT
        self._scratch = np.zeros((_SCRATCH, 2), np.float32)  # callback only
        self._overflows = 0  # written by the callback only
        self._callback_s = 0.0  # written by the callback and before it starts
        self._offset_s: float | None = None  # musical minus host time; one writer at a time
        self._stream: Any = None  # guarded by _lock
        self._token = 0  # written under _lock; a callback of an older stream is ignored
        self._rung = 0  # guarded by _lock: index into _LATENCIES_S
        self._overflow_marks: list[tuple[float, int]] = []  # guarded by _lock
        self._message = ""
        self._connected = False
        self._retry_at_s = 0.0  # guarded by _lock
        self._filler: Worker | None = None  # guarded by _lock
        self._closed = False  # guarded by _lock
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """The device's default rate; fixed after `open`."""
        return self._sample_rate

    @property
    def ring(self) -> SampleRing:
        """Where the samples go, two channels; fixed after `open`."""
        return self._ring

    @property
    def overflows(self) -> int:
        """Input overflows counted so far. Any thread, never blocks."""
        return self._overflows

    @property
    def latency_setting(self) -> str | float:
        """What PortAudio was asked for: "low" or seconds. Any thread, never blocks."""
        return _LATENCIES_S[self._rung]

    def open(self) -> None:
        """Open the input. Raises `AudioDeviceError`; may block for a second."""
        with self._lock:
            index, info = find_input(self.device)
            self._sample_rate = min(max(info.default_rate_hz, _LOWEST_HZ), _HIGHEST_HZ)
            self._ring = SampleRing(round(_RING_S * self._sample_rate), 2)
            self._start_stream(index, info)

    def heard_s(self, now_s: float) -> float:
        """Musical time the microphone hears at host time `now_s`. Any thread, never blocks."""
        offset_s = self._offset_s
        if offset_s is None:
            return self._ring.written / self._sample_rate
        return max(0.0, now_s + offset_s)

    def status(self) -> SourceStatus:
        """How it is doing. Any thread, never blocks."""
        return SourceStatus(self.kind, self._name, self._connected, self._message)

    def service(self, now_s: float) -> None:
        """Watch, reopen, escalate. About once a second; may block while a device is opened."""
        with self._lock:
            if self._closed:
                return
            if self._stream is None:
                if now_s >= self._retry_at_s:
                    self._reconnect(now_s)
            elif now_s - self._callback_s > _LOST_AFTER_S:
                self._lose(f"{self._name} stopped sending sound: check the plug; I keep trying")
                self._reconnect(now_s)
            elif self._overflows_too_much(now_s) and self._rung + 1 < len(_LATENCIES_S):
                self._rung += 1
                logger.warning("input overflows: latency raised to %s s", self.latency_setting)
                self._lose(self._message)
                self._reconnect(now_s)

    def close(self) -> None:
        """Stop and free; idempotent."""
        with self._lock:
            self._closed = True
            self._connected = False
            self._stop_stream()
            self._stop_filler()

    def _start_stream(self, index: int, info: DeviceInfo) -> None:
        sd = portaudio()
        self._token += 1
        token = self._token

        def on_audio(indata: Any, frames: int, times: Any, flags: Any) -> None:
            self._on_audio(token, indata, frames, times, flags)

        stream = None
        try:
            stream = sd.InputStream(
                device=index,
                samplerate=self._sample_rate,
                channels=min(2, info.inputs),
                dtype="float32",
                blocksize=0,  # a fixed size may add a buffering layer; the framer re-blocks
                latency=self.latency_setting,
                callback=on_audio,
            )
            self._callback_s = self._clock.now()
            stream.start()
        except sd.PortAudioError as error:
            if stream is not None:
                stream.close(ignore_errors=True)
            raise AudioDeviceError(
                f"{info.key} cannot be opened at {self._sample_rate} Hz: {error};"
                " close the program that holds it, or choose another input"
            ) from error
        self._stream = stream
        self._name = info.key
        self._message = ""
        self._connected = True

    def _on_audio(self, token: int, indata: Any, frames: int, times: Any, flags: Any) -> None:
        if token != self._token:
            return
        if flags.input_overflow:
            self._overflows += 1
        for start in range(0, frames, _SCRATCH):
            part = indata[start : start + _SCRATCH]
            scratch = self._scratch[: part.shape[0]]
            scratch[:] = part  # one channel spreads over both
            self._ring.push(scratch)
        now_s = self._clock.now()
        self._callback_s = now_s
        # The device's own times are not to be trusted everywhere: take them only when plausible.
        waited_s = times.currentTime - times.inputBufferAdcTime - frames / self._sample_rate
        latency_s = waited_s if 0.0 < waited_s < 0.5 else 0.0
        offset_s = self._ring.written / self._sample_rate + latency_s - now_s
        self._offset_s = eased_offset_s(self._offset_s, offset_s)

    def _overflows_too_much(self, now_s: float) -> bool:
        marks = self._overflow_marks
        marks.append((now_s, self._overflows))
        while now_s - marks[0][0] > _OVERFLOW_WINDOW_S:
            marks.pop(0)
        return marks[-1][1] - marks[0][1] > _OVERFLOWS_ALLOWED

    def _lose(self, message: str) -> None:
        self._connected = False
        self._message = message
        self._stop_stream()
        self._overflow_marks.clear()
        self._filler = Worker("audio-in", self._fill)
        self._filler.start()

    def _reconnect(self, now_s: float) -> None:
        try:
            reinitialise()
            index, info = find_input(self.device)
            self._stop_filler()
            self._start_stream(index, info)
        except (AudioDeviceError, portaudio().PortAudioError) as error:
            self._message = f"{self._name} is gone: {error}"
            self._retry_at_s = now_s + _RETRY_S
            if self._filler is None:
                self._filler = Worker("audio-in", self._fill)
                self._filler.start()
        else:
            logger.info("%s is back", self._name)

    def _stop_stream(self) -> None:
        self._token += 1
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)

    def _stop_filler(self) -> None:
        filler, self._filler = self._filler, None
        if filler is not None:
            filler.stop()

    def _fill(self, stopping: threading.Event) -> None:
        """Write silence while there is no device: the only producer meanwhile."""
        block = np.zeros((_SCRATCH, 2), np.float32)
        while not stopping.wait(_FILL_PERIOD_S):
            heard_s = self.heard_s(self._clock.now()) - _FILL_LAG_S
            due = round(heard_s * self._sample_rate) - self._ring.written
            while due > 0:
                self._ring.push(block[:due])
                due -= min(due, _SCRATCH)
