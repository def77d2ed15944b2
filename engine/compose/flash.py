"""Holds the output to three flashes a second, for the sake of people with photosensitive epilepsy.

WCAG 2.3.1: a general flash is a pair of opposing changes of relative luminance by 10 % or more
where the darker state is below 0.80; a red flash is such a pair of (R - G - B) x 320 by more than
20 that involves a saturated red, R / (R + G + B) >= 0.8. More than three in any second over a
quarter of the picture may harm. We count both on a coarse grid and on the picture's mean, a little
more strictly than that, and hold a frame back just enough that one too many does not happen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.compose.grade import to_linear
from engine.compose.motion import mix
from engine.messages import Float32, Uint8

MOST_CHANGES = 5
"""Opposing changes allowed per window. Six are three flashes; one is left as a margin for whoever
counts with a finer grid, after an encoder."""
WINDOW_S = 1.05
CHANGE: Float32 = np.array([[0.09], [18.0 / 320.0]], np.float32)
"""Luminance and red changes that count (WCAG: 0.1 and 20 / 320)."""
BRIGHT = 0.8
SATURATED = 0.8
AREA = 0.18
"""Share of the picture that makes a flash (WCAG: 0.25)."""
TOGETHER_S = 0.12
"""Changes of different places within this time count as one."""
CELLS = 1024
PIXELS_PER_CELL = 3
"""Each side of a grid cell is measured by so many area-averaged pixels."""
SEARCH_STEPS = 6
CAUTION = 0.96
"""The search aims below the thresholds, because the blended frame is rounded."""

Bool = NDArray[np.bool_]
_LIGHT: Float32 = to_linear(np.arange(256) / 255.0).astype(np.float32)
_LUMA: Float32 = np.array([[0.2126, 0.7152, 0.0722]], np.float32)


@dataclass(slots=True)
class _Look:
    """What the grid sees: rows luminance and redness, columns the cells and the whole picture."""

    values: Float32
    red: Bool
    """Which columns are a saturated red."""


@dataclass(slots=True)
class _Lane:
    """The changes of one kind (luminance or red, cells or mean) that made it to the output."""

    heading: int = 0
    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_CHANGES))

    def full(self, now_s: float) -> bool:
        return len(self.times_s) == MOST_CHANGES and now_s - self.times_s[0] < WINDOW_S


class FlashLimiter:
    """Passes frames through; blends towards the previous one when a flash too many would happen.

    What is not limited comes back as the very same array. Composer thread only.
    """

    def __init__(self, width: int, height: int) -> None:
        across = (CELLS * width / height) ** 0.5
        self._grid = (max(round(across), 1), max(round(CELLS / across), 1))
        columns = self._grid[0] * self._grid[1] + 1
        self._now_s = 0.0
        self._previous: Uint8 | None = None
        self._previous_small: Uint8 | None = None
        # Rows luminance and red, columns the cells and the mean.
        self._high = np.zeros((2, columns), np.float32)
        self._low = np.zeros((2, columns), np.float32)
        self._high_red = np.zeros(columns, np.bool_)
        self._heading = np.zeros((2, columns), np.int8)
        self._last_s = {sign: np.full((2, columns), -np.inf) for sign in (-1, 1)}
        self._lanes = [_Lane() for _ in range(4)]
        self._limiting = False
        self.limited = 0
        """Changes held back so far."""

    def step(self, frame: Uint8, dt_s: float) -> Uint8:
        """Return `frame`, or a mixture of it with the previous output. Shape `(h, w, 3)`, RGB."""
        self._now_s += dt_s
        small = self._small(frame)
        look = self._look(small)
        if self._previous is None or self._previous_small is None:
            self._begin(look)
        elif self._one_too_many(*self._changes(look)):
            share = self._largest_share(small, self._previous_small)
            frame = mix(self._previous, frame, share)
            small = self._small(frame)
            look = self._look(small)
            self.limited += not self._limiting
            self._limiting = True
        else:
            self._limiting = False
        self._commit(look)
        self._previous, self._previous_small = frame, small
        return frame

    def pass_unlimited(self, frame: Uint8, dt_s: float) -> None:
        """Take note of a frame that is shown whatever it does: the performer's blackout."""
        self._now_s += dt_s
        small = self._small(frame)
        look = self._look(small)
        if self._previous is None:
            self._begin(look)
        self._commit(look)
        self._previous, self._previous_small = frame, small

    def state(self) -> dict[str, Any]:
        """All it remembers; arrays are copies."""
        return {
            "now_s": self._now_s,
            "previous": self._previous,
            "previous_small": self._previous_small,
            "high": self._high.copy(),
            "low": self._low.copy(),
            "high_red": self._high_red.copy(),
            "heading": self._heading.copy(),
            "fell_s": self._last_s[-1].copy(),
            "rose_s": self._last_s[1].copy(),
            "lanes": [[lane.heading, list(lane.times_s)] for lane in self._lanes],
            "limiting": self._limiting,
            "limited": int(self.limited),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what `state` returned; of a limiter of the same size."""
        self._now_s = state["now_s"]
        self._previous, self._previous_small = state["previous"], state["previous_small"]
        self._high, self._low = state["high"].copy(), state["low"].copy()
        self._high_red = state["high_red"].copy()
        self._heading = state["heading"].copy()
        self._last_s = {-1: state["fell_s"].copy(), 1: state["rose_s"].copy()}
        for lane, (heading, times_s) in zip(self._lanes, state["lanes"], strict=True):
            lane.heading = heading
            lane.times_s = deque(times_s, maxlen=MOST_CHANGES)
        self._limiting, self.limited = state["limiting"], state["limited"]

    def _small(self, frame: Uint8) -> Uint8:
        size = (self._grid[0] * PIXELS_PER_CELL, self._grid[1] * PIXELS_PER_CELL)
        return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _look(self, small: Uint8) -> _Look:
        light: Float32 = np.asarray(cv2.LUT(small, _LIGHT), np.float32)
        cells = cv2.resize(light, self._grid, interpolation=cv2.INTER_AREA).reshape(-1, 3)
        cells = np.concatenate((cells, cells.mean(0, keepdims=True)))
        total = cells.sum(1)
        values = np.stack((cells @ _LUMA[0], np.maximum(2.0 * cells[:, 0] - total, 0.0)))
        return _Look(values.astype(np.float32), cells[:, 0] >= SATURATED * total)

    def _begin(self, look: _Look) -> None:
        self._high[:] = self._low[:] = look.values
        self._high_red[:] = look.red

    def _changes(
        self, look: _Look, least: Float32 = CHANGE, bright: float = BRIGHT
    ) -> tuple[Bool, Bool]:
        """Return which columns complete a fall and which a rise with this look."""
        values = look.values
        fall = (self._heading >= 0) & (self._high - values >= least)
        rise = (self._heading <= 0) & (values - self._low >= least)
        fall[0] &= values[0] < bright
        rise[0] &= self._low[0] < bright
        fall[1] &= self._high_red
        rise[1] &= look.red
        return fall, rise & ~fall

    def _events(self, fall: Bool, rise: Bool) -> list[int]:
        """Return per lane -1, 0 or 1: whether the picture as a whole changes direction now.

        Lanes are luminance and red of the cells, then of the mean.
        """
        events = [0, 0, 0, 0]
        for sign, changed in ((-1, fall), (1, rise)):
            recent = changed | (self._now_s - self._last_s[sign] < TOGETHER_S)
            shares = recent[:, :-1].mean(1)
            happens = (*(shares >= AREA), *changed[:, -1])
            for index, lane in enumerate(self._lanes):
                if happens[index] and lane.heading != sign and not events[index]:
                    events[index] = sign
        return events

    def _one_too_many(self, fall: Bool, rise: Bool) -> bool:
        events = self._events(fall, rise)
        return any(
            event and lane.full(self._now_s)
            for event, lane in zip(events, self._lanes, strict=True)
        )

    def _largest_share(self, small: Uint8, previous: Uint8) -> float:
        """Return how much of the new frame may be shown, in [0, 1): found by halving."""
        low, high = 0.0, 1.0
        for _ in range(SEARCH_STEPS):
            share = 0.5 * (low + high)
            look = self._look(mix(previous, small, share))
            # What we make ourselves gets no exemption for being bright.
            if self._one_too_many(*self._changes(look, CHANGE * CAUTION, bright=2.0)):
                high = share
            else:
                low = share
        return low

    def _commit(self, look: _Look) -> None:
        fall, rise = self._changes(look)
        events = self._events(fall, rise)
        for sign, changed in ((-1, fall), (1, rise)):
            self._last_s[sign][changed] = self._now_s
            self._heading[changed] = sign
        for index, (event, lane) in enumerate(zip(events, self._lanes, strict=True)):
            if event:
                lane.heading = event
                lane.times_s.append(self._now_s)
                if index < len(self._heading):  # what made this change makes no other
                    self._last_s[-1][index] = self._last_s[1][index] = -np.inf
        changed = fall | rise
        higher = changed | (look.values > self._high)
        self._high_red = np.where(higher[1], look.red, self._high_red)
        self._high = np.where(higher, look.values, self._high)
        self._low = np.where(changed | (look.values < self._low), look.values, self._low)
