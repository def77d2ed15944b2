"""`SectionTracker`: where a section ends, and which one has begun."""

from __future__ import annotations

import math

import numpy as np

from engine.analysis.memory import WINDOW, SectionMemory
from engine.analysis.moment import CHROMA, LEVEL, MOMENT_S, MOMENT_SIZE, RATE
from engine.messages import Float32

FIRST_SECTION_S = 8 * MOMENT_S
"""How much is heard before the first section has its number."""
_BEFORE = 32
_LEAST_BEFORE = 4
_MOST_MOMENTS = 256
_FADE, _LEAST_PLAYED = 2, 12
"""Moments before a pause that may be fading, and how many must have been played before them."""
_LEAST_AFTER, _MOST_AFTER = 2, 16
_RATE_WEIGHT, _LEVEL_WEIGHT = 1.0, 0.8
_LOW_BAR, _HIGH_BAR = 0.45, 0.6
"""Novelty of a boundary: between these, `_OVER_TYPICAL` times what is usual inside sections."""
_OVER_TYPICAL = 2.2
_TYPICAL, _TYPICAL_S = 0.15, 20.0
_REPEATED = 8
"""A section repeats itself when so many moments in a row are like earlier ones."""
_LEAST_SECTION_S = 4.0
"""Before a section that was never heard; one that comes back may come sooner."""
_LOW_ALIKE, _HIGH_ALIKE = 0.2, 0.33
"""Distance up to which two pieces are of one section: between these, `_OVER_USUAL` times what is
usual where a section repeats itself."""
_OVER_USUAL = 2.2
_USUAL, _USUAL_S = 0.13, 20.0


class SectionTracker:
    """Novelty by a checkerboard that knows only the past. Analysis thread only.

    The last 3 s against up to 16 s of this section before them (Foote's kernel without its
    future), in timbre, rhythm and level. Harmony changes within sections, so it only counts where
    a section has been repeating itself and does so no more. A boundary is believed when all of
    the last 3 s lie behind it, and is none when they sound like something in the same section.
    """

    def __init__(self) -> None:
        self.novelty = 0.0
        """In [0, 1]; 0.5 is a boundary."""
        self.section = -1
        self.section_count = 0
        self.heard_before = False
        self.delay_s = 0.0
        """How long the present section had lasted when it was told."""
        self._memory = SectionMemory()
        self._moments = np.zeros((_MOST_MOMENTS, MOMENT_SIZE), np.float32)
        self._count = 0
        """How many of the moments are filled: those of the present section."""
        self._played = 0
        """Moments since the last pause."""
        self._typical = _TYPICAL
        self._usual = _USUAL
        self._unlike = np.full(_REPEATED + WINDOW, np.inf)
        """How far each of the last moments was from the same section, newest last."""
        self._suspected = 0
        """How many moments ago the boundary lies that the last moment spoke for; 0 for none."""
        self._weights = np.zeros(MOMENT_SIZE, np.float32)
        self._weights[: CHROMA.start] = 1.0
        self._weights[RATE] = _RATE_WEIGHT
        self._weights[LEVEL] = _LEVEL_WEIGHT

    def step(self, moment: Float32) -> None:
        """Take the newest moment, `(MOMENT_SIZE,)`."""
        if self._count == _MOST_MOMENTS:
            self._count -= _BEFORE
            self._moments[: self._count] = self._moments[_BEFORE:]
        self._moments[self._count] = moment
        self._count += 1
        self._played += 1
        if self.section < 0:
            if self._count * MOMENT_S >= FIRST_SECTION_S:
                self._begin(self._memory.new(), heard_before=False)
        elif self._count >= WINDOW + _LEAST_BEFORE:
            self._compare(self._moments[: self._count])
        else:
            self.novelty = 0.0

    def pause(self) -> None:
        """Silence begins: what faded into it says nothing of the section."""
        if self._played >= _LEAST_PLAYED and self._count > _FADE:
            self._count -= _FADE
        self._played = 0
        self._suspected = 0

    def _compare(self, moments: Float32) -> None:
        recent = moments[-WINDOW - _BEFORE :]
        rows = recent * self._weights
        away = rows[-WINDOW:].mean(axis=0) - rows[:-WINDOW].mean(axis=0)
        distance = float(np.sqrt(np.dot(away, away)))
        bar = min(max(_OVER_TYPICAL * self._typical, _LOW_BAR), _HIGH_BAR)
        self.novelty = min(0.5 * distance / bar, 1.0)
        strays = self._strays(moments)
        if distance > bar:
            self._suspect(_likeliest(rows))
        elif strays:
            self._suspect(_likeliest(recent * self._memory.weights))
        else:
            self._suspected = 0
            share = 1.0 - math.exp(-MOMENT_S / _TYPICAL_S)
            self._typical += share * (distance - self._typical)

    def _strays(self, moments: Float32) -> bool:
        """Whether the section was repeating itself and does so no more."""
        self._unlike[:-1] = self._unlike[1:]
        unlike = self._memory.distance(self.section, moments, moments[:-WINDOW])
        self._unlike[-1] = unlike
        if unlike > self._alike:
            return float(self._unlike[:_REPEATED].max()) < self._alike
        self._usual += (1.0 - math.exp(-MOMENT_S / _USUAL_S)) * (unlike - self._usual)
        return False

    @property
    def _alike(self) -> float:
        return min(max(_OVER_USUAL * self._usual, _LOW_ALIKE), _HIGH_ALIKE)

    def _suspect(self, since: int) -> None:
        """Cross the boundary when two moments speak for it and enough is known of what is new."""
        agreed = since == self._suspected + 1
        self._suspected = since
        if agreed and since >= WINDOW:
            self._cross(since)

    def _cross(self, since: int) -> None:
        moments = self._moments[: self._count]
        before = moments[:-since]
        number, distance = self._memory.nearest(moments)
        alike = distance < self._alike
        own = self._memory.distance(self.section, moments, before)
        if (own <= distance and own < self._alike) or (alike and number == self.section):
            return
        if not alike and len(before) * MOMENT_S < _LEAST_SECTION_S:
            return
        self._memory.remember(self.section, before)
        self._moments[:since] = moments[-since:].copy()
        self._count = since
        self._begin(number if alike else self._memory.new(), heard_before=alike)

    def _begin(self, number: int, *, heard_before: bool) -> None:
        self.section = number
        self.heard_before = heard_before
        self.delay_s = self._count * MOMENT_S
        self.section_count += 1
        self._suspected = 0
        self._unlike[:] = np.inf


def _likeliest(rows: Float32) -> int:
    """How many of the `(n, d)` rows lie behind the likeliest boundary, as a t-test finds it."""
    n = len(rows)
    most = min(_MOST_AFTER, n - _LEAST_BEFORE)
    after = np.arange(_LEAST_AFTER, most + 1)
    total = np.cumsum(rows[::-1], axis=0, dtype=np.float64)
    late = total[after - 1]
    apart = late / after[:, None] - (total[-1] - late) / (n - after)[:, None]
    score = np.square(apart).sum(axis=1) * after * (n - after)
    return int(after[score.argmax()])
