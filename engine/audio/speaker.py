"""`Speaker`: the loudspeaker, whose progress is a clock."""

from __future__ import annotations

import logging
import math
from typing import Any

from engine.audio.offset import eased_offset_s
from engine.audio.portaudio import portaudio
from engine.clock import Clock
from engine.errors import AudioDeviceError
from engine.ring import SampleRing

logger = logging.getLogger(__name__)

_RING_S = 2.0
_AHEAD_S = 0.03
_LATENCY_S = 0.12
"""Deep enough for PulseAudio, which stalls below 50 ms; `heard_s` makes up for it."""
_LOST_AFTER_S = 1.0
_STALL_WINDOW_S = 4.0
_STALLED = 0.25
"""Playing at less than this share of real time is as good as not at all."""
_SETTLE_S = 1.0
"""While the device fills its buffer at the start, running dry is no glitch."""
_OFFSET_GAIN = 0.05
_OFFSET_RESET_S = 0.06


def output_rate(wanted_hz: int) -> int:
    """The rate to play a file of `wanted_hz` at: the same unless the loudspeaker refuses it."""
    try:
        sd = portaudio()
    except AudioDeviceError:
        return wanted_hz
    try:
        default_hz = round(float(sd.query_devices(kind="output")["default_samplerate"]))
    except (sd.PortAudioError, ValueError):
        return wanted_hz
    try:
        sd.check_output_settings(channels=2, dtype="float32", samplerate=wanted_hz)
    except sd.PortAudioError:
        return default_hz
    return wanted_hz


class Speaker:
    """Plays its ring, counts what it has played, knows when that is heard.

    The owner keeps `ring` filled (`wanted`); the callback reads it, never waits, and plays silence
    without moving on when there is nothing: then musical time waits too.
    """

    def __init__(self, sample_rate: int, clock: Clock) -> None:
        self.sample_rate = sample_rate
        self.ring = SampleRing(round(_RING_S * sample_rate), 2)
        self.volume = 1.0  # any thread writes, callback reads
        self.underruns = 0  # written by the callback only
        self.delay_s = 0.0
        """What the system says lies between the callback and the air; callback writes."""
        self._clock = clock
        self._played = 0  # written by the callback only
        self._block = 0  # largest block asked for; written by the callback only
        self._callback_s = self._start_s = clock.now()
        self._mark = (self._start_s, 0)  # guarded by the caller of `lost`
        self._offset_s: float | None = None  # musical minus host time; written by the callback
        sd = portaudio()
        try:
            self._stream = sd.OutputStream(
                samplerate=sample_rate,
                channels=2,
                dtype="float32",
                blocksize=0,
                latency=_LATENCY_S,
                callback=self._on_audio,
            )
        except (sd.PortAudioError, ValueError) as error:
            logger.info("no sound output at %d Hz: %s", sample_rate, error)
            raise AudioDeviceError(f"the system offers none at {sample_rate} Hz") from error

    def start(self) -> None:
        """Start playing; some samples should be in the ring."""
        sd = portaudio()
        self._callback_s = self._start_s = self._clock.now()
        self._mark = (self._start_s, 0)
        try:
            self._stream.start()
        except sd.PortAudioError as error:
            raise AudioDeviceError(f"the sound output does not start: {error}") from error

    def wanted(self) -> int:
        """Samples that should be added to the ring now. Producer only."""
        ahead = max(round(_AHEAD_S * self.sample_rate), 2 * self._block)
        return max(0, self._played + ahead - self.ring.written)

    def heard_s(self, now_s: float) -> float:
        """Musical time in the air at host time `now_s`. Any thread, never blocks."""
        offset_s = self._offset_s
        if offset_s is None:
            return 0.0
        return min(max(0.0, now_s + offset_s), self._played / self.sample_rate)

    def lost(self, now_s: float) -> bool:
        """True when the callback does not come any more, or far too seldom. Watchdog only."""
        if now_s - self._callback_s > _LOST_AFTER_S:
            return True
        since_s, played = self._mark
        if now_s - since_s < _STALL_WINDOW_S:
            return False
        self._mark = (now_s, self._played)
        return self._played - played < _STALLED * (now_s - since_s) * self.sample_rate

    def close(self) -> None:
        """Stop and free; idempotent."""
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _on_audio(self, outdata: Any, frames: int, times: Any, flags: Any) -> None:
        del flags
        self._block = max(self._block, frames)
        now_s = self._clock.now()
        self._callback_s = now_s
        count = min(frames, self.ring.written - self._played)
        if count < frames:
            self.underruns += int(now_s - self._start_s > _SETTLE_S)
            outdata[count:] = 0.0
        if count > 0:
            outdata[:count] = self.ring.read(self._played, count)
            outdata[:count] *= self.volume
        delay_s = times.outputBufferDacTime - times.currentTime
        if not (0.0 < delay_s < 1.0 and math.isfinite(delay_s)):
            delay_s = float(self._stream.latency)
        self.delay_s = delay_s
        offset_s = self._played / self.sample_rate - now_s - delay_s
        self._played += count
        self._offset_s = eased_offset_s(
            self._offset_s, offset_s, gain=_OFFSET_GAIN, reset_s=_OFFSET_RESET_S
        )
