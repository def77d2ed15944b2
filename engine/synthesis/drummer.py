"""Plays strokes of a kit onto a bus and remembers exactly when."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.synthesis.drums import DrumKit
from engine.synthesis.mix import Bus
from engine.synthesis.pattern import Hit, TempoMap
from engine.synthesis.truth import LANES

LANE_OF_SOUND = {
    "kick": "kick",
    "snare": "snare",
    "clap": "snare",
    "hat": "hat",
    "open_hat": "hat",
    "shaker": "hat",
}
_GAIN = {
    "kick": 1.0,
    "snare": 0.66,
    "clap": 0.62,
    "hat": 0.36,
    "open_hat": 0.34,
    "shaker": 0.27,
    "tom_low": 0.6,
    "tom_high": 0.55,
    "crash": 0.42,
}
_PAN = {"hat": 0.22, "open_hat": 0.22, "shaker": -0.35, "tom_low": -0.3, "tom_high": 0.25}
_SAME_STROKE_S = 0.012


class Drummer:
    """One kit on two buses: kicks alone, so that they can duck the rest, and all others."""

    def __init__(
        self,
        kit: DrumKit,
        kicks: Bus,
        others: Bus,
        rng: np.random.Generator,
        *,
        humanise_ms: float = 3.0,
    ) -> None:
        self._kit = kit
        self._kicks = kicks
        self._others = others
        self._rng = rng
        self._humanise_s = humanise_ms / 1000.0
        self._times_s: dict[str, list[float]] = {lane: [] for lane in LANES}
        self._other_times_s: list[float] = []

    def play(
        self, hits: Iterable[Hit], bar_beat: float, tempo: TempoMap, level: float = 1.0
    ) -> None:
        """Play one bar that starts at `bar_beat`. Kicks stay on the grid, the rest is human."""
        for hit in hits:
            wobble = float(np.clip(self._rng.normal(0.0, self._humanise_s), -0.008, 0.008))
            late_s = 0.0 if hit.sound == "kick" else wobble
            at_s = max(0.0, tempo.time_s(bar_beat + hit.beat) + late_s)
            shade = float(np.clip(self._rng.normal(1.0, 0.06), 0.85, 1.15))
            self.strike(hit.sound, at_s, level * hit.velocity * shade)

    def strike(self, sound: str, at_s: float, velocity: float) -> None:
        """One stroke at an exact time; KeyError for a sound that the kit has not."""
        bus = self._kicks if sound == "kick" else self._others
        gain = _GAIN[sound] * velocity**1.3
        bus.place(self._kit.sound(sound), at_s, gain, _PAN.get(sound, 0.0))
        lane = LANE_OF_SOUND.get(sound)
        (self._other_times_s if lane is None else self._times_s[lane]).append(at_s)

    def lanes(self) -> dict[str, tuple[float, ...]]:
        """Stroke times per lane, ascending; two layered sounds of one lane count once."""
        return {lane: _distinct(times) for lane, times in self._times_s.items()}

    def all_times_s(self) -> list[float]:
        """Times of every stroke, toms and cymbals too, unsorted."""
        return [t for times in self._times_s.values() for t in times] + self._other_times_s


def _distinct(times_s: list[float]) -> tuple[float, ...]:
    kept: list[float] = []
    for time_s in sorted(times_s):
        if not kept or time_s - kept[-1] > _SAME_STROKE_S:
            kept.append(time_s)
    return tuple(kept)
