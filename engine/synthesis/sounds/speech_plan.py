"""What a voice does when: phrases of syllables with their intonation, and pauses for breath."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

from engine.synthesis.envelope import n_samples
from engine.synthesis.filters import band_pass
from engine.synthesis.oscillator import SAMPLE_RATE_HZ, Float32, Float64, noise
from engine.synthesis.sounds.shape import unit, wander

FORMANTS = 5
CONTROL_HZ = 200.0
"""Rate at which pitch, loudness and resonances are planned."""

_VOWELS_HZ = np.array(
    (
        (270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410),
        (730, 1090, 2440), (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240),
        (640, 1190, 2390), (490, 1350, 1690),
    ),
    np.float64,
)  # fmt: skip
"""First three resonances of heed, hid, head, had, hod, hawed, hood, who'd, hud, heard: means of 33
men, Peterson and Barney 1952, table II."""
_HIGHER_HZ = (3500.0, 4500.0)
_SONORANTS_HZ = np.array(((250, 1100, 2200), (250, 1600, 2500), (350, 1050, 2700),
                          (330, 1200, 1600), (290, 700, 2200)), np.float64)  # fmt: skip
"""m, n, l, r and w, for the same mouth."""
_HISSES_HZ = ((4200.0, 9000.0, 0.20), (2100.0, 6000.0, 0.22), (1400.0, 10_000.0, 0.06),
              (700.0, 4000.0, 0.08))  # fmt: skip
"""s, sh, f and h: from, to, level."""
_BURSTS_HZ = ((400.0, 1500.0), (3000.0, 6500.0), (1400.0, 2800.0))
"""p, t and k."""


class Manner(Enum):
    """How a voice is used."""

    SPEAKS = auto()
    WHISPERS = auto()
    SINGS = auto()


@dataclass(frozen=True, slots=True)
class Track:
    """A voice over time; all curves at 44.1 kHz but the resonances, at `CONTROL_HZ`."""

    pitch_hz: Float64
    voiced: Float32
    """Loudness of the glottal pulses, 0..1."""
    breath: Float32
    """Loudness of the air that flows through the same mouth, 0..1."""
    formants_hz: Float64
    """`(n, FORMANTS)`."""
    consonants: tuple[tuple[float, Float32], ...]
    """(seconds, sound) of all hisses and bursts."""


@dataclass(frozen=True, slots=True)
class _Speaker:
    base_hz: float
    size: float
    """Of all resonances, 1 for a man's mouth; shorter mouths have higher ones."""
    rate_hz: float
    """Syllables a second."""
    liveliness: float
    """Spread of the intonation, in octaves."""
    breathiness: float


@dataclass(slots=True)
class _Score:
    """Points through which the curves go, grown from left to right."""

    at_s: list[float] = field(default_factory=list)
    octaves: list[float] = field(default_factory=list)
    voiced: list[float] = field(default_factory=list)
    breath: list[float] = field(default_factory=list)
    formants_hz: list[Float64] = field(default_factory=list)
    consonants: list[tuple[float, Float32]] = field(default_factory=list)

    def put(
        self, at_s: float, octave: float, voiced: float, breath: float, mouth_hz: Float64
    ) -> None:
        """Go through this point; `octave` is the base-2 logarithm of the pitch in Hz."""
        self.at_s.append(at_s)
        self.octaves.append(octave)
        self.voiced.append(voiced)
        self.breath.append(breath)
        self.formants_hz.append(mouth_hz)


def plan_of(rng: np.random.Generator, duration_s: float, manner: Manner) -> Track:
    """Plan `duration_s` of a voice, or of two that take turns."""
    people = [_speaker(rng) for _ in range(2 if rng.random() < 0.15 else 1)]
    score = _Score()
    at_s = -float(rng.uniform(0.0, 1.5))  # somewhere inside a phrase
    while at_s < duration_s + 0.3:
        who = people[int(rng.integers(len(people)))]
        sing = manner is Manner.SINGS
        at_s = (_sung if sing else _spoken)(rng, score, who, at_s, manner is Manner.WHISPERS)
    return _as_track(rng, score, duration_s)


def _speaker(rng: np.random.Generator) -> _Speaker:
    base_hz = 85.0 * 3.0 ** float(rng.random())  # 85 to 255 Hz
    tract = 1.0 + 0.17 * np.clip(np.log2(base_hz / 120.0), -0.4, 1.1)
    return _Speaker(
        base_hz=base_hz,
        size=float(tract * rng.uniform(0.93, 1.08)),
        rate_hz=float(rng.uniform(3.0, 6.0)),
        liveliness=float(rng.uniform(0.06, 0.3)),
        breathiness=float(rng.uniform(0.02, 0.25)),
    )


def _spoken(
    rng: np.random.Generator, score: _Score, who: _Speaker, at_s: float, whispered: bool
) -> float:
    """A phrase that falls, its last syllable drawn out, and a pause; returns when it ends."""
    syllables = int(rng.integers(2, 13))
    ending = float(rng.choice((-0.25, -0.15, 0.3)))
    for index in range(syllables):
        share = (index + 1) / syllables
        stress = float(rng.choice((0.0, 0.35, 1.0), p=(0.45, 0.3, 0.25)))
        octave = np.log2(who.base_hz) + who.liveliness * (stress + 0.4 * rng.normal())
        octave += 0.15 - 0.3 * share + (ending if index == syllables - 1 else 0.0)
        length_s = (0.75 + 0.35 * stress + 0.7 * (share == 1.0)) / who.rate_hz
        length_s *= float(rng.uniform(0.8, 1.2))
        loud = float(0.45 + 0.45 * stress + rng.uniform(0.0, 0.15)) * (1.1 - 0.35 * share)
        at_s = _onset(rng, score, who, at_s, octave, 0.0 if whispered else loud)
        at_s = _vowel(rng, score, who, at_s, length_s, octave, loud, whispered)
        if rng.random() < 0.3:
            at_s = _onset(rng, score, who, at_s, octave, 0.0 if whispered else 0.6 * loud)
    rest_s = float(rng.choice((rng.uniform(0.1, 0.35), rng.uniform(0.35, 1.1))))
    _hush(score, at_s)
    if rest_s > 0.4 and rng.random() < 0.4:
        score.consonants.append((at_s + rest_s - 0.3, _hiss(rng, 600.0, 3500.0, 0.25, 0.03)))
    _hush(score, at_s + rest_s)
    return at_s + rest_s


def _sung(
    rng: np.random.Generator, score: _Score, who: _Speaker, at_s: float, whispered: bool
) -> float:
    """A line of held notes with vibrato; returns when it ends."""
    steps = np.array((0, 2, 4, 5, 7, 9, 11, 12) if rng.random() < 0.5 else (0, 3, 5, 7, 10, 12))
    place = int(rng.integers(len(steps)))
    turns_hz, depth = float(rng.uniform(4.5, 6.5)), float(rng.uniform(0.0, 0.03))
    for _ in range(int(rng.integers(2, 8))):
        place = int(np.clip(place + rng.integers(-2, 3), 0, len(steps) - 1))
        octave = float(np.log2(who.base_hz) + 0.4 + steps[place] / 12.0)
        length_s = float(rng.uniform(0.25, 1.4))
        mouth_hz = _mouth(rng, who, _VOWELS_HZ)
        at_s = _onset(rng, score, who, at_s, octave, 0.5)
        for step_s in np.arange(0.0, length_s, 0.04):
            bend = depth * min(1.0, step_s / 0.4) * np.sin(2.0 * np.pi * turns_hz * step_s)
            loud = min(1.0, 0.4 + step_s / 0.08, 0.3 + (length_s - step_s) / 0.1)
            score.put(at_s + step_s, octave + bend, loud, 0.3 * who.breathiness, mouth_hz)
        at_s += length_s
    rest_s = float(rng.uniform(0.1, 0.8))
    _hush(score, at_s)
    _hush(score, at_s + rest_s)
    return at_s + rest_s


def _vowel(
    rng: np.random.Generator, score: _Score, who: _Speaker, at_s: float, length_s: float,
    octave: float, loud: float, whispered: bool,
) -> float:  # fmt: skip
    """A vowel, or a glide from one to another."""
    first_hz = _mouth(rng, who, _VOWELS_HZ)
    last_hz = _mouth(rng, who, _VOWELS_HZ) if rng.random() < 0.3 else first_hz
    bend = who.liveliness * float(rng.normal(0.0, 0.35))
    voiced = 0.0 if whispered else loud
    breath = loud if whispered else loud * who.breathiness
    for share, level in ((0.2, 1.0), (0.6, 1.0), (0.92, 0.7)):
        mouth_hz = first_hz + share * (last_hz - first_hz)
        score.put(at_s + share * length_s, octave + share * bend, level * voiced,
                  level * breath, mouth_hz)  # fmt: skip
    return at_s + length_s


def _onset(
    rng: np.random.Generator, score: _Score, who: _Speaker, at_s: float, octave: float, loud: float
) -> float:
    """A consonant, or none; returns when the vowel may begin."""
    kind = rng.random()
    mouth_hz = score.formants_hz[-1] if score.formants_hz else _mouth(rng, who, _VOWELS_HZ)
    if kind < 0.2:
        return at_s
    if kind < 0.5:  # nasals and glides: the voice goes on behind them
        length_s = float(rng.uniform(0.04, 0.09))
        murmur_hz = _mouth(rng, who, _SONORANTS_HZ)
        score.put(at_s + 0.015, octave, 0.45 * loud, 0.05, murmur_hz)
        score.put(at_s + length_s, octave, 0.5 * loud, 0.05, murmur_hz)
        return at_s + length_s
    if kind < 0.75:
        length_s = float(rng.uniform(0.05, 0.14))
        low_hz, high_hz, level = _HISSES_HZ[int(rng.integers(len(_HISSES_HZ)))]
        voicing = 0.3 * loud if rng.random() < 0.35 else 0.0
        hiss = _hiss(rng, low_hz * who.size, high_hz, length_s, level * rng.uniform(0.3, 1.0))
        score.consonants.append((at_s, hiss))
    else:
        length_s = float(rng.uniform(0.05, 0.11))
        low_hz, high_hz = _BURSTS_HZ[int(rng.integers(len(_BURSTS_HZ)))]
        voicing = 0.15 * loud if rng.random() < 0.5 else 0.0
        burst = _hiss(rng, low_hz, high_hz, float(rng.uniform(0.008, 0.03)), 0.2)
        score.consonants.append((at_s + length_s - 0.02, burst))
    score.put(at_s + 0.02, octave, voicing, 0.0, mouth_hz)
    score.put(at_s + length_s, octave, voicing, 0.1 * loud, mouth_hz)
    return at_s + length_s


def _hush(score: _Score, at_s: float) -> None:
    score.put(at_s, score.octaves[-1], 0.0, 0.0, score.formants_hz[-1])


def _mouth(rng: np.random.Generator, who: _Speaker, table_hz: Float64) -> Float64:
    """Resonances of one row of a table in this speaker's mouth, a little off each time."""
    row_hz = table_hz[int(rng.integers(len(table_hz)))] * rng.normal(1.0, 0.04, 3)
    return np.asarray(who.size * np.concatenate([row_hz, _HIGHER_HZ]))


def _hiss(
    rng: np.random.Generator, low_hz: float, high_hz: float, length_s: float, level: float
) -> Float32:
    """Noise between two corners that swells and dies within `length_s`."""
    count = n_samples(length_s)
    swell = np.sin(np.pi * np.linspace(0.0, 1.0, count)) ** 0.6
    sound = unit(band_pass(noise(count, rng), low_hz, high_hz, 4))
    return (np.float32(level) * sound * swell).astype(np.float32)


def _as_track(rng: np.random.Generator, score: _Score, duration_s: float) -> Track:
    at_s = np.array(score.at_s)
    order = np.argsort(at_s, kind="stable")
    count = n_samples(duration_s)
    coarse_s = np.arange(int(duration_s * CONTROL_HZ) + 2) / CONTROL_HZ
    fine_s = np.arange(count) / SAMPLE_RATE_HZ

    def curve(values: list[float]) -> Float64:
        smooth = np.interp(coarse_s, at_s[order], np.array(values)[order])
        return np.asarray(np.interp(fine_s, coarse_s, smooth))

    formants_hz = np.stack(
        [
            np.interp(
                coarse_s, at_s[order], np.array([row[k] for row in score.formants_hz])[order]
            )
            for k in range(FORMANTS)
        ],
        axis=1,
    )
    heard = [(s, sound) for s, sound in score.consonants if 0.0 <= s < duration_s]
    drift = wander(rng, count, 1.5, -0.02, 0.02)
    return Track(
        pitch_hz=2.0 ** (curve(score.octaves) + drift),
        voiced=curve(score.voiced).astype(np.float32),
        breath=curve(score.breath).astype(np.float32),
        formants_hz=formants_hz,
        consonants=tuple(heard),
    )
