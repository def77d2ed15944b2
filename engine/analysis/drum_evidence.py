"""`DrumEvidence`: whether what rose like a stroke is one, and whether there are drums at all."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np

_FLOOR, _MOST_DB = 1e-20, 60.0


@dataclass(frozen=True, slots=True)
class StrokeTraits:
    """What tells a stroke from a note, a drop of rain or a voice. In dB, `(lanes,)` each.

    `over_mean_db`: its rise against the mean rise of the last 1.3 s. `over_held_db`: its power
    against what sounds on in the bands of the lane. `of_all_db`, `of_high_db`: against everything
    that sounds now, and that above 1.6 kHz. `broad_db`: what strikes against all that rises from
    1.6 to 9 kHz, at most 0: the bands between the harmonics of a note stay empty. `head_db`: the
    head of a drum, 125 to 400 Hz, against its wires.
    """

    over_mean_db: np.ndarray
    over_held_db: np.ndarray
    of_all_db: np.ndarray
    of_high_db: np.ndarray
    broad_db: np.ndarray
    head_db: np.ndarray


_NONE = -math.inf
# One row per trait, in the order of `StrokeTraits`: kick, snare, hat. Seen on 21 loops and a song
# (seeds of `engine.bench.lanes` are others): the second percentile of true strokes.
_AMONG_DRUMS_DB = np.array([
    [8.0, 8.0, 4.0],
    [-3.0, -6.0, -1.0],
    [-9.0, -38.0, _NONE],
    [2.0, -24.0, -18.0],
    [_NONE, -3.0, _NONE],
    [_NONE, 0.0, _NONE],
])  # fmt: skip
"""What a stroke needs at least, once there are drums."""
_OUT_OF_NOTHING_DB = np.array([
    [8.0, 12.0, 8.0],
    [6.0, 6.0, 10.0],
    [-6.0, -38.0, _NONE],
    [6.0, -20.0, -12.0],
    [_NONE, -1.4, _NONE],
    [_NONE, 0.0, _NONE],
])  # fmt: skip
"""What it needs before: music without drums, rain, surf and voices have next to none of these, a
bare or lightly covered drum has most of its strokes there."""
_CLAP_DB = np.array([8.5, 8.0, -17.0, -17.0, -1.2, -22.0])
"""A clap has no head: it is told from drops of rain by coming out of nothing."""
_HEAVIEST_HEAD_DB = 34.0
"""More than that is a bass note whose pick is heard."""
_KNOWN_S = 12.0
"""So long after two strokes out of nothing there are drums: a break of four bars at 80 BPM."""


class DrumEvidence:
    """Lets strokes pass. Analysis thread only.

    One lane's evidence serves all: where there is a kick, a soft snare is likely, too.
    """

    def __init__(self, dt_s: float, snare: int) -> None:
        self._dt_s = dt_s
        self._snare = snare
        self._since_bare_s = math.inf
        self._known_s = 0.0

    def pass_time(self) -> None:
        """One hop goes by that is not silent."""
        self._known_s = max(0.0, self._known_s - self._dt_s)
        self._since_bare_s += self._dt_s

    def passed(self, strokes: np.ndarray, traits: StrokeTraits) -> np.ndarray:
        """Which of `strokes`, `(lanes,)` of bool, are strokes of drums."""
        table = np.stack(astuple(traits))
        bare: np.ndarray = strokes & self._reaches(table, _OUT_OF_NOTHING_DB)
        if bare.any():
            if self._since_bare_s < _KNOWN_S:
                self._known_s = _KNOWN_S
            self._since_bare_s = 0.0
        if self._known_s == 0.0:
            return bare
        passed: np.ndarray = bare | (strokes & self._reaches(table, _AMONG_DRUMS_DB))
        return passed

    def _reaches(self, table: np.ndarray, least_db: np.ndarray) -> np.ndarray:
        reached: np.ndarray = np.logical_and.reduce(table >= least_db, axis=0)
        snare = table[:, self._snare]
        reached[self._snare] &= snare[-1] <= _HEAVIEST_HEAD_DB
        reached[self._snare] |= bool((snare >= _CLAP_DB).all())
        return reached


def ratio_db(power: np.ndarray, other: np.ndarray | float) -> np.ndarray:
    """Decibels of one power against another, within 60 dB either way."""
    ratio = np.maximum(power, _FLOOR) / np.maximum(other, _FLOOR)
    decibels: np.ndarray = np.clip(10.0 * np.log10(ratio), -_MOST_DB, _MOST_DB)
    return decibels
