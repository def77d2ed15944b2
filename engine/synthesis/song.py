"""Performs the demo piece: one function per voice, one mix, and the exact truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.synthesis import composition as score
from engine.synthesis.bass import bass_note
from engine.synthesis.drummer import Drummer
from engine.synthesis.drums import make_kit
from engine.synthesis.effects import fall, impact, reversed_crash, riser
from engine.synthesis.filters import sweep
from engine.synthesis.lead import bell_note, lead_note, pluck_note
from engine.synthesis.mix import Bus, ducking, master
from engine.synthesis.oscillator import Float32, Float64
from engine.synthesis.pads import chorus, electric_piano, pad_chord, tremolo_pan
from engine.synthesis.pattern import Groove, Hit, TempoMap, fill, roll
from engine.synthesis.space import ping_pong, reverb
from engine.synthesis.truth import Section, Truth, merge_onsets

_LEAD_IN_S = 0.2
_TAIL_S = 3.0
_BEATS_PER_BAR = 4
# The quiet parts leave room for the chorus.
_DRUM_LEVEL = {"intro": 0.72, "verse": 0.85, "break": 0.9, "outro": 0.8}
_BUSES = ("kick", "kit", "bass", "pad", "stab", "piano", "arp", "lead", "bell", "fx")


@dataclass(frozen=True, slots=True)
class _Bar:
    """One bar in its place."""

    index: int
    part: score.Part
    part_number: int
    inside: int

    @property
    def label(self) -> str:
        return self.part.label

    @property
    def chord(self) -> score.Chord:
        return score.CHORDS[self.part.chords[self.inside]]

    @property
    def last(self) -> bool:
        return self.inside == self.part.n_bars - 1

    @property
    def again(self) -> bool:
        """True in the second chorus."""
        return self.label == "drop" and self.part_number > 3


class _Performance:
    """State of one rendering: tempo, buses, generator, and the attacks played so far."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.tempo = TempoMap(score.TEMPO_BPM, start_s=_LEAD_IN_S)
        self.n_bars = score.part_starts()[-1]
        self.end_s = self.tempo.time_s(self.n_bars * _BEATS_PER_BAR)
        self.duration_s = self.end_s + _TAIL_S
        self.buses = {name: Bus(self.duration_s) for name in _BUSES}
        self.drummer = Drummer(make_kit(rng), self.buses["kick"], self.buses["kit"], rng)
        self.attacks_s: list[float] = []

    def bars(self) -> Iterator[_Bar]:
        for number, (start, part) in enumerate(zip(score.part_starts(), score.FORM, strict=False)):
            for inside in range(part.n_bars):
                yield _Bar(start + inside, part, number, inside)

    def at(self, bar: int, step: float = 0.0) -> float:
        """Seconds of a sixteenth in a bar."""
        return self.tempo.time_s(bar * _BEATS_PER_BAR + step / 4.0)

    def length_s(self, steps: float) -> float:
        return steps * 15.0 / score.TEMPO_BPM

    def play(self, bus: str, sound: Float32, at_s: float, gain: float, pan: float = 0.0) -> None:
        """Place a note that counts as an onset, with a little human unevenness."""
        shade = float(np.clip(self.rng.normal(1.0, 0.05), 0.88, 1.12))
        self.buses[bus].place(sound, at_s, gain * shade, pan)
        self.attacks_s.append(at_s)

    def curve(self, points: list[tuple[float, float]]) -> Float64:
        """Cutoff automation in Hz through (bar, Hz) points, straight in log frequency."""
        count = len(self.buses["pad"].samples)
        at_s = np.arange(count) / 44_100.0
        knots_s = [self.at(0) + bar * self.length_s(16.0) for bar, _ in points]
        return np.asarray(np.exp(np.interp(at_s, knots_s, [np.log(hz) for _, hz in points])))


def render_song(rng: np.random.Generator) -> tuple[Float32, Truth]:
    """Render the demo piece.

    Returns
    -------
    Samples of shape `(n, 2)` at 44.1 kHz, float32, about -14 LUFS under -1.6 dBFS, and the truth:
    every attack that was placed, to the sample. The same generator state gives the same samples.
    """
    stage = _perform(rng)
    return master(_mix(stage)), _truth(stage)


def song_truth(rng: np.random.Generator) -> Truth:
    """The truth that `render_song` returns for the same generator state, without mixing."""
    return _truth(_perform(rng))


def _perform(rng: np.random.Generator) -> _Performance:
    stage = _Performance(rng)
    _play_drums(stage)
    _play_bass(stage)
    _play_pads(stage)
    _play_piano(stage)
    _play_arpeggio(stage)
    _play_lead(stage)
    _play_effects(stage)
    return stage


def _play_drums(stage: _Performance) -> None:
    lanes = {
        "intro": score.DRUMS_INTRO,
        "verse": score.DRUMS_VERSE,
        "build-up": score.DRUMS_BUILD,
        "drop": score.DRUMS_DROP,
        "break": score.DRUMS_BREAK,
        "outro": score.DRUMS_OUTRO,
    }
    for bar in stage.bars():
        first = bar.index * _BEATS_PER_BAR
        hits = [h for h in Groove(bar.label, lanes[bar.label]).hits() if _sounds(bar, h)]
        hits += _extra_hits(bar, stage.rng)
        stage.drummer.play(hits, first, stage.tempo, _DRUM_LEVEL.get(bar.label, 1.0))
    for start, part in zip(score.part_starts(), score.FORM, strict=False):
        if part.label in ("verse", "drop", "outro"):
            stage.drummer.strike("crash", stage.at(start), 0.9 if part.label == "drop" else 0.5)


def _sounds(bar: _Bar, hit: Hit) -> bool:
    """Which strokes of the written groove are left out, bar by bar."""
    if bar.label == "intro":
        return hit.sound == "kick" or bar.inside >= (1 if hit.sound == "hat" else 2)
    if bar.label == "verse":
        fill_here = bar.last and hit.beat >= 3.0
        early = bar.inside < 4 and hit.sound in ("shaker", "clap")
        return not early and not (fill_here and hit.sound in ("snare", "kick"))
    if bar.label == "build-up":
        return not (bar.last and hit.beat >= 3.0)
    if bar.label == "drop":
        fill_here = bar.last and hit.beat >= 2.0
        return not (fill_here and hit.sound in ("clap", "snare"))
    if bar.label == "break":
        return bar.inside >= 1 and not (bar.last and hit.beat >= 3.0)
    return not (bar.inside >= 2 and hit.sound == "hat") and not (bar.last and hit.beat > 0.0)


def _extra_hits(bar: _Bar, rng: np.random.Generator) -> list[Hit]:
    """Fills and rolls."""
    if bar.last and bar.label in ("verse", "drop"):
        return fill(rng, n_beats=1 if bar.label == "verse" else 2)
    if bar.label == "build-up":
        start = 0.25 + 0.18 * bar.inside
        step_beats = (1.0, 0.5, 0.5, 0.25)[bar.inside]
        return roll(3.0 if bar.last else 4.0, step_beats, start, start + 0.18)
    if bar.label == "break" and bar.inside >= 4:
        start = 0.3 + 0.25 * (bar.inside - 4)
        kicks = [Hit(beat, "kick", 0.6) for beat in (0.0, 1.0, 2.0)]
        rolled = roll(3.0 if bar.last else 4.0, 0.25 if bar.last else 0.5, start, start + 0.25)
        return kicks + rolled
    return []


def _play_bass(stage: _Performance) -> None:
    for bar in stage.bars():
        bright_hz = 700.0
        if bar.label == "verse":
            line = score.BASS_VERSE
        elif bar.label == "build-up" and bar.inside >= 2:
            line, bright_hz = score.BASS_BUILD, 500.0 + 500.0 * (bar.inside - 1)
        elif bar.label == "drop":
            line, bright_hz = score.BASS_DROP, 1700.0 if bar.again else 1400.0
        elif bar.label in ("outro", "build-up"):
            line = score.BASS_LONG
        elif bar.label == "break" and bar.inside >= 2:
            line, bright_hz = score.BASS_TIED, 420.0
        else:
            continue
        for step, length, octave in line:
            if bar.label == "build-up" and bar.last and step >= 12:
                continue
            held_s = stage.length_s(length) * 0.86
            sound = bass_note(bar.chord.bass + 12 * octave, held_s, bright_hz=bright_hz)
            stage.play("bass", sound, stage.at(bar.index, step), 0.34)


def _play_pads(stage: _Performance) -> None:
    for bar in stage.bars():
        at_s, voices = stage.at(bar.index), bar.chord.voices
        ringing = bar.label == "outro" and bar.last
        held_s = stage.length_s(20.0 if ringing else 16.0)
        if bar.inside % 2 and bar.part.chords[bar.inside - 1] == bar.part.chords[bar.inside]:
            continue
        if bar.part.chords[bar.inside : bar.inside + 2] == (bar.part.chords[bar.inside],) * 2:
            held_s *= 2.0
        quiet_end = bar.label in ("build-up", "break") and bar.last
        held_s = stage.length_s(12.0) if quiet_end else held_s
        release_s = 2.0 if ringing else 0.15 if quiet_end else 0.6
        attack_s = 0.6 if bar.label in ("intro", "break") else 0.08
        sound = pad_chord(voices, held_s, stage.rng, attack_s=attack_s, release_s=release_s)
        stage.buses["pad"].place(sound, at_s, 0.34)
        if bar.label == "drop":
            _play_stabs(stage, bar)


def _play_stabs(stage: _Performance, bar: _Bar) -> None:
    for step in score.CHORD_STABS:
        length_s = stage.length_s(2.0) * 0.9
        # Below the hook, which lives above A4, so that both are heard.
        wide = list(bar.chord.voices) + [note + 12 for note in bar.chord.voices[:2]]
        sound = pad_chord(
            wide, length_s, stage.rng, attack_s=0.004, release_s=0.09, detune_cents=14.0
        )
        accent = 1.0 if step in (0, 6, 8) else 0.8
        stage.play("stab", sound, stage.at(bar.index, step), 0.27 * accent)


def _play_piano(stage: _Performance) -> None:
    for bar in stage.bars():
        if bar.label not in ("verse", "break", "outro"):
            continue
        for step, length, velocity in score.PIANO_RHYTHM:
            if (bar.last and step > 6) or (bar.label == "outro" and bar.last and step):
                continue
            for index, note in enumerate(bar.chord.voices):
                strum_s = 0.006 * index
                sound = electric_piano(note, stage.length_s(length), velocity)
                at_s = stage.at(bar.index, step) + strum_s
                stage.play("piano", tremolo_pan(sound), at_s, 0.15)


def _play_arpeggio(stage: _Performance) -> None:
    n_opening = score.part_starts()[3]
    for bar in stage.bars():
        full = bar.label == "build-up" or bar.again
        steps = score.ARPEGGIO_FULL if full else score.ARPEGGIO
        if bar.label == "break" and bar.inside < 2:
            continue
        for step, voice in enumerate(steps):
            if voice is None or (bar.label == "build-up" and bar.last and step >= 12):
                continue
            if bar.label == "outro" and bar.last and step >= 8:
                continue
            opened = min(1.0, (bar.index + step / 16.0) / n_opening)
            bright_hz = 1900.0 * 2.4**opened if bar.index < n_opening else 3000.0
            note = bar.chord.voices[voice] + (24 if bar.again and step % 4 == 3 else 12)
            level = (0.21 if step % 4 == 0 else 0.16) * (0.62 if bar.label == "drop" else 1.0)
            sound = pluck_note(note, bright_hz=bright_hz)
            pan = 0.6 * (1 if step % 2 else -1)
            stage.play("arp", sound, stage.at(bar.index, step), level, pan)


def _play_lead(stage: _Performance) -> None:
    for bar in stage.bars():
        if bar.label == "drop":
            _sing(stage, bar, score.HOOK[bar.inside], 0.235)
        elif bar.label == "verse":
            for note in score.VERSE_LINE[bar.inside]:
                at_s = stage.at(bar.index, note.step)
                stage.play("bell", bell_note(note.note, 0.75), at_s, 0.25, -0.15)
        elif bar.label == "break":
            for note in score.BREAK_LINE[bar.inside]:
                at_s = stage.at(bar.index, note.step)
                stage.play("bell", bell_note(note.note, 0.8), at_s, 0.27, 0.15)
            if bar.inside >= 2:
                _sing(stage, bar, score.BREAK_LINE[bar.inside], 0.075)


def _sing(stage: _Performance, bar: _Bar, notes: tuple[score.Note, ...], level: float) -> None:
    before: float | None = None
    for note in notes:
        held_s = stage.length_s(note.length) * 0.92
        at_s = stage.at(bar.index, note.step)
        joined = before if before is not None and abs(before - note.note) <= 5 else None
        stage.play("lead", lead_note(note.note, held_s, from_note=joined), at_s, level)
        if bar.again:
            octave = lead_note(note.note + 12, held_s)
            stage.buses["lead"].place(octave, at_s, 0.3 * level, 0.2)
            stage.buses["lead"].place(lead_note(note.note - 12, held_s), at_s, 0.35 * level, -0.2)
        before = note.note


def _play_effects(stage: _Performance) -> None:
    starts, fx = score.part_starts(), stage.buses["fx"]
    bar_s = stage.length_s(16.0)
    for number, start in enumerate(starts[:-1]):
        label, at_s = score.FORM[number].label, stage.at(start)
        if label == "drop":
            length_s = bar_s * (3.75 if number == 3 else 1.75)
            gap_s = stage.length_s(2.0)
            fx.place(riser(length_s, stage.rng), at_s - length_s - gap_s, 0.55)
            fx.place(impact(stage.rng), at_s, 0.5)
        if label in ("verse", "drop", "outro"):
            sound = reversed_crash(bar_s * 0.5, stage.rng)
            fx.place(sound, at_s - len(sound) / 44_100.0, 0.12)
        if label in ("break", "outro"):
            fx.place(fall(bar_s * 1.5, stage.rng), at_s, 0.6)


def _mix(stage: _Performance) -> Float32:
    tracks = {name: bus.samples for name, bus in stage.buses.items()}
    n_total = len(tracks["kick"])
    kicks_s = stage.drummer.lanes()["kick"]
    pump = ducking(n_total, kicks_s, depth=0.72)[:, None]
    soft_pump = ducking(n_total, kicks_s, depth=0.4, recover_s=0.2)[:, None]
    bass_pump = ducking(n_total, kicks_s, depth=0.85, recover_s=0.15)[:, None]
    pads = chorus(sweep(tracks["pad"], stage.curve(_PAD_FILTER_HZ), peak=0.35)) * pump
    stabs = sweep(tracks["stab"], stage.curve(_STAB_FILTER_HZ), order=3, peak=0.25) * pump
    pads = sweep(pads, np.full(n_total, 190.0), high=True, order=2)
    echo_s = stage.length_s(3.0)
    sent = tracks["arp"] + 0.55 * tracks["lead"] + 0.5 * tracks["bell"]
    echoes = ping_pong(sent, echo_s, feedback=0.45)
    music = pads + stabs + tracks["piano"] + (tracks["arp"] + tracks["lead"]) * soft_pump
    music = music + tracks["bell"] + 0.42 * echoes * soft_pump
    send = 0.30 * pads + 0.45 * stabs + 0.6 * tracks["lead"] + 0.55 * tracks["arp"]
    send = send + 0.8 * tracks["bell"] + 0.5 * tracks["piano"] + 0.22 * tracks["kit"]
    send = send + 0.35 * tracks["fx"] + 0.3 * echoes
    room = reverb(send, stage.rng, decay_s=2.1) * soft_pump
    bottom = np.float32(0.54) * tracks["kick"] + np.float32(0.85) * tracks["bass"] * bass_pump
    mixed = bottom + 0.62 * tracks["kit"] + music + tracks["fx"] + 0.42 * room
    return np.asarray(mixed, dtype=np.float32)


# Filter automation as (bar, Hz).
_PAD_FILTER_HZ = [
    (0.0, 500.0),
    (4.0, 1600.0),
    (8.0, 1900.0),
    (12.0, 2200.0),
    (15.7, 6500.0),
    (16.0, 3400.0),
    (24.0, 3800.0),
    (24.1, 1000.0),
    (28.0, 2200.0),
    (29.8, 6500.0),
    (30.0, 3800.0),
    (38.0, 4200.0),
    (38.1, 2200.0),
    (42.0, 600.0),
    (44.0, 400.0),
]
_STAB_FILTER_HZ = [
    (16.0, 3000.0),
    (20.0, 5000.0),
    (24.0, 7000.0),
    (30.0, 4500.0),
    (34.0, 7000.0),
    (38.0, 9000.0),
]


def _truth(stage: _Performance) -> Truth:
    n_beats = stage.n_bars * _BEATS_PER_BAR
    beats_s = tuple(stage.tempo.time_s(beat) for beat in range(n_beats))
    bounds = [stage.at(bar) for bar in score.part_starts()]
    bounds[0], bounds[-1] = 0.0, stage.duration_s
    sections = tuple(
        Section(bounds[i], bounds[i + 1], part.label) for i, part in enumerate(score.FORM)
    )
    return Truth(
        duration_s=len(stage.buses["kick"].samples) / 44_100.0,
        tempo_bpm=score.TEMPO_BPM,
        beats_s=beats_s,
        downbeats_s=beats_s[::_BEATS_PER_BAR],
        onsets_s=merge_onsets(stage.attacks_s + stage.drummer.all_times_s()),
        lanes=stage.drummer.lanes(),
        key=score.KEY,
        sections=sections,
    )
