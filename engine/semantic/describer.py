"""What the music is like, as a prompt: pitch, key, notes, rhythm and tempo, as a picture.

After the describing mode of Teenage Engineering's OP-Z, from what is heard or from the notes that
are played. `RULES` and `PICTURES` are all of it; every word in them is one that ember paints. What
ember obeys is the thing, its colour and the style, and hardly an adverb behind them (28 November
2026, by eye: "a crimson jellyfish" is the same picture with "whirling", "in one colour" or "in the
dark" added). So register and rhythm choose the thing, the key its colour, notes, tempo and mode
the style. Neon lights leave little of the thing and watercolour nothing: the one is for music that
is very fast, the other for none.
"""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.keys import KEY_NAMES, TONICS, fifths, is_minor, key_scores
from engine.messages import AudioFeatures
from engine.semantic.tracker import SILENCE_S

_NEVER = math.inf
_SOUNDING = 0.4
"""A pitch class counts as a note from this strength on."""
_SURE_TEMPO = 0.3
_SURE_PITCH = 0.5
_VOICED_SHARE = 0.2
"""What has a pitch for less of the time has none."""
_CHORD_S = 0.03
_TOGETHER_S = 0.5
"""Notes within this time are heard together, as the chroma of a sound hears them."""
_PITCH_TAU_S, _TONES_TAU_S, _RHYTHM_TAU_S = 3.0, 3.0, 4.0
_HOLD_S = 3.0
_LEAST_S = 6.0
_SLACK = 0.06
"""Share by which a border must be crossed before another word is asked for."""


@dataclass(frozen=True, slots=True)
class Heard:
    """All that is described, from sound and from notes alike."""

    pitch_hz: float = 0.0
    """Of the leading voice; 0 where nothing has a pitch."""
    key: int = -1
    """As `Tonal.key`; -1 while unknown."""
    tones: float = 0.0
    """How many pitch classes sound, 0..12."""
    onsets_per_s: float = 0.0
    tempo_bpm: float = 0.0
    """0 while unknown."""


class Rule(NamedTuple):
    """One row: where `low <= quantity < high`, `words` are the `part` of the prompt."""

    quantity: str
    low: float
    high: float
    part: str
    words: str
    why: str


QUANTITIES: Mapping[str, Callable[[Heard], float]] = MappingProxyType(
    {
        "pitch_hz": lambda heard: heard.pitch_hz,
        "fifths": lambda heard: fifths(heard.key) if heard.key >= 0 else -1,
        "onsets_per_s": lambda heard: heard.onsets_per_s,
        "tones": lambda heard: heard.tones,
        "tempo_bpm": lambda heard: heard.tempo_bpm,
        "minor": lambda heard: float(is_minor(heard.key)) if heard.key >= 0 else -1,
    }
)
"""What the rules look at. `fifths` is the place on the circle of fifths (C major and A minor 0, G
major and E minor 1), so that keys of the same notes have the same colour; -1 while unknown."""

_MOVEMENTS = ("still", "gentle", "lively", "wild")
_COLOURS = (
    "red", "orange", "golden", "yellow", "green", "teal", "cyan", "blue", "violet", "magenta",
    "pink", "crimson",
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    Rule("pitch_hz", 0.0, 1.0, "register", "none", "nothing has a pitch"),
    Rule("pitch_hz", 1.0, 110.0, "register", "deep bass", "below A2"),
    Rule("pitch_hz", 110.0, 165.0, "register", "bass", "A2 to D sharp 3"),
    Rule("pitch_hz", 165.0, 247.0, "register", "tenor", "E3 to A sharp 3"),
    Rule("pitch_hz", 247.0, 370.0, "register", "alto", "B3 to F4"),
    Rule("pitch_hz", 370.0, 554.0, "register", "soprano", "F sharp 4 to C5"),
    Rule("pitch_hz", 554.0, 831.0, "register", "high", "C sharp 5 to G5"),
    Rule("pitch_hz", 831.0, _NEVER, "register", "whistling", "above G sharp 5"),
    Rule("onsets_per_s", 0.0, 0.7, "movement", "still", "hardly an attack"),
    Rule("onsets_per_s", 0.7, 2.5, "movement", "gentle", "a few attacks"),
    Rule("onsets_per_s", 2.5, 6.0, "movement", "lively", "a busy beat"),
    Rule("onsets_per_s", 6.0, _NEVER, "movement", "wild", "attacks without end"),
    Rule("fifths", -1.0, 0.0, "colour", "", "key unknown"),
    *(
        Rule("fifths", place, place + 1.0, "colour", colour, f"{major} major and its relative")
        for place, (colour, major) in enumerate(
            zip(_COLOURS, (TONICS[7 * step % 12] for step in range(12)), strict=True)
        )
    ),
    Rule("tones", 0.0, 5.5, "style", "", "a note or a chord"),
    Rule("tones", 5.5, _NEVER, "style", "in stained glass", "a cluster of many notes"),
    Rule("tempo_bpm", 0.0, 152.0, "style", "", "up to allegro, or no tempo"),
    Rule("tempo_bpm", 152.0, _NEVER, "style", "in neon lights", "presto"),
    Rule("minor", -1.0, 1.0, "style", "", "major, or key unknown"),
    Rule("minor", 1.0, 2.0, "style", "in oil paint", "minor: duller, with a brush"),
)
"""Every rule. The rules of one quantity follow on each other without a gap. Register and movement
are the row and the column of `PICTURES`; of several styles the uppermost is said."""

PICTURES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        register: MappingProxyType(dict(zip(_MOVEMENTS, row, strict=True)))
        for register, row in {
            "none": ("{} northern lights over a frozen lake", "{} ink in water",
                     "a {} tunnel of light", "{} fireworks in the night sky"),
            "deep bass": ("a {} black hole", "a {} nebula",
                          "an erupting {} volcano", "roaring {} flames"),
            "bass": ("a {} nebula", "a {} moon over the water",
                     "a {} synthwave sunset over a neon grid", "an erupting {} volcano"),
            "tenor": ("a {} forest in fog", "a {} galaxy",
                      "a {} fractal", "roaring {} flames"),
            "alto": ("a {} jellyfish in the deep sea", "a {} coral reef",
                     "a {} kaleidoscope of gems", "a {} tunnel of light"),
            "soprano": ("a {} flower", "a {} mandala",
                        "{} stained glass", "a {} kaleidoscope of gems"),
            "high": ("{} soap bubbles", "{} glowing crystals",
                     "a {} mandala", "{} fireworks over the water"),
            "whistling": ("{} glowing crystals", "{} northern lights over a frozen lake",
                          "{} soap bubbles", "{} fireworks in the night sky"),
        }.items()
    }
)  # fmt: skip
"""What is painted by register and movement; the colour of the key takes the place of {}."""

_RULES_OF: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {name: tuple(rule for rule in RULES if rule.quantity == name) for name in QUANTITIES}
)
_STEPLESS = frozenset(("pitch_hz", "tones", "onsets_per_s", "tempo_bpm"))


def describe(heard: Heard) -> str:
    """Return the prompt for what was heard, like "a violet coral reef, in oil paint"."""
    return _sentence([_rule(name, QUANTITIES[name](heard)) for name in QUANTITIES])


def rules_page() -> str:
    """Return `RULES` and `PICTURES` as Markdown tables."""
    rows = [
        f"| {rule.quantity} | {rule.low:g} | {'' if rule.high == _NEVER else f'{rule.high:g}'} "
        f"| {rule.part} | {rule.words or '(nothing)'} | {rule.why} |"
        for rule in RULES
    ]
    head = ["| heard | from | below | says as | words | meaning |", "|---|---|---|---|---|---|"]
    pictures = [
        f"| {register} | {' | '.join(row[movement] for movement in _MOVEMENTS)} |"
        for register, row in PICTURES.items()
    ]
    top = [f"| register | {' | '.join(_MOVEMENTS)} |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, "", *top, *pictures]) + "\n"


def heard_throughout(arrays: Mapping[str, NDArray[Any]], report: Mapping[str, Any]) -> Heard:
    """Sum up a whole sound, from what `sonolume analyze` knows of it.

    `arrays` holds the features of every hop, `report` at least `duration_s`, `tempo_bpm`, `key`
    and `onsets_s`.
    """
    loud = ~arrays["silent"].astype(bool)
    if not loud.any():
        return Heard()
    voiced = loud & (arrays["tonal_pitch_confidence"] >= _SURE_PITCH)
    sung = voiced.sum() >= _VOICED_SHARE * loud.sum()
    tones = (arrays["tonal_chroma"][loud] >= _SOUNDING).sum(axis=1)
    key = report["key"]
    return Heard(
        pitch_hz=float(np.median(arrays["tonal_pitch_hz"][voiced])) if sung else 0.0,
        key=KEY_NAMES.index(key) if key else -1,
        tones=float(np.mean(tones)),
        onsets_per_s=len(report["onsets_s"]) / report["duration_s"],
        tempo_bpm=report["tempo_bpm"] or 0.0,
    )


def heard_in_notes(notes: Sequence[tuple[float, int, int]]) -> Heard:
    """Sum up notes as a keyboard sends them: (seconds, MIDI note, velocity 1..127), in any order.

    The leading voice is the top of each chord; notes that begin within 30 ms are one attack.
    """
    played = sorted(note for note in notes if note[2] > 0)
    if not played:
        return Heard()
    chords: list[list[tuple[float, int, int]]] = []
    weights = np.zeros(len(TONICS))
    for start_s, note, velocity in played:
        if not chords or start_s - chords[-1][0][0] > _CHORD_S:
            chords.append([])
        chords[-1].append((start_s, note, velocity))
        weights[note % len(TONICS)] += velocity
    scores = key_scores(weights)
    top = float(np.median([max(note for _, note, _ in chord) for chord in chords]))
    starts_s = np.array([chord[0][0] for chord in chords])
    lasted_s = float(starts_s[-1] - starts_s[0])
    return Heard(
        pitch_hz=440.0 * 2.0 ** ((top - 69.0) / 12.0),
        key=int(scores.argmax()) if scores is not None else -1,
        tones=float(np.mean([len(_classes(played, chord[0][0])) for chord in chords])),
        onsets_per_s=(len(chords) - 1) / lasted_s if lasted_s > 0.0 else 0.0,
        tempo_bpm=_tempo_of(starts_s),
    )


class Describer:
    """The description of live music, once per hop. One thread only.

    It does not flicker: what it looks at is smoothed over some seconds, another word must have
    been the right one for 3 s, a border is crossed only by 6 %, and a description stays for 6 s at
    least. It stands still while silent; after 3 s of silence nothing is described, and what comes
    then is heard anew.
    """

    def __init__(self) -> None:
        self._silent_s = 0.0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._octaves = 0.0
        self._voiced = 0.0
        self._tones = 0.0
        self._onsets_per_s = 0.0
        self._onset_count: int | None = None
        self._heard_s = 0.0
        self._held: dict[str, Rule] = {}
        self._waiting_s: dict[str, float] = {}
        self._text = ""
        self._since_s = _NEVER

    def step(self, features: AudioFeatures, dt_s: float) -> str:
        """Take the newest features; return the description, empty where nothing is heard."""
        if features.silent:
            self._silent_s += dt_s
            if self._silent_s >= SILENCE_S:
                self._begin_anew()
            self._onset_count = features.onset_count
            return self._text
        self._silent_s = 0.0
        self._heard_s += dt_s
        self._follow(features, dt_s)
        if self._heard_s < _HOLD_S and not self._text:
            return ""
        heard = self._heard(features)
        for name, value_of in QUANTITIES.items():
            self._weigh(name, value_of(heard), dt_s)
        self._since_s += dt_s
        text = _sentence([self._held[name] for name in QUANTITIES])
        if text != self._text and self._since_s >= _LEAST_S:
            self._text, self._since_s = text, 0.0
        return self._text

    def _follow(self, features: AudioFeatures, dt_s: float) -> None:
        tonal = features.tonal
        confidence = tonal.pitch_confidence if tonal.pitch_hz > 0.0 else 0.0
        if confidence >= _SURE_PITCH:
            octaves = math.log2(tonal.pitch_hz)
            share = self._share(dt_s, _PITCH_TAU_S) if self._octaves else 1.0
            self._octaves += share * (octaves - self._octaves)
        share = self._share(dt_s, _PITCH_TAU_S)
        self._voiced += share * (float(confidence >= _SURE_PITCH) - self._voiced)
        tones = float(np.count_nonzero(tonal.chroma >= _SOUNDING))
        self._tones += self._share(dt_s, _TONES_TAU_S) * (tones - self._tones)
        before = features.onset_count if self._onset_count is None else self._onset_count
        self._onset_count = features.onset_count
        rate = (features.onset_count - before) / dt_s
        self._onsets_per_s += self._share(dt_s, _RHYTHM_TAU_S) * (rate - self._onsets_per_s)

    def _share(self, dt_s: float, tau_s: float) -> float:
        return 1.0 - math.exp(-dt_s / min(tau_s, self._heard_s))

    def _heard(self, features: AudioFeatures) -> Heard:
        sure = features.tempo_confidence >= _SURE_TEMPO or features.tempo_by_hand
        return Heard(
            pitch_hz=2.0**self._octaves if self._voiced >= _VOICED_SHARE else 0.0,
            key=features.tonal.key,
            tones=self._tones,
            onsets_per_s=self._onsets_per_s,
            tempo_bpm=features.tempo_bpm if sure else 0.0,
        )

    def _weigh(self, name: str, value: float, dt_s: float) -> None:
        """Go to another rule of one quantity when it has been the right one for long enough."""
        held = self._held.get(name)
        slack = _SLACK if name in _STEPLESS else 0.0
        if held is None:
            self._held[name] = _rule(name, value)
        elif held.low * (1.0 - slack) <= value < held.high * (1.0 + slack):
            self._waiting_s[name] = 0.0
        else:
            waiting_s = self._waiting_s.get(name, 0.0) + dt_s
            self._waiting_s[name] = waiting_s
            if waiting_s >= _HOLD_S:
                self._held[name] = _rule(name, value)
                self._waiting_s[name] = 0.0


def _rule(name: str, value: float) -> Rule:
    """Return the rule of a quantity that holds; the first where the value is below all or NaN."""
    rules = _RULES_OF[name]
    return next((rule for rule in rules if rule.low <= value < rule.high), rules[0])


def _sentence(rules: Sequence[Rule]) -> str:
    words: dict[str, str] = {}
    for rule in rules:
        words[rule.part] = words.get(rule.part) or rule.words
    thing = PICTURES[words["register"]][words["movement"]].format(words["colour"])
    thing = re.sub(r"\ba (?=[aeiou])", "an ", " ".join(thing.split()))
    return ", ".join(filter(None, (thing, words["style"])))


def _classes(played: Sequence[tuple[float, int, int]], at_s: float) -> set[int]:
    """Return the pitch classes that began within the half second up to a chord."""
    begins_s = [start_s for start_s, _, _ in played]
    first = bisect.bisect_right(begins_s, at_s - _TOGETHER_S)
    end = bisect.bisect_right(begins_s, at_s + _CHORD_S)
    return {note % len(TONICS) for _, note, _ in played[first:end]}


def _tempo_of(starts_s: NDArray[np.float64]) -> float:
    """Return the tempo whose beats and half beats the attacks lie on best; 0 where none fits."""
    if len(starts_s) < 4:
        return 0.0
    bpm = np.arange(60.0, 180.0, 0.5)
    turns = np.exp(2j * np.pi * np.outer(bpm / 60.0, starts_s - starts_s[0]))
    beats, halves = np.abs(turns.mean(axis=1)), np.abs((turns**2).mean(axis=1))
    prior = np.exp(-0.5 * (np.log2(bpm / 115.0) / 0.6) ** 2)
    fit = (beats + 0.8 * halves) * prior
    best = int(fit.argmax())
    return float(bpm[best]) if max(beats[best], halves[best]) >= 0.6 else 0.0
