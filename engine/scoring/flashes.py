"""Counts flashes as WCAG 2.3.1 defines them, on small pictures."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from engine.scoring.decoding import UInt8

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

_GENERAL_STEP = 0.10
_DARKER_BELOW = 0.80
_RED_STEP = 20.0 / 320.0
_RED_SATURATION = 0.8
_AREA_SHARE = 0.25
_TOGETHER_S = 0.1
_WINDOW_S = 1.0


class FlashCounter:
    """The most general or red flashes in any one second of a video.

    A flash is a pair of opposing changes of relative luminance by at least 10 % of the maximum
    where the darker state is below 0.8, or a pair of opposing changes to and from saturated red,
    over at least a quarter of the picture within 100 ms. The area rule of WCAG (a quarter of any
    10 degrees of view) is taken over the whole picture.
    """

    def __init__(self) -> None:
        self._general = _Swings(_GENERAL_STEP)
        self._red = _Swings(_RED_STEP)

    def add(self, time_s: float, picture: UInt8) -> None:
        """The next picture `(h, w, 3)` RGB of the video."""
        linear = _LINEAR[picture]
        luminance = linear @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
        self._general.add(time_s, luminance, luminance < _DARKER_BELOW)
        total = linear.sum(axis=2)
        saturated = (linear[..., 0] >= _RED_SATURATION * total) & (total > 0.0)
        redness = np.maximum(0.0, 2.0 * linear[..., 0] - total)
        self._red.add(time_s, redness, saturated)

    def worst_per_s(self) -> float:
        """Flashes in the worst second: half the opposing changes, the larger of both kinds."""
        return max(self._general.worst_pairs(), self._red.worst_pairs())


class _Swings:
    """Per pixel: turning points of a value, and whether enough pixels turned together."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._extreme: Float32 | None = None
        self._extreme_counts: Bool | None = None
        self._direction: npt.NDArray[np.int8] | None = None
        self._recent: deque[tuple[float, Bool, Bool]] = deque()
        self._last_sign = 0
        self._changes_s: list[float] = []

    def add(self, time_s: float, value: Float32, counts: Bool) -> None:
        """`counts` marks pixels in the state (dark, red) that one side of a change must have."""
        if self._extreme is None or self._extreme_counts is None or self._direction is None:
            self._extreme, self._extreme_counts = value.copy(), counts.copy()
            self._direction = np.zeros(value.shape, dtype=np.int8)
            return
        moved = value - self._extreme
        allowed = counts | self._extreme_counts
        up = (moved >= self._step) & (self._direction <= 0) & allowed
        down = (moved <= -self._step) & (self._direction >= 0) & allowed
        further = np.where(self._direction > 0, moved > 0, moved < 0) & (self._direction != 0)
        renewed = up | down | further
        self._extreme = np.where(renewed, value, self._extreme)
        self._extreme_counts = np.where(renewed, counts, self._extreme_counts)
        self._direction = np.where(up, 1, np.where(down, -1, self._direction)).astype(np.int8)
        self._note(time_s, up, down)

    def worst_pairs(self) -> float:
        """Most pairs of opposing changes within one second."""
        worst = 0
        for index, start_s in enumerate(self._changes_s):
            inside = sum(1 for t in self._changes_s[index:] if t < start_s + _WINDOW_S - 1e-6)
            worst = max(worst, inside)
        return worst / 2.0

    def _note(self, time_s: float, up: Bool, down: Bool) -> None:
        self._recent.append((time_s, up, down))
        while self._recent[0][0] < time_s - _TOGETHER_S:
            self._recent.popleft()
        for sign, index in ((1, 1), (-1, 2)):
            if sign == self._last_sign:
                continue
            together = np.zeros(up.shape, dtype=np.bool_)
            for entry in self._recent:
                together |= entry[index]  # type: ignore[arg-type]
            if together.mean() >= _AREA_SHARE:
                self._changes_s.append(time_s)
                self._last_sign = sign
                self._recent.clear()
                return


def _linear_table() -> Float32:
    code = np.arange(256) / 255.0
    curve = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return curve.astype(np.float32)


_LINEAR = _linear_table()
