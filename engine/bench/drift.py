"""Drift of a picture that feeds on itself: windows of a long run against the first of their kind.

Scenes differ in colour and sharpness on purpose, so like is compared with like: a window counts
against the first window of the run that had the same prompts, never against another scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.bench.area import Result
from engine.bench.picture_figures import PictureFigures
from engine.messages import Uint8

FIGURES = ("luminance", "saturation", "sharpness")
"""Of `PictureFigures`: what must not drift."""
MELTS = " -> "
"""In the name of a window's scene: its prompts change from one to the other."""
BURNT_SHARE = 0.25
"""A picture with more of it burnt counts as a burnt picture."""


@dataclass(slots=True)
class Window:
    """Figures of one stretch of the run. Sums only: a long run must not grow by being measured."""

    scene: str
    """What was to be painted: windows with the same words are alike."""
    start_s: float
    rss_mb: float = 0.0
    """Resident memory at its end."""
    pictures: int = 0
    burnt_worst: float = 0.0
    """The largest share of one picture that is burnt."""
    burnt_pictures: int = 0
    _sums: dict[str, float] = field(default_factory=dict)

    def add(self, picture: PictureFigures) -> None:
        """Take the next picture."""
        self.pictures += 1
        self.burnt_worst = max(self.burnt_worst, picture.burnt)
        self.burnt_pictures += picture.burnt > BURNT_SHARE
        for name in (*FIGURES, "burnt"):
            self._sums[name] = self._sums.get(name, 0.0) + float(getattr(picture, name))

    def mean(self, name: str) -> float:
        """Mean of one figure over its pictures."""
        return self._sums[name] / self.pictures


class Stillness:
    """Counts pictures that are the same, byte for byte, as the one before."""

    def __init__(self) -> None:
        self.count = 0
        self._previous: Uint8 | None = None

    def look(self, pixels: Uint8) -> None:
        """Take the next picture."""
        if self._previous is not None and np.array_equal(pixels, self._previous):
            self.count += 1
        self._previous = pixels


def drift(windows: Sequence[Window]) -> Result:
    """Return, per figure, its first value and how far later windows are from their first.

    `median_percent` is of the distances, `worst_percent` has its sign: negative is lost. Both are
    None when no window has one to compare with. `melting` has the same for the windows in which
    one scene becomes another: where a mixture tips depends on what came before.
    """
    held = [window for window in windows if MELTS not in window.scene]
    melting = [window for window in windows if MELTS in window.scene]
    return {**_drift(held), "melting": _drift(melting)} if melting else _drift(held)


def _drift(windows: Sequence[Window]) -> Result:
    firsts: dict[str, Window] = {}
    compared: list[tuple[Window, Window]] = []
    for window in windows:
        if window.scene in firsts:
            compared.append((window, firsts[window.scene]))
        else:
            firsts[window.scene] = window
    result: Result = {"compared": len(compared)}
    for name in FIGURES:
        off = [
            (100.0 * (window.mean(name) / max(first.mean(name), 1e-9) - 1.0), window)
            for window, first in compared
        ]
        worst, at = max(off, key=lambda pair: abs(pair[0]), default=(None, None))
        result[name] = {
            "first": round(windows[0].mean(name), 4),
            "median_percent": round(float(np.median([abs(p) for p, _ in off])), 1)
            if off
            else None,
            "worst_percent": None if worst is None else round(worst, 1),
            "worst_at_s": None if at is None else at.start_s,
            "worst_scene": None if at is None else at.scene,
        }
    return result


def burning(windows: Sequence[Window]) -> Result:
    """Return the mean and the largest share of a picture that is burnt, and the burnt pictures."""
    return {
        "burnt_share": round(float(np.mean([window.mean("burnt") for window in windows])), 5),
        "burnt_worst": round(max(window.burnt_worst for window in windows), 5),
        "burnt": sum(window.burnt_pictures for window in windows),
    }


def growth_mb_per_hour(windows: Sequence[Window], settled_s: float = 30.0) -> float | None:
    """Return the slope of memory over the time of the run, its start left out; None if short."""
    points = [(w.start_s / 3600.0, w.rss_mb) for w in windows if w.start_s >= settled_s]
    if len(points) < 3:
        return None
    hours, rss_mb = np.array(points).T
    return round(float(np.polyfit(hours, rss_mb, 1)[0]), 1)
