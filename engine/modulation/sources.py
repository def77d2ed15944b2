"""The modulation sources: what the routes read, made from the newest audio features."""

from __future__ import annotations

import math

from engine.keys import TONICS, fifths, is_minor
from engine.messages import BAND_NAMES, LANE_NAMES, AudioFeatures, Tonal
from engine.modulation.envelopes import Pulse

ONSET_PULSE_MS = 150.0
DROP_PULSE_MS = 2000.0
BEAT_PULSE_FALL = 5.0
"""`beat.pulse` is exp(-phase * this): 0.08 half-way to the next beat."""
LOWEST_PITCH_HZ = 60.0
PITCH_OCTAVES = 4.0
BAR_PULSE_FALL = 2.0
"""Per beat: `bar.pulse` is 0.14 at the second beat."""
_BEAT_SOURCES = (
    "beat.pulse", "beat.phase", "beat.sine", "bar.phase", "bar.pulse", "bar.sine",
)  # fmt: skip
LFO_SLOW_S = 16.0
LFO_FAST_S = 3.0
SOFT_LUFS, LOUD_LUFS = -50.0, -8.0
"""Momentary loudness that is 0 and 1 of `loudness`."""


class SourceBank:
    """Turns features into the values of `engine.params.SOURCES`. Analysis thread only.

    In silence the beat and the build-up fall silent too: what the analysis holds must not move a
    picture that nobody plays for. Who taps in silence plays. Values that are not finite read as 0.
    """

    def __init__(self) -> None:
        self._onset = Pulse(ONSET_PULSE_MS)
        self._drop = Pulse(DROP_PULSE_MS)
        self._time_s = 0.0

    def step(self, features: AudioFeatures, dt_s: float) -> dict[str, float]:
        """Return every source after `dt_s` more seconds, in the ranges of `engine.params`."""
        self._time_s += dt_s
        values = _bands(features)
        values.update(_beat(features))
        values.update(_tonal(features.tonal))
        values.update(_texture(features))
        values["onset.strength"] = _unit(features.onset_strength)
        values["onset.pulse"] = self._onset.step(features.onset_count, dt_s)
        values["tempo.confidence"] = _unit(features.tempo_confidence)
        values["centroid"] = _unit(features.centroid)
        values["flatness"] = _unit(features.flatness)
        values.update(_form(features))
        values["drop.pulse"] = self._drop.step(features.structure.drop_count, dt_s)
        values["silence"] = 1.0 if features.silent else 0.0
        values["lfo.slow"] = math.sin(math.tau * self._time_s / LFO_SLOW_S)
        values["lfo.fast"] = math.sin(math.tau * self._time_s / LFO_FAST_S)
        return values


def _bands(features: AudioFeatures) -> dict[str, float]:
    values: dict[str, float] = {}
    for kind, column in (
        ("level", features.band_level), ("hit", features.band_hit),
        ("presence", features.band_presence),
    ):  # fmt: skip
        for band, value in zip(BAND_NAMES, column.tolist(), strict=True):
            values[f"{band}.{kind}"] = _unit(value)
    return values


def _texture(features: AudioFeatures) -> dict[str, float]:
    texture, hits = features.texture, features.lanes.hit.tolist()
    values = {f"{lane}.hit": _unit(hit) for lane, hit in zip(LANE_NAMES, hits, strict=True)}
    for name in ("rolloff", "flux", "crest", "width", "percussive"):
        values[name] = _unit(getattr(texture, name))
    loudness = (texture.loudness_lufs - SOFT_LUFS) / (LOUD_LUFS - SOFT_LUFS)
    values["loudness"] = 0.0 if features.silent else _unit(loudness)
    return values


def _beat(features: AudioFeatures) -> dict[str, float]:
    heard = features.beat_tapped or not features.silent
    if not heard or not features.tempo_bpm > 0.0:
        return dict.fromkeys(_BEAT_SOURCES, 0.0)
    phase = _unit(features.beat_phase)
    bar = _unit(features.bar.phase)
    return {
        "beat.pulse": math.exp(-phase * BEAT_PULSE_FALL),
        "beat.phase": phase,
        "beat.sine": math.cos(math.tau * phase),
        "bar.phase": bar,
        "bar.pulse": math.exp(-bar * features.bar.beats * BAR_PULSE_FALL),
        "bar.sine": 0.5 + 0.5 * math.cos(math.tau * bar),
    }


def _tonal(tonal: Tonal) -> dict[str, float]:
    known = tonal.key >= 0
    heard = math.isfinite(tonal.pitch_hz) and tonal.pitch_hz > 0.0
    octaves = math.log2(tonal.pitch_hz / LOWEST_PITCH_HZ) if heard else 0.0
    return {
        "pitch": _unit(octaves / PITCH_OCTAVES),
        "pitch.confidence": _unit(tonal.pitch_confidence),
        "key.hue": fifths(tonal.key) / len(TONICS) if known else 0.0,
        "key.minor": 1.0 if known and is_minor(tonal.key) else 0.0,
        "key.confidence": _unit(tonal.key_confidence),
    }


def _form(features: AudioFeatures) -> dict[str, float]:
    heard = 0.0 if features.silent else 1.0
    return {
        "section.novelty": heard * _unit(features.structure.novelty),
        "build": heard * _unit(features.structure.build),
    }


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
