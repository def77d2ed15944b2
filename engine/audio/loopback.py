"""`LoopbackSource`: what this computer plays itself, as a source."""

from __future__ import annotations

import difflib
import logging
import sys
import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from engine.audio.offset import eased_offset_s
from engine.audio.portaudio import DeviceInfo, list_devices
from engine.clock import Clock
from engine.errors import AudioDeviceError
from engine.messages import DEFAULT_LOOPBACK, Float32, SourceStatus
from engine.ring import SampleRing
from engine.threads import Worker

logger = logging.getLogger(__name__)

_RING_S = 3.0
_WAIT_S = 0.02
_GAP_S = 0.1
"""Nothing for so long is silence: WASAPI and some monitors send nothing while nothing plays."""
_FILL_LAG_S = 0.02
_MOST_FILL_S = 1.5
"""A suspended laptop wakes up where it fell asleep."""
_RETRY_S = 0.4
_FOLLOW_S = 2.0
"""How often it is looked whether the system plays through another device by now."""

CABLES = ("blackhole", "loopback audio", "soundflower", "vb-cable", "vb-audio")
"""Virtual inputs that carry a system's own sound where the system offers nothing better."""


class Tap(Protocol):
    """A running capture of the system's sound. Used by one thread."""

    @property
    def name(self) -> str:
        """Which device it listens to, as `DeviceInfo.name`."""
        ...

    @property
    def sample_rate(self) -> int:
        """The same for all taps of a system."""
        ...

    def read(self, timeout_s: float) -> Float32:
        """Return what came, shape `(n, 2)`; empty when nothing did in time.

        Raises `AudioDeviceError` when it will never send anything again.
        """
        ...

    def close(self) -> None:
        """Stop and free; idempotent."""
        ...


class SoundSystem(Protocol):
    """What a platform knows of its own sound. Any thread; may block for a second."""

    def loopbacks(self) -> tuple[DeviceInfo, ...]:
        """What can be listened to. Raises `AudioDeviceError` with a remedy."""
        ...

    def tap(self, info: DeviceInfo) -> Tap:
        """Begin to listen to one of them. Raises `AudioDeviceError`."""
        ...


def sound_system(platform: str = sys.platform) -> SoundSystem | None:
    """How this platform hands out its own sound; None where only a virtual cable helps."""
    if platform.startswith("linux"):
        from engine.audio.pulse import PulseSystem

        return PulseSystem()
    if platform == "win32":
        from engine.audio.wasapi import WasapiSystem

        return WasapiSystem()
    return None


def list_loopbacks() -> tuple[DeviceInfo, ...]:
    """What `--source loopback` can listen to; empty where the system has none."""
    system = sound_system()
    try:
        return cables(list_devices()) if system is None else system.loopbacks()
    except AudioDeviceError as error:
        logger.info("no system sound: %s", error)
        return ()


def cables(devices: Sequence[DeviceInfo]) -> tuple[DeviceInfo, ...]:
    """The virtual cables among PortAudio's inputs."""
    return tuple(
        DeviceInfo(d.host_api, d.name, d.inputs, d.outputs, d.default_rate_hz, False, True)
        for d in devices
        if d.inputs > 0 and any(cable in d.name.casefold() for cable in CABLES)
    )


def find_loopback(device: str, found: Sequence[DeviceInfo]) -> DeviceInfo:
    """Find by "host api: name", by name alone, or, for "", what the system plays through.

    Raises `AudioDeviceError` with what there is.
    """
    if not found:
        raise AudioDeviceError(no_loopback())
    if not device:
        return next((info for info in found if info.default), found[0])
    wanted = device.casefold()
    for info in found:
        if wanted in (info.key.casefold(), info.name.casefold()):
            return info
    keys = [info.key for info in found]
    nearest = (difflib.get_close_matches(device, keys, 1, 0.0) or keys)[0]
    raise AudioDeviceError(
        f"there is no system sound {device!r} among {len(keys)}: nearest is {nearest!r}"
    )


def no_loopback(platform: str = sys.platform) -> str:
    """One line: why the system's own sound cannot be heard, and what helps."""
    if platform == "darwin":
        return (
            "macOS lets no program hear what it plays: install BlackHole (brew install"
            " blackhole-2ch), choose a Multi-Output Device of speakers and BlackHole in Audio"
            " MIDI Setup"
        )
    return "no loudspeaker is there whose sound could be heard (0 devices): connect one"


class LoopbackSource:
    """The system's sound, chosen by "host api: name"; "" follows what the system plays through.

    Its thread reads, and writes silence while nothing comes, so that musical time never stops.
    What may block, opening and looking for a better device, happens in `service`.
    """

    def __init__(self, device: str = "", *, clock: Clock, system: SoundSystem) -> None:
        self.device = device
        self._clock = clock
        self._system = system
        self._sample_rate = 48_000
        self._ring = SampleRing(round(_RING_S * self._sample_rate), 2)
        self._name = device or DEFAULT_LOOPBACK
        self._message = ""
        self._tap: Tap | None = None  # the thread's own, once it runs
        self._next: Tap | None = None  # guarded by _lock: handed to the thread
        self._retry_at_s = 0.0  # guarded by _serving
        self._follow_at_s = 0.0  # guarded by _serving
        self._came_s = 0.0  # the thread's own: when samples came last
        self._offset_s: float | None = None  # musical minus host time; written by the thread
        self._worker: Worker | None = None
        self._closed = False  # guarded by _lock
        self._lock = threading.Lock()
        self._serving = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """Samples per second of the ring; fixed after `open`."""
        return self._sample_rate

    @property
    def ring(self) -> SampleRing:
        """Where the samples go, two channels; fixed after `open`."""
        return self._ring

    @property
    def overflows(self) -> int:
        """Always 0: the system keeps what is read late. Any thread, never blocks."""
        return 0

    def open(self) -> None:
        """Begin to listen. Raises `AudioDeviceError`; may block for a second."""
        self._tap = self._open_tap()
        self._sample_rate = self._tap.sample_rate
        self._ring = SampleRing(round(_RING_S * self._sample_rate), 2)
        now_s = self._clock.now()
        self._came_s = now_s
        self._follow_at_s = now_s + _FOLLOW_S
        self._offset_s = -now_s
        self._worker = Worker("audio-loopback", self._run)
        self._worker.start()

    def heard_s(self, now_s: float) -> float:
        """Musical time the system plays at host time `now_s`. Any thread, never blocks."""
        offset_s = self._offset_s
        return 0.0 if offset_s is None else max(0.0, now_s + offset_s)

    def status(self) -> SourceStatus:
        """How it is doing. Any thread, never blocks."""
        return SourceStatus("loopback", self._name, self._tap is not None, self._message)

    def service(self, now_s: float) -> None:
        """Reopen what is gone, follow the system to another device. May block for a second."""
        with self._serving:
            if self._closed or self._next is not None:
                return
            tap = self._tap
            if tap is None and now_s >= self._retry_at_s:
                self._retry_at_s = now_s + _RETRY_S
                self._offer(lost=True)
            elif tap is not None and not self.device and now_s >= self._follow_at_s:
                self._follow_at_s = now_s + _FOLLOW_S
                self._follow(tap)

    def close(self) -> None:
        """Stop and free; idempotent."""
        with self._lock:
            self._closed = True
        if self._worker is not None:
            self._worker.stop()
        for tap in (self._tap, self._next):
            if tap is not None:
                tap.close()
        self._tap = self._next = None

    def _open_tap(self) -> Tap:
        info = find_loopback(self.device, self._system.loopbacks())
        tap = self._system.tap(info)
        self._name = info.key
        return tap

    def _follow(self, tap: Tap) -> None:
        try:
            info = find_loopback("", self._system.loopbacks())
        except AudioDeviceError as error:
            logger.debug("%s", error)  # the thread will notice if it matters
            return
        if info.name != tap.name:
            logger.info("the system plays through %s now", info.key)
            self._offer(lost=False)

    def _offer(self, *, lost: bool) -> None:
        try:
            tap = self._open_tap()
        except AudioDeviceError as error:
            if lost:
                self._message = str(error)
            return
        with self._lock:
            if not self._closed:
                self._next = tap
                return
        tap.close()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            self._take_over()
            if self._tap is None:
                stopping.wait(_WAIT_S)
            else:
                self._listen(self._tap)
            self._fill()

    def _take_over(self) -> None:
        with self._lock:
            newer, self._next = self._next, None
        if newer is not None:
            if self._tap is not None:
                self._tap.close()
            self._message = ""
            self._tap = newer
            logger.info("listening to %s", self._name)

    def _listen(self, tap: Tap) -> None:
        try:
            block = tap.read(_WAIT_S)
        except AudioDeviceError as error:
            tap.close()
            self._message = f"{self._name} is gone: {error}; I keep trying"
            self._tap = None
            return
        if block.shape[0]:
            self._ring.push(block)
            self._came_s = self._clock.now()
            seen_s = self._ring.written / self._sample_rate - self._came_s
            self._offset_s = eased_offset_s(self._offset_s, seen_s)

    def _fill(self) -> None:
        """Write the silence that is due when nothing came."""
        now_s = self._clock.now()
        if now_s - self._came_s < _GAP_S:
            return
        due_s = self.heard_s(now_s) - _FILL_LAG_S - self._ring.written / self._sample_rate
        if due_s > _MOST_FILL_S and self._offset_s is not None:
            self._offset_s -= due_s - _MOST_FILL_S
            due_s = _MOST_FILL_S
        if due_s > 0.0:
            self._ring.push(np.zeros((round(due_s * self._sample_rate), 2), np.float32))
