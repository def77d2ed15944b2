"""Songs with a form: verses and choruses that come back, breakdowns that end in a drop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from engine.synthesis.bass import bass_note
from engine.synthesis.drummer import Drummer
from engine.synthesis.drums import make_kit
from engine.synthesis.effects import riser
from engine.synthesis.filters import low_pass
from engine.synthesis.lead import bell_note, lead_note, pluck_note
from engine.synthesis.mix import Bus
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32
from engine.synthesis.pads import electric_piano, pad_chord
from engine.synthesis.pattern import GROOVES, Hit, TempoMap, fill, roll
from engine.synthesis.truth import Section, Truth, merge_onsets

BREAKDOWN = "-"
"""In a form: no kick and no bass, drums that rise in its second half, then a drop."""
BREAKDOWN_LABEL, BUILD_UP_LABEL = "breakdown", "build-up"
MOST_LETTERS = 6
_ATTRIBUTES = 5
_TAIL_S = 0.6
_BEATS = 4
_PHRASE = 4
_PEAK = 0.7
_NOTE_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
# Four chords each, as (root above the tonic, third above the root).
_MINOR = (
    ((0, 3), (8, 4), (3, 4), (10, 4)),
    ((0, 3), (5, 3), (10, 4), (3, 4)),
    ((8, 4), (10, 4), (0, 3), (0, 3)),
    ((5, 3), (0, 3), (7, 3), (0, 3)),
    ((0, 3), (10, 4), (8, 4), (7, 4)),
    ((3, 4), (10, 4), (5, 3), (8, 4)),
)
_MAJOR = (
    ((0, 4), (7, 4), (9, 3), (5, 4)),
    ((0, 4), (5, 4), (0, 4), (7, 4)),
    ((9, 3), (5, 4), (0, 4), (7, 4)),
    ((5, 4), (7, 4), (4, 3), (9, 3)),
    ((0, 4), (9, 3), (2, 3), (7, 4)),
    ((2, 3), (7, 4), (0, 4), (0, 4)),
)
# Bass figures as (beat, held beats, octave up).
_BASSES = (
    ((0.0, 0.9, 0), (1.5, 0.6, 0), (2.5, 0.9, 0)),
    tuple((0.5 * eighth, 0.35, 0) for eighth in range(8)),
    ((0.0, 3.6, 0),),
    tuple((beat + 0.5, 0.4, 0) for beat in range(4)),
    ((0.0, 0.6, 0), (0.75, 0.6, 1), (2.0, 0.6, 0), (3.25, 0.5, 1)),
    ((0.0, 1.8, 0), (2.0, 1.8, 0)),
)
# Who plays: (chords, melody, brightness of the chords in Hz).
_COLOURS = (
    ("pad", "", 900.0),
    ("pad", "lead", 3200.0),
    ("piano", "bell", 6000.0),
    ("pad", "pluck", 1500.0),
    ("", "pluck", 0.0),
    ("piano", "", 6000.0),
)
_ENERGY_DB = (0.0, -5.0, -2.5, -7.0, -1.0, -4.0)


@dataclass(frozen=True, slots=True)
class FormSpec:
    """What to play.

    `form` is a letter per section (at most 6 different ones) and `-` for a breakdown; `bars` is
    the length of a section in bars of four, `breakdown_bars` that of a breakdown. Sections of one
    letter play the same material, humanised by `humanise_ms` and with other fills; `vary_db` is
    how far their loudness may differ. Letters differ in groove, chords, bass figure, players and
    energy, but for `shared` of these five, drawn once per song, that all letters have in common.
    """

    form: str = "ABAB"
    bpm: float = 120.0
    bars: int = 8
    breakdown_bars: int = 8
    humanise_ms: float = 4.0
    vary_db: float = 1.0
    shared: int = 0
    kit_variation: float = 0.5
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """The material of one letter."""

    groove: str
    chords: tuple[tuple[int, int], ...]
    bass: tuple[tuple[float, float, int], ...]
    harmony: str
    melody: str
    bright_hz: float
    energy_db: float
    tune: tuple[tuple[float, int], ...]
    """(beat in the phrase, chord voice) of every melody note."""


def render_form(
    spec: FormSpec | None = None, *, seed: int = 0, **changes: object
) -> tuple[Float32, Truth]:
    """Render a form: `render_form(form="ABACAB", bpm=97, seed=3)`.

    Keyword arguments replace fields of `spec`. Returns samples of shape `(n, 2)`, float32 at
    44.1 kHz, and the exact truth, its sections labelled by the letters; `-` is a `breakdown` and
    a `build-up`. The same arguments give the same samples. ValueError for a form that cannot be
    played.
    """
    wanted = replace(spec or FormSpec(), **changes)  # type: ignore[arg-type]
    return _Song(wanted, seed).render()


def drops_s(truth: Truth) -> tuple[float, ...]:
    """When a build-up ends and the low end returns."""
    return tuple(
        after.start_s
        for before, after in pairwise(truth.sections)
        if before.label == BUILD_UP_LABEL and after.label != BREAKDOWN_LABEL
    )


class _Song:
    def __init__(self, spec: FormSpec, seed: int) -> None:
        letters = list(dict.fromkeys(spec.form.replace(BREAKDOWN, "")))
        if not 1 <= len(letters) <= MOST_LETTERS or not "".join(letters).isalpha():
            raise ValueError(f"{spec.form!r} is no form: 1 to {MOST_LETTERS} letters and '-'")
        self._spec = spec
        self._seed = seed
        rng = np.random.default_rng(seed)
        self._tonic = int(rng.integers(0, 12))
        self._minor = bool(rng.random() < 0.6)
        self._parts = dict(zip(letters, _parts(rng, self._minor, spec.shared), strict=False))
        self._tempo = TempoMap(spec.bpm)
        self._kit = make_kit(rng, spec.kit_variation)
        self._sections = self._places()
        self._end_s = self._sections[-1].end_s
        self._notes: dict[tuple[str, int, float], Float32] = {}
        self._tones: list[float] = []
        self._music = Bus(self._end_s + _TAIL_S)

    def render(self) -> tuple[Float32, Truth]:
        kicks, kit = Bus(self._end_s + _TAIL_S), Bus(self._end_s + _TAIL_S)
        strokes: list[float] = []
        lanes: dict[str, list[float]] = {}
        bar = 0
        for index, letter in enumerate(self._spec.form):
            rng = np.random.default_rng([self._seed, index])
            drummer = Drummer(self._kit, kicks, kit, rng, humanise_ms=self._spec.humanise_ms)
            if letter == BREAKDOWN:
                following = self._spec.form[index + 1 :].lstrip(BREAKDOWN)[:1]
                part = self._parts[following or next(iter(self._parts))]
                bar = self._play_breakdown(part, bar, drummer, rng)
            else:
                bar = self._play_section(self._parts[letter], bar, drummer, rng)
            strokes += drummer.all_times_s()
            for lane, times_s in drummer.lanes().items():
                lanes.setdefault(lane, []).extend(times_s)
        mixed = 0.7 * kicks.samples + 0.7 * kit.samples + self._music.samples
        scale = _PEAK * 10.0 ** (self._spec.gain_db / 20.0) / max(1e-9, float(np.abs(mixed).max()))
        return np.asarray(scale * mixed, np.float32), self._truth(strokes, lanes)

    def _places(self) -> tuple[Section, ...]:
        sections, bar = [], 0
        half = self._spec.breakdown_bars // 2
        for letter in self._spec.form:
            pieces = [(letter, self._spec.bars)]
            if letter == BREAKDOWN:
                rest = self._spec.breakdown_bars - half
                pieces = [(BREAKDOWN_LABEL, half), (BUILD_UP_LABEL, rest)]
            for label, bars in pieces:
                start_s, end_s = self._at_s(bar, 0.0), self._at_s(bar + bars, 0.0)
                sections.append(Section(start_s, end_s, label))
                bar += bars
        return tuple(sections)

    def _play_section(
        self, part: _Part, first: int, drummer: Drummer, rng: np.random.Generator
    ) -> int:
        vary_db = rng.uniform(-self._spec.vary_db, self._spec.vary_db)
        level = 10.0 ** ((part.energy_db + vary_db) / 20.0)
        pads: dict[tuple[int, int], Float32] = {}
        for inside in range(self._spec.bars):
            bar = first + inside
            hits = list(GROOVES[part.groove].hits())
            if inside % _PHRASE == _PHRASE - 1:
                n_beats = int(rng.integers(1, 3))
                hits = [h for h in hits if h.beat < _BEATS - n_beats or h.sound == "kick"]
                hits += fill(rng, n_beats, _BEATS)
            drummer.play(hits, bar * _BEATS, self._tempo, level)
            self._play_bass(part, bar, inside, level, rng)
            self._play_chords(part, bar, inside, level, rng, pads)
            self._play_melody(part, bar, inside, level, rng)
        return first + self._spec.bars

    def _play_breakdown(
        self, part: _Part, first: int, drummer: Drummer, rng: np.random.Generator
    ) -> int:
        bars = self._spec.breakdown_bars
        pads: dict[tuple[int, int], Float32] = {}
        quiet = replace(part, harmony="pad", melody="", bright_hz=700.0)
        for inside in range(bars):
            bar, climb = first + inside, inside / bars
            level = 0.45 * 10.0 ** (climb * 6.0 / 20.0)
            bright = replace(quiet, bright_hz=quiet.bright_hz * 6.0**climb)
            self._play_chords(bright, bar, inside, level, rng, {} if inside >= 4 else pads)
            hits: list[Hit] = []
            if inside >= bars // 2:
                step_beats = 0.25 if inside >= bars - max(1, bars // 4) else 0.5
                hits += roll(_BEATS, step_beats, 0.2 + 0.5 * climb, 0.3 + 0.6 * climb)
                hits += [Hit(beat / 2.0, "hat", 0.3 + 0.5 * climb) for beat in range(8)]
            drummer.play(hits, bar * _BEATS, self._tempo)
        middle_s, end_s = self._at_s(first + bars // 2, 0.0), self._at_s(first + bars, 0.0)
        self._music.place(riser(end_s - middle_s, rng), middle_s, 0.3)
        return first + bars

    def _play_bass(
        self, part: _Part, bar: int, inside: int, level: float, rng: np.random.Generator
    ) -> None:
        root, _ = part.chords[inside % len(part.chords)]
        for beat, held, octave in part.bass:
            note = 33 + (self._tonic + root - 9) % 12 + 12 * octave
            sound = self._note("bass", note, held * 60.0 / self._spec.bpm)
            self._place(sound, bar, beat, 0.3 * level, rng)

    def _play_chords(
        self,
        part: _Part,
        bar: int,
        inside: int,
        level: float,
        rng: np.random.Generator,
        pads: dict[tuple[int, int], Float32],
    ) -> None:
        chord = part.chords[inside % len(part.chords)]
        voices = self._voices(chord)
        if part.harmony == "pad":
            if chord not in pads:
                pads[chord] = self._pad(voices, part.bright_hz, rng)
            self._place(pads[chord], bar, 0.0, 0.2 * level, rng)
        elif part.harmony == "piano":
            for beat in (0.0, 1.5, 2.5):
                for voice in voices:
                    sound = self._note("piano", voice, 60.0 / self._spec.bpm)
                    self._place(sound, bar, beat, 0.16 * level, rng)

    def _play_melody(
        self, part: _Part, bar: int, inside: int, level: float, rng: np.random.Generator
    ) -> None:
        if not part.melody:
            return
        voices = self._voices(part.chords[inside % len(part.chords)])
        first = float(_BEATS * (inside % _PHRASE))
        gain = {"lead": 0.16, "bell": 0.3, "pluck": 0.2}[part.melody]
        for beat, voice in part.tune:
            if first <= beat < first + _BEATS:
                note = voices[voice % 3] + 12 * (1 + voice // 3)
                sound = self._note(part.melody, note, 0.45 * 60.0 / self._spec.bpm)
                self._place(sound, bar, beat - first, gain * level, rng)

    def _note(self, voice: str, note: int, held_s: float) -> Float32:
        key = (voice, note, held_s)
        if key not in self._notes:
            self._notes[key] = {
                "bass": lambda: bass_note(note, held_s),
                "piano": lambda: electric_piano(note, held_s),
                "lead": lambda: lead_note(note, held_s),
                "bell": lambda: bell_note(note),
                "pluck": lambda: pluck_note(note),
            }[voice]()
        return self._notes[key]

    def _pad(self, voices: list[int], bright_hz: float, rng: np.random.Generator) -> Float32:
        bar_s = _BEATS * 60.0 / self._spec.bpm
        pad = pad_chord(voices, bar_s, rng, attack_s=0.12, release_s=0.3)
        for side in range(2):
            pad[:, side] = low_pass(np.ascontiguousarray(pad[:, side]), bright_hz)
        return pad

    def _voices(self, chord: tuple[int, int]) -> list[int]:
        root, third = chord
        return [48 + (self._tonic + root + interval) % 12 for interval in (0, third, 7)]

    def _place(
        self, sound: Float32, bar: int, beat: float, gain: float, rng: np.random.Generator
    ) -> None:
        late_s = float(np.clip(rng.normal(0.0, self._spec.humanise_ms / 1000.0), -0.012, 0.012))
        at_s = max(0.0, self._at_s(bar, beat) + late_s)
        self._music.place(sound, at_s, gain * float(np.clip(rng.normal(1.0, 0.05), 0.85, 1.15)))
        self._tones.append(at_s)

    def _at_s(self, bar: int, beat: float) -> float:
        return self._tempo.time_s(bar * _BEATS + beat)

    def _truth(self, strokes: list[float], lanes: dict[str, list[float]]) -> Truth:
        n_beats = round(self._end_s * self._spec.bpm / 60.0)
        beats_s = tuple(self._tempo.time_s(beat) for beat in range(n_beats))
        return Truth(
            duration_s=len(self._music.samples) / SAMPLE_RATE_HZ,
            tempo_bpm=self._spec.bpm,
            beats_s=beats_s,
            downbeats_s=beats_s[::_BEATS],
            onsets_s=merge_onsets(strokes + self._tones),
            lanes={lane: tuple(sorted(times_s)) for lane, times_s in lanes.items()},
            key=f"{_NOTE_NAMES[self._tonic]} {'minor' if self._minor else 'major'}",
            sections=self._sections,
        )


def _parts(rng: np.random.Generator, minor: bool, shared: int) -> list[_Part]:
    """Six parts of which no two share groove, chords, bass, players or energy unless all do."""
    grooves = [name for name, groove in GROOVES.items() if groove.beats_per_bar == _BEATS]
    order = [rng.permutation(MOST_LETTERS) for _ in range(_ATTRIBUTES)]
    for index in rng.permutation(_ATTRIBUTES)[:shared].tolist():
        order[index][:] = order[index][0]
    chords = _MINOR if minor else _MAJOR
    parts = []
    for index in range(MOST_LETTERS):
        groove, chord, bass, colour, energy = (int(row[index]) for row in order)
        harmony, melody, bright_hz = _COLOURS[colour]
        tune = tuple(
            (0.5 * step, int(rng.integers(0, 6)))
            for step in range(2 * _BEATS * _PHRASE)
            if rng.random() < (0.9 if melody == "pluck" else 0.5)
        )
        parts.append(
            _Part(
                grooves[groove], chords[chord], _BASSES[bass], harmony, melody, bright_hz,
                _ENERGY_DB[energy], tune,
            )
        )  # fmt: skip
    return parts
