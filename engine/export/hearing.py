"""The ears of a render: the live analysis over a file, as far as the next frame needs it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import numpy as np

from engine.analysis.analyzer import Analyzer
from engine.analysis.grid_clock import GridClock
from engine.audio.decode import SoundReader
from engine.errors import AudioFileError
from engine.export.heard_sound import HeardSound
from engine.export.settings import ExportSettings
from engine.messages import AudioFeatures, ControlState, Float32, SemanticState
from engine.modulation.stage import Modulation
from engine.presets import Preset
from engine.runtime.foresight import grid_of
from engine.semantic.bank import open_bank
from engine.semantic.describer import Describer
from engine.semantic.listeners import open_listener
from engine.semantic.stage import SemanticStage, SemanticStream

WARM_UP_S = 12.0
"""With a start inside the track, what comes before is heard: levels and tempo are known then."""
_BLOCK = 2048
_SMALLEST_BLOCK = 256


class Hearing:
    """Reads a file, hears it and modulates by it. Export thread only.

    `keep(index, block)` is given every block from the start of the video on, with the index of
    its first sample in the file, shape `(n, channels)`.
    """

    def __init__(
        self, settings: ExportSettings, preset: Preset, reader: SoundReader,
        keep: Callable[[int, Float32], None],
    ) -> None:  # fmt: skip
        self.reader = reader
        self.modulation = Modulation(preset)
        self.control: ControlState | None = None
        """The newest one; None before the first hop."""
        self.broke_off_s: float | None = None
        """Where a damaged file ended before its time, in seconds of the file."""
        self.first_sample = round(settings.start_s * self.reader.sample_rate)
        self._settings = settings
        self._keep = keep
        self.sound = HeardSound(reader.sample_rate)
        """What pictures that are led by sound answer."""
        self._rate = self.reader.sample_rate
        self._analyzer = Analyzer(self._rate)
        self._beats: GridClock | None = None
        self._describer = Describer()
        self._semantic = _semantic_stream(settings, preset, self._rate)
        self._newest: AudioFeatures | None = None
        self._about: list[SemanticState] = []  # not yet due on the hops' clock
        self._heard = 0  # samples since the start of the video

    def look_ahead(self, stop: Event) -> None:
        """Find the beats of the whole file first, where that is asked for."""
        if self._settings.lookahead == "whole":
            self._beats = GridClock(grid_of(self._settings.audio, stop))

    def warm_up(self) -> None:
        """Listen to what comes before the start, so that levels and tempo are known there.

        Raises `AudioFileError` where the sound ends before the start.
        """
        start_s = self._settings.start_s
        begin_s = max(0.0, start_s - WARM_UP_S)
        self.modulation.start_s = begin_s
        if not self._settings.prompts:  # these are spread over the video, whatever it begins with
            self.modulation.begin_at(begin_s)
        self.reader.seek(round(begin_s * self._rate))
        left = self.first_sample - round(begin_s * self._rate)
        while left > 0:
            block = self.reader.read(min(_BLOCK, left))
            if block.shape[0] == 0:
                raise AudioFileError(
                    f"{self.reader.note or self._settings.audio.name}: it cannot start at "
                    f"{start_s:.1f} s, sound ends at {self.reader.duration_s:.1f} s"
                )
            left -= block.shape[0]
            self._analyse(block)

    def hear_until(self, video_s: float) -> None:
        """Analyse the track up to this time of the video, at least one hop."""
        wanted = round(video_s * self._rate)
        while self._heard < wanted or self.control is None:
            block = self.reader.read(min(_BLOCK, max(wanted - self._heard, _SMALLEST_BLOCK)))
            if block.shape[0] == 0:
                if self.reader.note:  # damaged: it claims more than can be played
                    self.broke_off_s = self.reader.duration_s
                block = np.zeros((_SMALLEST_BLOCK, 2), np.float32)  # the tail is silence
            self._keep(self.first_sample + self._heard, block)
            self._heard += block.shape[0]
            self._analyse(block)

    def close(self) -> None:
        """Let go of the file and of the listener; idempotent."""
        if self._semantic is not None:
            self._semantic.close()
        self.reader.close()

    def _analyse(self, block: Float32) -> None:
        dt_s = self._analyzer.hop_length / self._rate
        self.sound.add(block)
        self._analyzer.follow(self.modulation.modulated)
        if self._semantic is not None:
            self._about += self._semantic.push(block, self._newest)
        for features in self._analyzer.push(block):
            self._newest = features
            while self._about and self._about[0].sample_index <= features.sample_index:
                self.modulation.listen(self._about.pop(0))
            time_s = self.modulation.start_s + features.sample_index / self._rate
            if self._beats is not None:
                features = self._beats.step(features, time_s)
            if self.modulation.describes:
                self.modulation.describe(self._describer.step(features, dt_s))
            self.control = self.modulation.step(features, dt_s, host_time_s=time_s)


def _semantic_stream(
    settings: ExportSettings, preset: Preset, sample_rate: int
) -> SemanticStream | None:
    """Listen to what the sound is about where the preset wants it."""
    driven = any(route.target == "prompt/listen" for route in preset.routes)
    if not driven and preset.params.get("prompt/listen", 0.0) <= 0.0:
        return None
    bank = open_bank(settings.labels)
    listener = open_listener(settings.listener, settings.device_compute, patient=True)
    return SemanticStream(SemanticStage(listener, bank), sample_rate)
