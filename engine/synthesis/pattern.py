"""Rhythm on paper: where beats fall in time, and what the drums play on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from engine.synthesis.oscillator import Float64

STEPS_PER_BEAT = 4
_VELOCITY = {"X": 1.0, "x": 0.82, "o": 0.6, "-": 0.36}


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Beats to seconds, with swing and slow drift.

    `swing` is the share of a pair of eighths (or of sixteenths, `swing_unit` in beats) that the
    first takes: 0.5 straight, 0.667 triplets. `drift` is the largest relative deviation of the
    tempo, wandering with a period of `drift_period_beats`.
    """

    bpm: float
    swing: float = 0.5
    swing_unit: float = 0.5
    drift: float = 0.0
    drift_period_beats: float = 48.0
    drift_phase: float = 0.0
    start_s: float = 0.0

    def time_s(self, beat: float) -> float:
        """Time of a position in beats (swing moves only what lies between the beats)."""
        pair = 2.0 * self.swing_unit
        whole, inside = divmod(beat, pair)
        share = inside / pair
        if share < 0.5:
            warped = share * 2.0 * self.swing
        else:
            warped = self.swing + (share - 0.5) * 2.0 * (1.0 - self.swing)
        return self._straight_s((whole + warped) * pair)

    def _straight_s(self, beat: float) -> float:
        steady = self.start_s + beat * 60.0 / self.bpm
        if self.drift == 0.0:
            return steady
        # Seconds per beat = (1 + drift sin(w b + p)) * 60 / bpm, integrated from 0 to b.
        rate = 2.0 * np.pi / self.drift_period_beats
        swing_s = np.cos(self.drift_phase) - np.cos(rate * beat + self.drift_phase)
        return float(steady + self.drift / rate * swing_s * 60.0 / self.bpm)


@dataclass(frozen=True, slots=True)
class Hit:
    """One stroke: position in beats from the start of its bar, kit sound, velocity 0..1."""

    beat: float
    sound: str
    velocity: float


@dataclass(frozen=True, slots=True)
class Groove:
    """One bar of drums: a step string per kit sound, 4 steps a beat.

    `X` accent, `x` normal, `o` soft, `-` ghost, anything else rest.
    """

    name: str
    lanes: dict[str, str] = field(default_factory=dict)
    beats_per_bar: int = 4
    home_bpm: tuple[float, float] = (76.0, 168.0)
    """The tempi at which it is played."""

    def hits(self) -> Iterator[Hit]:
        """All strokes of the bar, lane by lane."""
        for sound, steps in self.lanes.items():
            for step, letter in enumerate(steps):
                if letter in _VELOCITY:
                    yield Hit(step / STEPS_PER_BEAT, sound, _VELOCITY[letter])


GROOVES = {
    groove.name: groove
    for groove in (
        Groove(
            "house",
            {
                "kick": "X...X...X...X...",
                "clap": "....X.......X...",
                "open_hat": "..x...x...x...x.",
                "hat": "-.o--.o--.o--.o-",
            },
            home_bpm=(112.0, 138.0),
        ),
        Groove(
            "rock",
            {
                "kick": "X.......X.x.....",
                "snare": "....X.......X...",
                "hat": "x.o.x.o.x.o.x.o.",
            },
            home_bpm=(76.0, 168.0),
        ),
        Groove(
            "breaks",
            {
                "kick": "X.x.......x.....",
                "snare": "....X..-.-..X..-",
                "hat": "x.x.x.x.x.x.x.x.",
            },
            home_bpm=(84.0, 150.0),
        ),
        Groove(
            "hiphop",
            {
                "kick": "X......x..x.....",
                "snare": "....X.......X...",
                "hat": "x.o.x.o.x.oox.o.",
            },
            home_bpm=(68.0, 112.0),
        ),
        Groove(
            "dnb",
            {
                "kick": "X.........x.....",
                "snare": "....X.......X...",
                "hat": "x.x.x.x.x.x.x.x.",
            },
            home_bpm=(150.0, 182.0),
        ),
        Groove(
            "halftime",
            {
                "kick": "X.....x.........",
                "snare": "........X.......",
                "hat": "x...o...x...o...",
            },
            home_bpm=(112.0, 172.0),
        ),
        Groove(
            "waltz",
            {"kick": "X...........", "snare": "....o...o...", "hat": "x.-.x.-.x.-."},
            3,
            (80.0, 180.0),
        ),
    )
}


def fill(rng: np.random.Generator, n_beats: int = 2, beats_per_bar: int = 4) -> list[Hit]:
    """A drum fill on the last `n_beats` of a bar: sixteenths that walk down the kit."""
    hits = []
    n_steps = n_beats * STEPS_PER_BEAT
    first = (beats_per_bar - n_beats) * STEPS_PER_BEAT
    for step in range(n_steps):
        if step % 2 and rng.random() < 0.3:
            continue
        sound = ("snare", "tom_high", "tom_low")[min(2, 3 * step // n_steps)]
        velocity = float(np.clip(0.55 + 0.4 * step / n_steps + rng.normal(0.0, 0.06), 0.3, 1.0))
        hits.append(Hit((first + step) / STEPS_PER_BEAT, sound, velocity))
    return hits


def roll(n_beats: float, step_beats: float, start: float, end: float) -> list[Hit]:
    """A snare roll from velocity `start` to `end`, from beat 0 on."""
    count = round(n_beats / step_beats)
    climb: Float64 = np.linspace(start, end, count)
    return [Hit(i * step_beats, "snare", float(v)) for i, v in enumerate(climb)]
