"""`DrawnShapes`: a structure source without file or hardware, the dull twin of the real ones."""

from __future__ import annotations

import math

import cv2
import numpy as np

from engine.messages import StructureStatus, Uint8, freeze

PICTURES_PER_S = 30.0


class DrawnShapes:
    """A bright disc on a circle and a bar that turns, on dark ground; a pure function of time."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._index = -1
        self._picture: Uint8 | None = None

    def open(self) -> None:
        """Nothing to open."""

    def picture_at(self, time_s: float) -> Uint8 | None:
        """The picture of the thirtieth of a second that `time_s` is in."""
        index = math.floor(time_s * PICTURES_PER_S + 1e-6)
        if index != self._index or self._picture is None:
            self._index, self._picture = index, self._drawn(index / PICTURES_PER_S)
        return self._picture

    def status(self) -> StructureStatus:
        """Always well."""
        return StructureStatus("video", "drawn shapes", "none")

    def close(self) -> None:
        """Nothing to free."""

    def _drawn(self, time_s: float) -> Uint8:
        width, height = self._size
        picture = np.full((height, width, 3), 20, np.uint8)
        turn = 2.0 * math.pi * time_s / 6.0
        along, across = math.cos(turn / 2.0), math.sin(turn / 2.0)
        middle = (width / 2.0, height / 2.0)
        ends = [
            (round(middle[0] + side * 0.45 * height * along),
             round(middle[1] + side * 0.45 * height * across))
            for side in (-1.0, 1.0)
        ]  # fmt: skip
        cv2.line(picture, ends[0], ends[1], (70, 90, 160), max(1, height // 14), cv2.LINE_AA)
        at = (
            round(middle[0] + 0.28 * height * math.cos(turn)),
            round(middle[1] - 0.28 * height * math.sin(turn)),
        )
        cv2.circle(picture, at, max(1, height // 6), (245, 235, 215), -1, cv2.LINE_AA)
        freeze(picture)
        return picture
