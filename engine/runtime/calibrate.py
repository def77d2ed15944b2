"""`calibrate`: clicks out of the loudspeaker and back, to learn what the system does not say."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from engine.audio.chirps import ChirpTrain
from engine.audio.speaker import Speaker, output_rate
from engine.clock import Clock
from engine.commands import SourceChoice
from engine.errors import AudioDeviceError, CalibrationError
from engine.messages import Float32
from engine.protocols import AudioSource
from engine.runtime.listening import open_source

logger = logging.getLogger(__name__)

CLICKS = 12
_ENOUGH = 0.6
"""Share of the clicks that must be heard."""
_MOST_SPREAD_MS = 15.0
_LEAD_S = 3.0
"""Silence before the first click: a sound server changes its buffers while it starts."""
_TAIL_S = 1.5
_PERIOD_S = 0.01
_STALL_S = 6.0
"""A sound server may think for seconds before it begins."""
_SILENT_DB = -70.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What came out of it."""

    device: str
    """Name of the input, as its `SourceStatus` has it."""
    clicks: int
    heard: int
    round_trip_ms: float
    """From handing a sample to the loudspeaker until it is in our hands again."""
    reported_ms: float
    """What the system says that takes."""
    offset_ms: float
    """The rest: how much later than it says the input hears."""
    spread_ms: float
    """Half of the clicks lie within so much of the median."""
    level_db: float
    """Loudest 50 ms that were heard, dBFS."""


def calibrate(choice: SourceChoice, clock: Clock, *, seed: int = 0) -> Calibration:
    """Play clicks and hear them; takes about 15 s and is audible.

    Raises `AudioDeviceError` where there is no loudspeaker or no input, `CalibrationError` where
    the clicks were not heard.
    """
    source = open_source(choice, clock, audible=False)
    try:
        return _Run(source, clock, seed).measure()
    finally:
        source.close()


class _Run:
    def __init__(self, source: AudioSource, clock: Clock, seed: int) -> None:
        rate = output_rate(48_000)
        try:
            self._speaker = Speaker(rate, clock)
        except AudioDeviceError as error:
            raise AudioDeviceError(
                f"there is no sound output to click with ({error}): connect a loudspeaker"
            ) from error
        self._train = ChirpTrain(rate, CLICKS, np.random.default_rng(seed), _LEAD_S)
        self._source = source
        self._clock = clock
        self._heard: list[Float32] = []
        self._reported_s: list[tuple[float, float]] = []
        self._shift_s: list[float] = []

    def measure(self) -> Calibration:
        source, rate = self._source, self._source.sample_rate
        first = source.ring.written
        try:
            self._play()
        finally:
            self._speaker.close()
        heard = np.concatenate(self._heard) if self._heard else np.zeros(0, np.float32)
        if not self._shift_s or heard.shape[0] < rate:
            raise CalibrationError(
                f"{source.status().name} sent {heard.shape[0] / rate:.1f} s of sound:"
                " choose another input with --device"
            )
        level_db = _loudest_db(heard, rate)
        # Both clocks say which musical time is in the air now: their difference is exact only
        # where the system tells the truth about its buffers. What remains is what we look for.
        begin_s = first / rate + float(np.median(self._shift_s))
        delays_s = self._train.find(heard, rate, begin_s)
        delays_ms = 1000.0 * delays_s[np.isfinite(delays_s)]
        self._check(delays_ms, level_db)
        offset_ms = float(np.median(delays_ms))
        reported_ms = 1000.0 * float(np.median(np.array(self._reported_s).sum(axis=1)))
        return Calibration(
            device=source.status().name,
            clicks=CLICKS,
            heard=delays_ms.shape[0],
            round_trip_ms=reported_ms + offset_ms,
            reported_ms=reported_ms,
            offset_ms=offset_ms,
            spread_ms=float(np.median(np.abs(delays_ms - offset_ms))),
            level_db=level_db,
        )

    def _play(self) -> None:
        """Feed the loudspeaker and keep what the input sends, until the train is over."""
        speaker, source, clock = self._speaker, self._source, self._clock
        silence = np.zeros((round(_TAIL_S * self._train.sample_rate), 2), np.float32)
        sound = np.concatenate([self._train.samples(), silence])
        fed, read = 0, source.ring.written
        speaker.ring.push(sound[: round(0.2 * self._train.sample_rate)])
        fed = speaker.ring.written
        speaker.start()
        began_s = clock.now()
        while speaker.heard_s(clock.now()) < self._train.duration_s:
            now_s = clock.now()
            if now_s - began_s > self._train.duration_s + _STALL_S:
                raise AudioDeviceError("the loudspeaker does not play: choose another output")
            wanted = min(speaker.wanted(), sound.shape[0] - fed)
            if wanted > 0:
                speaker.ring.push(sound[fed : fed + wanted])
                fed += wanted
            source.ring.wait(read + round(_PERIOD_S * source.sample_rate), _PERIOD_S)
            written = source.ring.written
            self._heard.append(source.ring.read(read, written - read).mean(axis=1))
            read = written
            self._note_clocks(now_s - began_s)

    def _note_clocks(self, since_s: float) -> None:
        """How the two clocks stand to each other, and what the buffers are said to hold."""
        now_s = self._clock.now()
        out_s, in_s = self._speaker.heard_s(now_s), self._source.heard_s(now_s)
        if since_s < _LEAD_S or out_s <= 0.0:
            return
        self._shift_s.append(out_s - in_s)
        newest_s = self._source.ring.written / self._source.sample_rate
        self._reported_s.append((self._speaker.delay_s, max(0.0, in_s - newest_s)))

    def _check(self, delays_ms: np.ndarray, level_db: float) -> None:
        if delays_ms.shape[0] < _ENOUGH * CLICKS:
            remedy = (
                "the input is muted: unmute it, or choose another with --device"
                if level_db < _SILENT_DB
                else "turn the loudspeaker up, bring the microphone to it, keep the room quiet"
            )
            raise CalibrationError(
                f"{delays_ms.shape[0]} of {CLICKS} clicks heard, level {level_db:.0f} dB: {remedy}"
            )
        spread_ms = float(np.median(np.abs(delays_ms - np.median(delays_ms))))
        if spread_ms > _MOST_SPREAD_MS:
            raise CalibrationError(
                f"the clicks came back {spread_ms:.0f} ms apart from each other: close what loads"
                " the machine, use a cable instead of Bluetooth, and try again"
            )


def _loudest_db(heard: Float32, rate: int) -> float:
    length = max(1, round(0.05 * rate))
    frames = heard[: heard.shape[0] // length * length].reshape(-1, length)
    rms = float(np.sqrt((frames.astype(np.float64) ** 2).mean(axis=1)).max())
    return 20.0 * float(np.log10(max(rms, 1e-6)))
