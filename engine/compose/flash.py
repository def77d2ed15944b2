"""Holds the output to three flashes a second, for the sake of people with photosensitive epilepsy.

WCAG 2.3.1: a general flash is a pair of opposing changes of relative luminance by 10 % or more
where the darker state is below 0.80; a red flash is such a pair of (R - G - B) x 320 by more than
20 that involves a saturated red, R / (R + G + B) >= 0.8. More than three in any second over a
quarter of the picture may harm. We count both on a coarse grid and on the picture's mean, a little
more strictly than that, and hold a frame back just enough that the seventh half does not happen.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.compose.grade import to_linear
from engine.compose.motion import mix
from engine.messages import Float32, Uint8

MOST_CHANGES = 6
"""Opposing changes allowed per window: three flashes."""
WINDOW_S = 1.05
CHANGE: Float32 = np.array([[0.09], [18.0 / 320.0]], np.float32)
"""Luminance and red changes that count (WCAG: 0.1 and 20 / 320)."""
BRIGHT = 0.8
SATURATED = 0.8
AREA = 0.2
"""Share of the picture that makes a flash (WCAG: 0.25)."""
RECENT_S = 0.35
"""Changes over budget within this time count as happening together."""
CELLS = 144
PIXELS_PER_CELL = 8
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
        self._high = np.zeros((2, columns), np.float32)
        self._low = np.zeros((2, columns), np.float32)
        self._high_red = np.zeros(columns, np.bool_)
        self._heading = np.zeros((2, columns), np.int8)
        self._times_s = np.full((MOST_CHANGES, 2, columns), -np.inf)
        self._over_s = np.full((2, columns), -np.inf)
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
        elif self._too_many(look, CHANGE):
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
        self._previous, self._previous_small = frame, self._small(frame)
        look = self._look(self._previous_small)
        if self._heading.any():
            self._commit(look)
        else:
            self._begin(look)

    def _small(self, frame: Uint8) -> Uint8:
        size = (self._grid[0] * PIXELS_PER_CELL, self._grid[1] * PIXELS_PER_CELL)
        return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _look(self, small: Uint8) -> _Look:
        light: Float32 = np.asarray(cv2.LUT(small, _LIGHT), np.float32)
        luminance = cv2.transform(light, _LUMA)
        cells = cv2.resize(light, self._grid, interpolation=cv2.INTER_AREA).reshape(-1, 3)
        levels = cv2.resize(luminance, self._grid, interpolation=cv2.INTER_AREA).reshape(-1)
        cells = np.concatenate((cells, cells.mean(0, keepdims=True)))
        levels = np.append(levels, levels.mean())
        redness = np.maximum(2.0 * cells[:, 0] - cells.sum(1), 0.0)
        red = cells[:, 0] >= SATURATED * cells.sum(1)
        return _Look(np.stack((levels, redness)).astype(np.float32), red)

    def _begin(self, look: _Look) -> None:
        self._high[:] = self._low[:] = look.values
        self._high_red[:] = look.red

    def _changes(self, look: _Look, least: Float32) -> tuple[Bool, Bool]:
        """Return which columns complete a fall and which a rise with this look."""
        values = look.values
        fall = (self._heading >= 0) & (self._high - values >= least)
        rise = (self._heading <= 0) & (values - self._low >= least)
        fall[0] &= values[0] < BRIGHT
        rise[0] &= self._low[0] < BRIGHT
        fall[1] &= self._high_red
        rise[1] &= look.red
        return fall, rise & ~fall

    def _too_many(self, look: _Look, least: Float32) -> bool:
        fall, rise = self._changes(look, least)
        over = (fall | rise) & (self._now_s - self._times_s[0] < WINDOW_S)
        if not over.any():
            return False
        together = over | (self._now_s - self._over_s < RECENT_S)
        return bool(over[:, -1].any() or (together[:, :-1].mean(1) >= AREA).any())

    def _largest_share(self, small: Uint8, previous: Uint8) -> float:
        """Return how much of the new frame may be shown, in [0, 1): found by halving."""
        low, high = 0.0, 1.0
        for _ in range(SEARCH_STEPS):
            share = 0.5 * (low + high)
            look = self._look(mix(previous, small, share))
            if self._too_many(look, CHANGE * CAUTION):
                high = share
            else:
                low = share
        return low

    def _commit(self, look: _Look) -> None:
        fall, rise = self._changes(look, CHANGE)
        changed = fall | rise
        over = changed & (self._now_s - self._times_s[0] < WINDOW_S)
        self._over_s[over] = self._now_s
        self._times_s[:-1, changed] = self._times_s[1:, changed]
        self._times_s[-1, changed] = self._now_s
        self._heading[fall] = -1
        self._heading[rise] = 1
        higher = changed | (look.values > self._high)
        self._high_red = np.where(higher[1], look.red, self._high_red)
        self._high = np.where(higher, look.values, self._high)
        self._low = np.where(changed | (look.values < self._low), look.values, self._low)
