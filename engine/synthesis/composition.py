"""The demo piece on paper: form, harmony, melody and drum writing, D minor at 118 BPM.

Positions are sixteenths in a bar of sixteen, notes are MIDI numbers. Nothing here makes sound;
`engine.synthesis.song` performs it.
"""

from __future__ import annotations

from dataclasses import dataclass

TEMPO_BPM = 118.0
KEY = "D minor"
TITLE = "Ember, first light"
_PITCH = {"C": 0, "C#": 1, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "Bb": 10}


@dataclass(frozen=True, slots=True)
class Chord:
    """Bass note and upper voices, voiced so that each voice moves by a step or stays."""

    bass: int
    voices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the form."""

    label: str
    n_bars: int
    chords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """One melody note: first sixteenth, length in sixteenths, MIDI note."""

    step: int
    length: int
    note: int


def read_line(text: str) -> tuple[Note, ...]:
    """One bar of melody: `A4.3` is A4 for three sixteenths, `-.2` a rest of two."""
    notes: list[Note] = []
    step = 0
    for word in text.split():
        name, _, length = word.partition(".")
        if name != "-":
            pitch = _PITCH[name[:-1]] + 12 * (int(name[-1]) + 1)
            notes.append(Note(step, int(length), pitch))
        step += int(length)
    return tuple(notes)


def _melody(*bars: str) -> tuple[tuple[Note, ...], ...]:
    return tuple(read_line(bar) for bar in bars)


CHORDS = {
    "Dm9": Chord(38, (53, 57, 60, 64)),
    "Bbmaj9": Chord(34, (53, 57, 60, 62)),
    "Fmaj9": Chord(41, (55, 57, 60, 64)),
    "Cadd9": Chord(36, (55, 60, 62, 64)),
    "Gm9": Chord(43, (53, 57, 58, 62)),
    "Am7": Chord(33, (55, 57, 60, 64)),
    "A7sus": Chord(33, (55, 57, 62, 64)),
    "A7": Chord(33, (55, 57, 61, 64)),
}

FORM = (
    Part("intro", 4, ("Dm9", "Dm9", "Bbmaj9", "Bbmaj9")),
    Part("verse", 8, ("Dm9", "Bbmaj9", "Gm9", "Am7") * 2),
    Part("build-up", 4, ("Bbmaj9", "Cadd9", "Gm9", "A7sus")),
    Part("drop", 8, ("Dm9", "Bbmaj9", "Fmaj9", "Cadd9") * 2),
    Part("break", 6, ("Bbmaj9", "Cadd9", "Dm9", "Fmaj9", "Gm9", "A7")),
    Part("drop", 8, ("Dm9", "Bbmaj9", "Fmaj9", "Cadd9") * 2),
    Part("outro", 4, ("Dm9", "Bbmaj9", "Gm9", "Dm9")),
)

# The hook: a 3-3-2 figure that climbs to F, answered by a falling line; four bars, then a
# second ending that reaches the high A.
HOOK = _melody(
    "A4.3 D5.3 E5.2 F5.3 E5.3 D5.2",
    "C5.3 D5.3 A4.6 F4.2 G4.2",
    "A4.3 C5.3 D5.2 E5.3 D5.3 C5.2",
    "D5.3 C5.3 G4.6 -.2 G4.2",
    "A4.3 D5.3 E5.2 F5.3 G5.3 F5.2",
    "A5.3 F5.3 D5.6 C5.2 D5.2",
    "C5.3 A4.3 C5.2 F5.3 E5.3 C5.2",
    "D5.6 E5.2 C5.7",
)

# The verse hints at it: the same climb, slower, with air.
VERSE_LINE = _melody(
    "-.4 A4.4 D5.6",
    "-.4 C5.4 A4.4 F4.4",
    "-.4 Bb4.4 D5.6",
    "-.4 C5.4 G4.8",
    "-.4 A4.4 D5.4 E5.4",
    "F5.6 -.2 D5.4 C5.4",
    "-.2 Bb4.6 A4.4 F4.4",
    "-.2 G4.6 A4.8",
)

# The break sings the hook at half speed.
BREAK_LINE = _melody(
    "A4.6 D5.6 F5.4",
    "E5.6 C5.6 G4.4",
    "A4.6 D5.6 E5.4",
    "C5.10 -.2 A4.4",
    "Bb4.6 D5.6 F5.4",
    "E5.6 C#5.8",
)

# Arpeggio: which chord voice sounds on each sixteenth (None rests), 12 added an octave up.
ARPEGGIO = (0, None, 2, 1, None, 3, 2, None, 0, None, 2, 1, 3, None, 2, 1)
ARPEGGIO_FULL = (0, 2, 3, 1, 2, 3, 0, 2, 3, 1, 2, 3, 0, 2, 3, 2)

BassStep = tuple[int, int, int]

# Bass rhythms as (step, length, octave up).
BASS_VERSE: tuple[BassStep, ...] = ((0, 5, 0), (6, 2, 0), (10, 3, 0), (14, 2, 1))
BASS_BUILD: tuple[BassStep, ...] = tuple((step, 2, 0) for step in range(0, 16, 2))
BASS_LONG: tuple[BassStep, ...] = ((0, 14, 0),)
BASS_TIED: tuple[BassStep, ...] = ((0, 15, 0),)
BASS_DROP: tuple[BassStep, ...] = (
    (2, 2, 0),
    (4, 1, 0),
    (6, 2, 0),
    (8, 1, 1),
    (10, 2, 0),
    (12, 1, 0),
    (13, 1, 0),
    (14, 2, 1),
)

DRUMS_INTRO = {"kick": "X...X...X...X...", "hat": "..o-..o-..o-..o-", "shaker": "-.o--.o--.o--.o-"}
DRUMS_VERSE = {
    "kick": "X...X...X...X...",
    "snare": "....x.......x...",
    "hat": "-.x--.x--.x--.xo",
    "clap": "....-.......-...",
    "shaker": "-.-.-.-.-.-.-.-.",
}
DRUMS_BUILD = {"kick": "X...X...X...X...", "hat": "o.o.o.o.o.o.o.o."}
DRUMS_DROP = {
    "kick": "X...X...X...X...",
    "clap": "....X.......X...",
    "snare": "....o..-....o.-.",
    "open_hat": "..x...x...x...x.",
    "hat": "-.-o-.-o-.-o-.oo",
    "shaker": "-o-o-o-o-o-o-o-o",
}
DRUMS_BREAK = {"hat": "..o...o...o...o."}
DRUMS_OUTRO = {"kick": "X...X...X...X...", "hat": "..o-..o-..o-..o-"}

CHORD_STABS = (0, 3, 6, 8, 11, 14)
PIANO_RHYTHM = ((0, 5, 0.8), (6, 3, 0.55), (10, 5, 0.65))


def part_starts() -> tuple[int, ...]:
    """First bar of every part of the form, and the bar after the last."""
    starts = [0]
    for part in FORM:
        starts.append(starts[-1] + part.n_bars)
    return tuple(starts)
