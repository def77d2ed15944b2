"""Strokes heard per minute where there are no drums: pads, melodies, voices, weather."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from engine.analysis.report import analyze
from engine.audio.decode import SoundReader
from engine.bench.area import Result
from engine.messages import LANE_NAMES, Float32
from engine.synthesis.filters import low_pass
from engine.synthesis.lead import bell_note, lead_note, pluck_note
from engine.synthesis.mix import Bus
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.pads import electric_piano, pad_chord
from engine.synthesis.sounds import players, weather
from engine.synthesis.sounds.speech import voice

_SEED = 4000
_TAKES = 4
_LENGTH_S = 20.0
_SILENCE_S = 1.0
_PEAKS_DB = (0.0, -12.0, -24.0, -40.0)
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 3, 7, 10), (0, 4, 7, 11, 14))
_BRIGHT_HZ = (None, 4000.0, 1400.0)
_ESC_FOLDS = ("3", "4")
_ESC_FADE_S = 0.5
"""The clips are cut out of longer ones: a cut is a stroke."""
_ESC_KINDS = ("rain", "sea_waves", "baby_cry")

Play = Callable[[np.random.Generator, float], Float32]


def stray_strokes() -> Result:
    """Strokes per minute and lane in synthesised sound, one entry per kind of sound.

    Each starts after a second of silence, its peak at 0, -12, -24 or -40 dBFS.
    """
    row: Result = {"name": "hearing/lanes/without_drums"}
    for kind, play in _KINDS.items():
        row[kind] = _per_minute(_takes(play))
    return row


def stray_strokes_outdoors(data: Path) -> Result:
    """The same for recordings, folds 3 and 4 of `data/esc10`, faded in over half a second."""
    row: Result = {"name": "hearing/lanes/without_drums/esc10"}
    for kind in _ESC_KINDS:
        row[kind] = _per_minute(_clips(data / "esc10", kind))
    return row


def chords(
    rng: np.random.Generator,
    length_s: float,
    *,
    attack_s: float,
    held_s: float,
    bright_hz: float | None = None,
) -> Float32:
    """Chords of detuned saws one after the other, mono, not louder than 1."""
    bus = Bus(length_s)
    for at_s in np.arange(0.0, length_s - held_s, held_s):
        root = int(rng.integers(45, 58))
        notes = [root + step for step in _CHORDS[int(rng.integers(len(_CHORDS)))]]
        release_s = min(0.5, held_s / 2.0)
        chord = pad_chord(notes, held_s, rng, attack_s=attack_s, release_s=release_s)
        bus.place(chord, float(at_s), 0.5)
    mono: Float32 = bus.samples.mean(axis=1)
    return mono if bright_hz is None else low_pass(mono, bright_hz)


def _pads(rng: np.random.Generator, length_s: float) -> Float32:
    return chords(
        rng,
        length_s,
        attack_s=float(rng.choice((0.02, 0.08, 0.25, 0.6))),
        held_s=float(rng.choice((1.0, 2.0, 4.0))),
        bright_hz=_BRIGHT_HZ[int(rng.integers(len(_BRIGHT_HZ)))],
    )


def _stabs(rng: np.random.Generator, length_s: float) -> Float32:
    bright_hz = _BRIGHT_HZ[int(rng.integers(len(_BRIGHT_HZ)))]
    return chords(rng, length_s, attack_s=0.004, held_s=0.4, bright_hz=bright_hz)


def _melody(note: Callable[[int], Float32], step_s: float) -> Play:
    def play(rng: np.random.Generator, length_s: float) -> Float32:
        bus = Bus(length_s)
        at_s = 0.0
        while at_s < length_s - 1.0:
            bus.place(note(int(rng.integers(52, 76))), at_s, 0.5)
            at_s += step_s * int(rng.integers(1, 3))
        mono: Float32 = bus.samples.mean(axis=1)
        return mono

    return play


_KINDS: Mapping[str, Play] = {
    "pads": _pads,
    "pads_in_a_room": players.pads,
    "stabs": _stabs,
    "lead": _melody(lambda note: lead_note(note, 0.27), 0.3),
    "pluck": _melody(pluck_note, 0.15),
    "bell": _melody(bell_note, 0.3),
    "electric_piano": _melody(lambda note: electric_piano(note, 0.5), 0.25),
    "piano": players.piano,
    "guitar": players.guitar,
    "voice": voice,
    "wind": weather.wind,
    "rain": weather.rain,
    "waves": weather.waves,
}


def _takes(play: Play) -> Iterator[tuple[Float32, int]]:
    for take in range(_TAKES):
        sound = play(np.random.default_rng(_SEED + take), _LENGTH_S)
        peak_db = _PEAKS_DB[take % len(_PEAKS_DB)]
        scale = np.float32(10.0 ** (peak_db / 20.0) / max(1e-9, float(np.abs(sound).max())))
        yield scale * sound, SAMPLE_RATE_HZ


def _clips(folder: Path, kind: str) -> Iterator[tuple[Float32, int]]:
    with (folder / "esc10.csv").open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["category"] == kind]
    for row in rows:
        if row["fold"] not in _ESC_FOLDS:
            continue
        with SoundReader(folder / row["file"]) as reader:
            samples, rate = reader.read_all(), reader.sample_rate
        mono = samples.mean(axis=1)
        fade = round(_ESC_FADE_S * rate)
        mono[:fade] *= np.linspace(0.0, 1.0, fade, dtype=np.float32)
        yield mono, rate


def _per_minute(sounds: Iterator[tuple[Float32, int]]) -> dict[str, float]:
    strokes, minutes = dict.fromkeys(LANE_NAMES, 0), 0.0
    for mono, rate in sounds:
        silence = np.zeros(round(_SILENCE_S * rate), np.float32)
        report, _ = analyze([np.concatenate([silence, mono])], rate)
        minutes += mono.size / rate / 60.0
        for lane in LANE_NAMES:
            strokes[lane] += len(report["lanes"][lane])
    return {lane: round(count / minutes, 1) for lane, count in strokes.items()}
