"""`Analyzer`: samples in, one `AudioFeatures` per hop out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from engine.analysis.bands import MOODS, BandMeter
from engine.analysis.beat_listener import BeatListener
from engine.analysis.framer import Framer, hop_length
from engine.analysis.lanes import LaneDetector
from engine.analysis.loudness import Gate, level_db
from engine.analysis.onset import OnsetDetector
from engine.analysis.outer_bar import OuterBar
from engine.analysis.spectrum import Spectrum, band_weights, log_filterbank
from engine.analysis.split import PercussiveSplit
from engine.analysis.stereo import StereoMeter
from engine.analysis.structure import StructureTracker
from engine.analysis.tap import TapTempo
from engine.analysis.texture import TextureMeter
from engine.analysis.timbre import Timbre
from engine.analysis.tonal import TonalEar
from engine.messages import (
    BAND_EDGES_HZ,
    BAND_NAMES,
    AudioFeatures,
    Float32,
    TempoReading,
    Texture,
)

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 192_000
ATTACK_DELAY_S = 0.012
"""How long after an attack the hop that shows it ends, on average."""
QUICK_S, QUICK_RISE = 1024 / 48_000, 0.75
"""Length and lean of the spectrum that shows attacks."""
_EXACT_S = 4096 / 48_000
_LEVEL_S = 0.046
_EXACT_RISE = 0.6
_EXACT_BANDS = 3
"""Sub, low and mid: the skirts of the quick spectrum would fill them with their neighbours."""
_NOVELTY_LOW_HZ, _NOVELTY_HIGH_HZ = 30.0, 16_000.0
_NOVELTY_PER_OCTAVE = 12


class Analyzer:
    """The causal analysis at any sample rate from 8 to 192 kHz.

    The features depend on the samples alone, never on how they were cut into blocks. Owned by one
    thread. `follow` may be called, and `outer_clock` set, between two calls of `push`.
    """

    def __init__(self, sample_rate: int) -> None:
        if not LOWEST_RATE_HZ <= sample_rate <= HIGHEST_RATE_HZ:
            raise ValueError(
                f"{sample_rate} Hz is outside {LOWEST_RATE_HZ}..{HIGHEST_RATE_HZ} Hz: resample"
            )
        self.sample_rate = sample_rate
        self.hop_length = hop_length(sample_rate)
        self.gain_db = 0.0
        self.outer_clock: Callable[[int], TempoReading] | None = None
        """Asked once per hop, with the sample index of its end, for the beat to follow."""
        self.timer: Callable[[], float] | None = None
        """Host time in seconds; where given, `hop_s` and `tracker_s` are measured."""
        self.hop_s = self.tracker_s = 0.0
        """What the newest hop took, and the beat tracker of it."""
        dt_s = self.hop_length / sample_rate
        self._dt_s = dt_s
        self._quick = Spectrum(sample_rate, QUICK_S, QUICK_RISE)
        self._exact = Spectrum(sample_rate, _EXACT_S, _EXACT_RISE)
        self._level_length = round(_LEVEL_S * sample_rate)
        self._tonal = TonalEar(sample_rate, dt_s)
        longest = max(
            self._quick.length, self._exact.length, self._level_length, self._tonal.length
        )
        self._framer = Framer(self.hop_length, longest, levelled=True)
        self._quick_bands = band_weights(self._quick.frequencies_hz, BAND_EDGES_HZ)
        self._exact_bands = band_weights(self._exact.frequencies_hz, BAND_EDGES_HZ[:_EXACT_BANDS])
        self._bank = log_filterbank(
            self._quick.frequencies_hz, _NOVELTY_LOW_HZ, _NOVELTY_HIGH_HZ, _NOVELTY_PER_OCTAVE
        )
        self._gate = Gate()
        self._meter = BandMeter(dt_s)
        self._timbre = Timbre(self._quick.frequencies_hz, dt_s)
        self._onsets = OnsetDetector(self._bank.shape[0], dt_s)
        centres_hz = self._bank @ self._quick.frequencies_hz
        self._split = PercussiveSplit(centres_hz, dt_s)
        self._lanes = LaneDetector(centres_hz, float(self._quick.frequencies_hz[1]), dt_s)
        self._texture = TextureMeter(self._quick.frequencies_hz, dt_s)
        self._stereo = StereoMeter(sample_rate, self.hop_length)
        self._structure = StructureTracker(self._exact.frequencies_hz, dt_s)
        self._beats = BeatListener(self._quick.frequencies_hz, dt_s)
        self._outer_bar = OuterBar()
        self._taps = TapTempo()
        self._newest: AudioFeatures | None = None

    def follow(self, values: Mapping[str, float]) -> None:
        """Take the parameters that concern the analysis: `audio/gain` and `audio/mood`."""
        self.gain_db = values["audio/gain"]
        self._meter.mood = MOODS[round(min(max(values["audio/mood"], 0.0), len(MOODS) - 1.0))]

    def push(self, block: Float32) -> list[AudioFeatures]:
        """Take samples `(n, channels)`, channels <= 2; return the features of each full hop."""
        return list(self.hops(block))

    def hops(self, block: Float32) -> Iterator[AudioFeatures]:
        """The same, one after the other."""
        for index in self._framer.push(block):
            began_s = self._now()
            features = self._hop(index)
            self.hop_s = self._now() - began_s
            yield features

    def skip(self, count: int) -> None:
        """Go on by `count` samples that were lost. What it costs does not grow with a long gap.

        Of them nothing is known: the beat clock runs on, all else is held until the newest hops
        are whole again. `push` gives their features after the gap.
        """
        hops = self._framer.skip(count)
        self._run_on(hops)
        self._meter.hit[:] = 0.0
        self._lanes.hit[:] = 0.0
        self._onsets.strength = 0.0

    def tap(self, sample_index: int) -> None:
        """The performer taps the beat at this sample; from the second tap on this sets the tempo.

        The tempo then stays fixed until `set_tempo(0)`.
        """
        tempo_bpm = self._taps.tap(sample_index / self.sample_rate)
        if tempo_bpm > 0.0:
            self._beats.clock.set_tempo(tempo_bpm)
        self._beats.clock.tap((self._framer.sample_index - sample_index) / self.sample_rate)

    def set_tempo(self, bpm: float) -> None:
        """Fix the tempo; 0 gives it back to the tracker."""
        self._taps.forget()
        self._beats.clock.set_tempo(bpm)

    def nudge(self, beats: float) -> None:
        """Let the beat come earlier by this share of a beat, from now on; later below 0."""
        self._beats.clock.nudge(beats)

    def halve_tempo(self) -> None:
        """Count half as many beats from now on."""
        self._beats.clock.halve()

    def double_tempo(self) -> None:
        """Count twice as many beats from now on."""
        self._beats.clock.double()

    def _now(self) -> float:
        return self.timer() if self.timer is not None else 0.0

    def _hop(self, sample_index: int) -> AudioFeatures:
        reading = self.outer_clock(sample_index) if self.outer_clock is not None else None
        self._beats.clock.follow(reading)
        if self._newest is not None and self._framer.unbroken < self._quick.length:
            self._newest = self._unheard(self._newest, sample_index, reading)
        else:
            self._newest = self._heard(sample_index, reading)
        return self._newest

    def _run_on(self, hops: int) -> None:
        begun, counted = self._beats.skip(hops)
        self._outer_bar.skip(begun, counted=counted)

    def _unheard(
        self, newest: AudioFeatures, sample_index: int, reading: TempoReading | None
    ) -> AudioFeatures:
        """Features of a hop with a gap in it: the beat of now, nothing strikes, all else held."""
        self._run_on(1)
        clock = self._beats.clock
        return replace(
            newest,
            sample_index=sample_index,
            band_hit=self._meter.frozen()[1],
            onset_strength=self._onsets.strength,
            tempo_bpm=clock.tempo_bpm,
            beat_count=clock.count,
            beat_phase=clock.phase,
            bar=self._outer_bar.step(self._beats.bar, reading, clock.phase),
            tempo_source=_leader(reading, by_hand=clock.by_hand),
            beat_tapped=clock.tapped,
            lanes=self._lanes.frozen(),
        )

    def _heard(self, sample_index: int, reading: TempoReading | None) -> AudioFeatures:
        level = level_db(self._framer.newest(self._level_length))
        silent = self._gate.step(level + self.gain_db, self._dt_s)
        gain = np.float32(10.0 ** (self.gain_db / 10.0))
        quick = self._quick.power(self._framer.newest(self._quick.length)) * gain
        exact = self._exact.power(self._framer.newest(self._exact.length)) * gain
        self._step_bands(quick, exact, silent)
        self._timbre.step(quick, silent=silent)
        bands = self._bank @ quick
        self._onsets.step(bands, silent=silent)
        struck = self._split.step(bands, silent=silent)
        split = self._split
        self._lanes.step(bands, struck, split.risen, split.held, silent=silent)
        self._texture.step(quick, silent=silent)
        self._stereo.step(self._framer.stereo, self._framer.peak, silent=silent)
        tonal = self._tonal.step(self._framer.newest(self._tonal.length), silent=silent)
        structure = self._structure.step(
            exact, self._timbre.centroid, level + self.gain_db, self._onsets.count, silent=silent
        )
        began_s = self._now()
        self._beats.step(quick, silent=silent)
        self.tracker_s = self._now() - began_s
        levels, hits, presences = self._meter.frozen()
        clock = self._beats.clock
        return AudioFeatures(
            sample_index=sample_index,
            sample_rate=self.sample_rate,
            level_db=level,
            peak=self._framer.peak,
            silent=silent,
            band_level=levels,
            band_hit=hits,
            band_presence=presences,
            onset_strength=self._onsets.strength,
            onset_count=self._onsets.count,
            centroid=self._timbre.centroid,
            flatness=self._timbre.flatness,
            tempo_bpm=clock.tempo_bpm,
            tempo_confidence=clock.confidence,
            beat_count=clock.count,
            beat_phase=clock.phase,
            tempo_by_hand=clock.by_hand,
            bar=self._outer_bar.step(self._beats.bar, reading, clock.phase),
            tempo_source=_leader(reading, by_hand=clock.by_hand),
            beat_tapped=clock.tapped,
            tonal=tonal,
            structure=structure,
            lanes=self._lanes.frozen(),
            texture=self._frozen_texture(),
        )

    def _frozen_texture(self) -> Texture:
        return Texture(
            mel=self._texture.frozen_mel(),
            loudness_lufs=self._stereo.loudness_lufs,
            rolloff=self._texture.rolloff,
            flux=self._texture.flux,
            crest=self._stereo.crest,
            width=self._stereo.width,
            percussive=self._split.percussive,
        )

    def _step_bands(self, quick: Float32, exact: Float32, silent: bool) -> None:
        hit_power = self._quick_bands @ quick
        low_power = self._exact_bands @ exact
        level_power = hit_power.copy()
        level_power[:_EXACT_BANDS] = low_power
        hit_power[0] = low_power[0]  # one bin of the quick spectrum is wider than the whole band
        whole = BAND_NAMES.index("all")
        level_power[whole] = level_power[:whole].sum()
        self._meter.step(level_power, hit_power, silent=silent)


def _leader(reading: TempoReading | None, *, by_hand: bool) -> str:
    if reading is not None and reading.bpm > 0.0:
        return reading.source
    return "hand" if by_hand else "sound"
