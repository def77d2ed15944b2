"""Chord progressions in every key and several timbres, to tell a tonic from its relative."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from engine.keys import KEY_NAMES, TONICS
from engine.messages import Float32
from engine.synthesis.bass import bass_note
from engine.synthesis.envelope import seconds
from engine.synthesis.lead import lead_note, pluck_note
from engine.synthesis.loop import render_loop
from engine.synthesis.mix import Bus
from engine.synthesis.oscillator import midi_hz
from engine.synthesis.pads import pad_chord

_MAJOR, _MINOR = (0, 4, 7), (0, 3, 7)
Chords = tuple[tuple[int, tuple[int, int, int]], ...]
"""Roots above the tonic, and what stands above each root, in semitones."""

PROGRESSIONS: Mapping[str, tuple[bool, Chords]] = {
    "I-vi-IV-V": (False, ((0, _MAJOR), (9, _MINOR), (5, _MAJOR), (7, _MAJOR))),
    "I-V-vi-IV": (False, ((0, _MAJOR), (7, _MAJOR), (9, _MINOR), (5, _MAJOR))),
    "I-IV-V-I": (False, ((0, _MAJOR), (5, _MAJOR), (7, _MAJOR), (0, _MAJOR))),
    "I-IV-I-V": (False, ((0, _MAJOR), (5, _MAJOR), (0, _MAJOR), (7, _MAJOR))),
    "I-ii-V-I": (False, ((0, _MAJOR), (2, _MINOR), (7, _MAJOR), (0, _MAJOR))),
    "I-iii-IV-V": (False, ((0, _MAJOR), (4, _MINOR), (5, _MAJOR), (7, _MAJOR))),
    "ii-V-I-I": (False, ((2, _MINOR), (7, _MAJOR), (0, _MAJOR), (0, _MAJOR))),
    "i-VI-III-VII": (True, ((0, _MINOR), (8, _MAJOR), (3, _MAJOR), (10, _MAJOR))),
    "i-iv-v-i": (True, ((0, _MINOR), (5, _MINOR), (7, _MINOR), (0, _MINOR))),
    "i-iv-V-i": (True, ((0, _MINOR), (5, _MINOR), (7, _MAJOR), (0, _MINOR))),
    "i-VII-VI-VII": (True, ((0, _MINOR), (10, _MAJOR), (8, _MAJOR), (10, _MAJOR))),
    "i-VII-VI-V": (True, ((0, _MINOR), (10, _MAJOR), (8, _MAJOR), (7, _MAJOR))),
    "i-VI-iv-V": (True, ((0, _MINOR), (8, _MAJOR), (5, _MINOR), (7, _MAJOR))),
    "i-iv-VII-III": (True, ((0, _MINOR), (5, _MINOR), (10, _MAJOR), (3, _MAJOR))),
}
"""Name -> whether it is minor, and its chords, one bar each."""
TIMBRES = ("pad", "organ", "saw", "pluck", "no bass")
_LEAST_S = 16.0
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))


@dataclass(frozen=True, slots=True)
class Progression:
    """What to play: `name` from `PROGRESSIONS`, `timbre` from `TIMBRES`, `tonic` 0..11 from C."""

    name: str
    tonic: int
    timbre: str
    bpm: float = 100.0
    melody: bool = False
    drums: bool = False

    @property
    def key(self) -> str:
        """Its true key, as `KEY_NAMES` has it."""
        return KEY_NAMES[self.tonic + len(TONICS) * PROGRESSIONS[self.name][0]]


def progressions(seed: int) -> list[Progression]:
    """Every progression on every tonic; timbre, tempo, melody and drums drawn from `seed`."""
    rng = np.random.default_rng(seed)
    return [
        Progression(
            name, tonic, str(rng.choice(TIMBRES)), float(rng.uniform(60.0, 140.0)),
            melody=bool(rng.random() < 0.5), drums=bool(rng.random() < 0.4),
        )
        for name in PROGRESSIONS
        for tonic in range(len(TONICS))
    ]  # fmt: skip


def render_progression(wanted: Progression, rng: np.random.Generator) -> Float32:
    """Whole rounds of the four chords, at least 16 s: `(n, 2)` at 44.1 kHz, peak 0.6."""
    minor, chords = PROGRESSIONS[wanted.name]
    beat_s = 60.0 / wanted.bpm
    bars = len(chords) * max(1, round(_LEAST_S / (4.0 * beat_s * len(chords))))
    bus = Bus(4.0 * beat_s * bars + 0.6)
    for bar in range(bars):
        root, above = chords[bar % len(chords)]
        voices = [48 + (wanted.tonic + root + note) % 12 for note in above]
        start_s = 4.0 * beat_s * bar
        _play_chord(bus, wanted.timbre, voices, start_s, beat_s, rng)
        if wanted.timbre != "no bass":
            for beat in (0.0, 1.5, 2.5):
                low = bass_note(33 + (wanted.tonic + root + 3) % 12, 0.6 * beat_s)
                bus.place(low, start_s + beat * beat_s, 0.3)
        for beat in range(4 if wanted.melody else 0):
            scale = [48 + (wanted.tonic + step) % 12 for step in _SCALES[minor]]
            note = int(rng.choice(voices if rng.random() < 0.7 else scale))
            bus.place(lead_note(note + 24, 0.8 * beat_s), start_s + beat * beat_s, 0.12)
    mixed = bus.samples
    if wanted.drums:
        mixed = _with_drums(mixed, wanted.bpm, bars, rng)
    return np.asarray(0.6 * mixed / np.abs(mixed).max(), np.float32)


def _play_chord(
    bus: Bus, timbre: str, voices: list[int], start_s: float, beat_s: float,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    bar_s = 4.0 * beat_s
    if timbre == "pad":
        bus.place(pad_chord(voices, bar_s, rng, attack_s=0.12, release_s=0.3), start_s, 0.2)
    elif timbre == "pluck":
        for eighth in range(8):
            for voice in voices[eighth % 2 :: 2]:
                bus.place(pluck_note(voice + 12), start_s + 0.5 * eighth * beat_s, 0.2)
    else:
        partials = 15 if timbre == "saw" else 4
        bus.place(_organ(voices, bar_s, partials), start_s, 0.08)


def _organ(voices: list[int], held_s: float, partials: int) -> Float32:
    """Additive notes whose partials fall with their number."""
    at_s = seconds(round(44_100 * held_s)).astype(np.float64)
    sound = np.zeros(at_s.shape[0])
    for voice in voices:
        for partial in range(1, partials + 1):
            sound += np.sin(2.0 * np.pi * partial * midi_hz(voice) * at_s) / partial
    edges = np.clip(np.minimum(at_s / 0.02, (held_s - at_s) / 0.05), 0.0, 1.0)
    return np.asarray(sound * edges, np.float32)


def _with_drums(music: Float32, bpm: float, bars: int, rng: np.random.Generator) -> Float32:
    """Drums 3 dB below the music."""
    drums, _ = render_loop(
        seed=int(rng.integers(1000)), bpm=bpm, bars=bars, bass=False, pads=False
    )
    size = min(drums.shape[0], music.shape[0])
    gain = 0.7 * float(np.sqrt(np.mean(music**2)) / np.sqrt(np.mean(drums**2)))
    mixed = music.copy()
    mixed[:size] += np.float32(gain) * drums[:size]
    return mixed
