"""Pieces to learn the beat from, made of the bands of their sounds; and grooves nobody wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.analysis.pulse_bands import PULSE_BANDS
from engine.messages import Float32
from engine.synthesis.drummer import LANE_OF_SOUND
from engine.synthesis.pattern import GROOVES, STEPS_PER_BEAT, Groove, Hit, TempoMap, fill
from engine.training.beat.spectra import DT_S, HOP, PLACES, RATE_HZ, Sound, SoundBank

# How likely a kick, and a ghost of the snare, is on each sixteenth of a bar of four, per cent.
_KICK = (95, 3, 10, 8, 30, 4, 22, 14, 45, 8, 34, 8, 25, 4, 16, 10)
_GHOST = (1, 6, 3, 12, 0, 8, 6, 14, 2, 12, 6, 10, 0, 8, 8, 14)
_SLOWEST_BPM, _FASTEST_BPM = 57.0, 205.0
_LEVEL = {"kick": 1.0, "snare": 0.66, "clap": 0.62, "hat": 0.36, "open_hat": 0.34,
          "shaker": 0.27, "tom_low": 0.6, "tom_high": 0.55, "crash": 0.42}  # fmt: skip
_BASS_RHYTHMS = ((0.0, 1.5, 2.5), (0.0,), (0.0, 1.0, 2.0, 3.0), (0.5, 1.5, 2.5, 3.5),
                 (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5), (0.0, 0.75, 1.5, 2.0, 2.75, 3.5),
                 (0.0, 2.5))  # fmt: skip
_HATS = ("hat", "open_hat", "shaker")
_RESTS = (_HATS, _HATS, ("open_hat",), ("clap", "snare", *_HATS), ("tom_low", "tom_high"), ())
"""What goes on in a break; the bass only where no drum does."""


@dataclass(slots=True)
class Piece:
    """Power `(hops, 20)` and truth in seconds."""

    power: Float32
    beats_s: Sequence[float]
    downbeats_s: Sequence[float]


def random_groove(rng: np.random.Generator) -> Groove:
    """Return one bar: kicks that like strong beats, a back beat, hats in some regular step."""
    drawn = rng.random()
    if drawn < 0.16:
        return _off_beat_groove(rng)
    if drawn < 0.34:
        return _broken_groove(rng)
    per_bar = 3 if rng.random() < 0.17 else 4
    steps = per_bar * STEPS_PER_BEAT
    kick = _drawn(rng, np.array(_KICK[:steps]) / 100.0 * rng.uniform(0.7, 1.3), "Xxo")
    if rng.random() < 0.25:  # four to the floor
        kick = "".join("X" if step % 4 == 0 else "." for step in range(steps))
    back = {3: ([4, 8], [8], [4]), 4: ([4, 12], [4, 12], [4, 12], [8], [12], [4, 10])}[per_bar]
    snare = ["."] * steps
    if rng.random() < 0.9:
        for step in back[int(rng.integers(len(back)))]:
            snare[step] = "X"
    for ghost in np.flatnonzero(rng.random(steps) < np.array(_GHOST[:steps]) / 100.0):
        if snare[ghost] == ".":
            snare[ghost] = str(rng.choice(list("-o")))
    lanes = {"kick": kick, "snare" if rng.random() < 0.7 else "clap": "".join(snare)}
    lanes.update(_hats(rng, steps))
    if rng.random() < 0.3:  # a rhythm of its own, loud or soft
        lanes["tom_high"] = _drawn(rng, np.full(steps, rng.uniform(0.1, 0.5)), "Xxo-")
    return Groove("drawn", lanes, per_bar)


def _off_beat_groove(rng: np.random.Generator) -> Groove:
    """Return four to the floor with hats, stabs or toms between the beats, maybe there alone."""
    lanes = {"kick": "X...X...X...X..."}
    lanes[str(rng.choice(["hat", "open_hat", "shaker", "clap", "tom_high"]))] = 4 * "..x."
    if rng.random() < 0.6:
        lanes["snare"] = str(rng.choice(["....X.......X...", "....x.......x..."]))
    if rng.random() < 0.3:
        lanes["shaker"] = 4 * str(rng.choice(["..x-", "o-x-", ".-x-", "-.x."]))
    return Groove("off-beat", lanes)


def _broken_groove(rng: np.random.Generator) -> Groove:
    """Return a break: kicks and snares pushed off their beats, ghosts, hats with holes."""
    kick = list(_drawn(rng, np.array(_KICK) / 100.0 * rng.uniform(0.6, 1.5), "XXxo"))
    snare = ["."] * 16
    for step in (4, 12):
        moved = step + int(rng.choice([0, 0, 0, -1, -2, 2, 3]))
        snare[moved] = "X"
    for step in (0, 8):  # a kick comes early or late, and its beat stays empty
        if rng.random() < 0.35:
            kick[step], kick[(step + int(rng.choice([-2, -1, 2, 3]))) % 16] = ".", "X"
    ghosts = np.array(_GHOST) / 100.0 * rng.uniform(0.5, 4.0)
    for ghost in np.flatnonzero(rng.random(16) < ghosts):
        if snare[ghost] == ".":
            snare[ghost] = str(rng.choice(list("--ox")))
    lanes = {"kick": "".join(kick), "snare": "".join(snare)}
    hats = _drawn(rng, np.full(16, rng.uniform(0.2, 0.95)), "xo-")
    every = int(rng.choice([1, 2]))
    lanes["hat"] = "".join(hat if step % every == 0 else "." for step, hat in enumerate(hats))
    if rng.random() < 0.4:
        lanes[str(rng.choice(["tom_low", "tom_high", "clap", "shaker"]))] = _drawn(
            rng, np.full(16, rng.uniform(0.1, 0.4)), "Xxo-"
        )
    return Groove("broken", lanes)


def _varied(rng: np.random.Generator, groove: Groove) -> Groove:
    """The same bar with a few strokes moved, left out or added."""
    lanes = {}
    for sound, row in groove.lanes.items():
        letters = list(row)
        for step in np.flatnonzero(rng.random(len(letters)) < 0.12):
            letters[step] = str(rng.choice(list("..xo-")))
        lanes[sound] = "".join(letters)
    return replace(groove, lanes=lanes)


def _any_groove(rng: np.random.Generator) -> Groove:
    drawn = rng.random()
    if drawn < 0.65:
        return random_groove(rng)
    if drawn < 0.9:
        return GROOVES[str(rng.choice(list(GROOVES)))]
    sound = str(rng.choice(["kick", "snare", "hat", "clap", "tom_low"]))  # a metronome
    lanes = {sound: "x...x...x...x..."}
    if rng.random() < 0.5:
        lanes[str(rng.choice(["kick", "shaker", "hat"]))] = "X..............."
    return Groove("metronome", lanes)


def _tempo(rng: np.random.Generator, groove: Groove) -> float:
    """Mostly one that the groove is at home at: nothing else tells 85 from 170 BPM."""
    if groove.name in GROOVES and rng.random() < 0.8:
        low, high = groove.home_bpm
        return float(np.exp(rng.uniform(np.log(low / 1.03), np.log(high * 1.03))))
    middle, octaves = (124.0, 0.2) if groove.name == "off-beat" else (118.0, 0.3)
    return float(np.clip(np.exp(rng.normal(np.log(middle), octaves)), _SLOWEST_BPM, _FASTEST_BPM))


def random_piece(rng: np.random.Generator, bank: SoundBank, seconds: float) -> Piece:
    """Return `seconds` of a piece, cut in anywhere."""
    groove = _any_groove(rng)
    bpm = _tempo(rng, groove)
    answer = _varied(rng, groove) if rng.random() < 0.5 else groove
    every = int(rng.choice([2, 4]))
    per_bar = groove.beats_per_bar
    swings = rng.random() < 0.35
    tempo = TempoMap(
        bpm, swing=float(rng.uniform(0.53, 0.68)) if swings else 0.5,
        swing_unit=float(rng.choice([0.25, 0.5])),
        drift=float(rng.uniform(0.0, 0.05)) if rng.random() < 0.45 else 0.0,
        drift_phase=float(rng.uniform(0.0, 6.28)),
        start_s=-float(rng.uniform(0.0, 60.0 / bpm * per_bar)),
    )  # fmt: skip
    band = _Band(rng, bank, seconds)
    bars = int(np.ceil(seconds * bpm / 60.0 / per_bar)) + 2
    for bar in range(bars):
        band.play(answer if bar % every == every - 1 else groove, bar, tempo)
    beats = [tempo.time_s(beat) for beat in range(bars * per_bar)]
    inside = [(index, at) for index, at in enumerate(beats) if 0.0 <= at < seconds]
    return Piece(band.finished(), [at for _, at in inside],
                 [at for index, at in inside if index % per_bar == 0])  # fmt: skip


class _Band:
    """The players of one piece; who plays what is drawn once, what is left out bar by bar."""

    def __init__(self, rng: np.random.Generator, bank: SoundBank, seconds: float) -> None:
        self._rng, self._bank = rng, bank
        self._power = np.zeros((int(seconds / DT_S), PULSE_BANDS), np.float32)
        self._kit = dict(bank.kits[int(rng.integers(len(bank.kits)))])
        strange = float(rng.choice([0.0, 0.5, 1.0], p=[0.45, 0.35, 0.2]))
        for sound, lane in LANE_OF_SOUND.items():
            if rng.random() < strange:
                self._kit[sound] = bank.struck[lane][int(rng.integers(len(bank.struck[lane])))]
        self._wobble_s = float(rng.uniform(0.0, 0.009))
        self._gain = {
            sound: level * 2.0 ** rng.normal(0.0, 0.8) for sound, level in _LEVEL.items()
        }
        self._fills = rng.random() < 0.5
        self._bass = (
            _BASS_RHYTHMS[int(rng.integers(len(_BASS_RHYTHMS)))] if rng.random() < 0.7 else ()
        )
        self._bass_gain = 0.3 * 2.0 ** rng.normal(0.0, 0.7)
        self._music = {
            name: 0.16 * 2.0 ** rng.normal(0.0, 0.7) if rng.random() < 0.35 else 0.0
            for name in ("plucks", "leads", "keys", "pads")
        }
        self._pluck_step = float(rng.choice([0.25, 0.5, 1.0]))
        self._gap = range(0)
        self._half = False
        self._rest: tuple[str, ...] = ()

    def play(self, groove: Groove, bar: int, tempo: TempoMap) -> None:
        rng, per_bar, start = self._rng, groove.beats_per_bar, bar * groove.beats_per_bar
        if bar not in self._gap and rng.random() < 0.05:
            self._gap = range(bar, bar + int(rng.integers(1, 5)))
            self._half = per_bar == 4 and rng.random() < 0.35
            self._rest = _RESTS[int(rng.integers(len(_RESTS)))]
        gap = bar in self._gap
        hits = list((GROOVES["halftime"] if gap and self._half else groove).hits())
        if gap and not self._half:
            hits = [hit for hit in hits if hit.sound in self._rest]
        elif self._fills and bar % 4 == 3:
            count = int(rng.integers(1, 3))
            hits = [hit for hit in hits if hit.beat < per_bar - count or hit.sound == "kick"]
            hits += fill(rng, count, per_bar)
        elif bar % 8 == 0 and rng.random() < 0.4:
            hits.append(Hit(0.0, "crash", 0.8))
        for hit in hits:
            late_s = 0.0 if hit.sound == "kick" else rng.normal(0.0, self._wobble_s)
            gain = 0.7 * self._gain[hit.sound] * (hit.velocity * rng.uniform(0.85, 1.15)) ** 1.3
            self._add(self._kit[hit.sound], tempo.time_s(start + hit.beat) + late_s, gain)
        self._play_music(per_bar, start, tempo, gap and not self._half)

    def _play_music(self, per_bar: int, start: int, tempo: TempoMap, gap: bool) -> None:
        rng, bank = self._rng, self._bank
        if not gap or not self._rest:
            note = bank.bass[int(rng.integers(len(bank.bass)))]
            for beat in self._bass:
                if beat < per_bar:
                    self._add(note, tempo.time_s(start + beat), self._bass_gain)
        if self._music["pads"]:
            self._add(bank.pads[int(rng.integers(len(bank.pads)))], tempo.time_s(start),
                      self._music["pads"])  # fmt: skip
        if self._music["keys"]:
            chord = bank.keys[int(rng.integers(len(bank.keys)))]
            for beat in (0.0, *(float(b) for b in rng.choice(2 * per_bar, 2) / 2.0)):
                self._add(chord, tempo.time_s(start + beat), self._music["keys"])
        if self._music["plucks"]:
            for beat in np.arange(0.0, per_bar, self._pluck_step):
                if rng.random() < 0.9:
                    note = bank.plucks[int(rng.integers(len(bank.plucks)))]
                    self._add(note, tempo.time_s(start + float(beat)), self._music["plucks"])
        if self._music["leads"]:
            for beat in np.flatnonzero(rng.random(per_bar * 2) < 0.35) / 2.0:
                self._add(bank.leads[int(rng.integers(len(bank.leads)))],
                          tempo.time_s(start + float(beat)), self._music["leads"])  # fmt: skip

    def _add(self, sound: Sound, at_s: float, gain: float) -> None:
        sample = round(at_s * RATE_HZ)
        hop, inside = divmod(sample, HOP)
        power = sound.places[min(inside * PLACES // HOP, PLACES - 1)]
        if hop < 0:
            power, hop = power[-hop:], 0
        room = self._power[hop : hop + len(power)]
        room += np.float32(gain * gain) * power[: len(room)]

    def finished(self) -> Float32:
        """Return the sum; the power of sounds that do overlap is ragged."""
        ragged = self._rng.lognormal(0.0, 0.12, self._power.shape)
        return np.asarray(self._power * ragged, np.float32)


def coloured_noise(rng: np.random.Generator, hops: int) -> Float32:
    """Return noise `(hops, 20)`: some tilt, slow swells, as ragged as narrow bands are."""
    octaves = np.linspace(0.0, 9.0, PULSE_BANDS)
    colour = 10.0 ** (-octaves * rng.uniform(0.0, 0.6) / 2.0 + rng.normal(0.0, 0.3, PULSE_BANDS))
    freedom = np.clip(0.8 * 2.0 ** (octaves - 2.0), 0.8, 60.0)
    draws = rng.gamma(freedom, 1.0 / freedom, (hops, PULSE_BANDS))
    draws[1:] = 0.6 * draws[1:] + 0.4 * draws[:-1]
    knots = max(2, hops // 90)
    swell = np.interp(np.arange(hops), np.linspace(0, hops, knots), rng.normal(0, 0.8, knots))
    return np.asarray(colour * draws * np.exp(swell)[:, None], np.float32)


def _hats(rng: np.random.Generator, steps: int) -> dict[str, str]:
    every = int(rng.choice([1, 2, 4], p=[0.3, 0.5, 0.2]))
    accent = int(rng.choice([2, 4, 8]))
    hats = ["."] * steps
    for step in range(0, steps, every):
        if rng.random() < 0.93:
            hats[step] = "x" if step % accent == 0 else str(rng.choice(list("o-")))
    lanes = {str(rng.choice(["hat", "shaker"])): "".join(hats)} if rng.random() < 0.85 else {}
    if rng.random() < 0.35:  # the open hat between the beats
        lanes["open_hat"] = "".join("x" if step % 4 == 2 else "." for step in range(steps))
    return lanes


def _drawn(rng: np.random.Generator, chance: np.ndarray, letters: str) -> str:
    struck = rng.random(len(chance)) < chance
    return "".join(str(rng.choice(list(letters))) if hit else "." for hit in struck)
