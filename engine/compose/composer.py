"""The composer: the newest picture, continued to now, graded, and safe to look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.compose.flash import FlashLimiter
from engine.compose.grade import fade, grade
from engine.compose.motion import carry, mix, travel_at
from engine.messages import ControlState, Picture, Travel, Uint8, control_from, freeze
from engine.params import defaults
from engine.travel import way_between

MOST_BLEND_S = 0.06
"""A hand-over is never longer: tweening generated pictures flickers."""
BLEND_SHARE = 0.4
"""Of the time between two pictures, for a slow model."""
FROM_STILL_S = 0.4
DRIFT_ZOOM = 0.09
DRIFT_PERIOD_S = 30.0


class Composer:
    """Makes output frames, as many as are asked for, whatever the pictures do.

    `still` is any `(h, w, 3)` RGB picture, shown before the first picture and on request.
    Composer thread only; `freeze`, `blackout` and `still` may be set between two frames.
    """

    def __init__(self, width: int, height: int, still: Uint8) -> None:
        self.width = width
        self.height = height
        self.freeze = False
        self.blackout = False
        self.still = False
        self._still_pixels = still
        self._clock_s = 0.0
        self._picture: Picture | None = None
        self._leaving: Picture | None = None
        self._blend_s = 0.0
        self._blended_s = 0.0
        self._shown = False
        self._held: Uint8 | None = None
        self._last: Uint8 | None = None
        self._still_left_s = 0.0
        self._limiter = FlashLimiter(width, height)
        self._neutral = defaults()

    @property
    def flashes_limited(self) -> int:
        """Changes of light that the flash limiter has held back so far."""
        return self._limiter.limited

    @property
    def picture_index(self) -> int:
        """The picture the newest frame came from; -1 for the still before the first one."""
        return self._picture.index if self._picture is not None else -1

    def compose(
        self,
        picture: Picture | None,
        control: ControlState | None,
        *,
        time_s: float,
        dt_s: float,
    ) -> Uint8:
        """Return the frame for musical time `time_s`: a new `(height, width, 3)` array, RGB.

        `picture` and `control` are the newest there are; `dt_s` is the time since the last frame.
        """
        self._clock_s += dt_s
        self._take(picture, dt_s)
        if self.blackout:
            black = np.zeros((self.height, self.width, 3), np.uint8)
            self._limiter.pass_unlimited(black, dt_s)
            return black
        values = self._neutral if control is None else control.values
        if self._held is None or not self.freeze:
            self._held = self._painted(control, values, time_s)
        self._shown = True
        frame = self._limiter.step(fade(self._held, values["master/fade"]), dt_s)
        if frame is self._last or frame is self._still_pixels or not frame.flags.writeable:
            frame = frame.copy()  # the caller may freeze what it gets
        self._last = frame
        return frame

    @property
    def picture(self) -> Picture | None:
        """The newest picture it has been given."""
        return self._picture

    def state(self) -> dict[str, Any]:
        """All that the next frame depends on, but `freeze` and what it holds."""
        return {
            "picture": _plain(self._picture),
            "leaving": _plain(self._leaving),
            "times_s": [self._clock_s, self._blend_s, self._blended_s, self._still_left_s],
            "shown": self._shown,
            "limiter": self._limiter.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on after the frame that `state` was taken after."""
        self._picture = _picture_from(state["picture"])
        self._leaving = _picture_from(state["leaving"])
        self._clock_s, self._blend_s, self._blended_s, self._still_left_s = state["times_s"]
        self._shown = state["shown"]
        self._held = self._last = None
        self._limiter.restore(state["limiter"])

    def _take(self, picture: Picture | None, dt_s: float) -> None:
        self._blended_s += dt_s
        self._still_left_s -= dt_s
        if picture is None or picture is self._picture:
            return
        before = self._picture
        if before is None or picture.fresh:
            self._blend_s = 0.0
        else:
            self._blend_s = hand_over_s(picture.seconds_per_picture)
        if before is None and self._shown:
            self._still_left_s = FROM_STILL_S - dt_s
        self._leaving = before
        self._picture = picture
        self._blended_s = dt_s

    def _painted(
        self, control: ControlState | None, values: Mapping[str, float], time_s: float
    ) -> Uint8:
        if self._picture is None or self.still:
            return self._drifting_still(values)
        now = None if control is None else travel_at(control, time_s)
        frame = self._carried(self._picture, now, values)
        if self._leaving is not None and self._blended_s < self._blend_s:
            old = self._carried(self._leaving, now, values)
            frame = mix(old, frame, self._blended_s / self._blend_s)
        else:
            self._leaving = None
        if self._still_left_s > 0.0:
            still = self._drifting_still(values)
            frame = mix(frame, still, self._still_left_s / FROM_STILL_S)
        return frame

    def _carried(self, picture: Picture, now: Travel | None, values: Mapping[str, float]) -> Uint8:
        before = picture.control.travel
        way = way_between(before, before if now is None else now)
        return self._graded(picture.pixels, way, values)

    def _drifting_still(self, values: Mapping[str, float]) -> Uint8:
        turn = math.tau * self._clock_s / DRIFT_PERIOD_S
        way = Travel(
            log_zoom=DRIFT_ZOOM * (1.0 - math.cos(turn)) / 2.0 + 0.01,
            pan_x=0.01 * math.sin(turn),
        )
        return self._graded(self._still_pixels, way, values)

    def _graded(self, pixels: Uint8, way: Travel, values: Mapping[str, float]) -> Uint8:
        # Colour costs least where there are fewest pixels: before enlarging, after shrinking.
        if pixels.size <= self.width * self.height * 3:
            return carry(grade(pixels, values), way, self.width, self.height)
        return grade(carry(pixels, way, self.width, self.height), values)


def _plain(picture: Picture | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    return {
        "pixels": picture.pixels,
        "control": asdict(picture.control),
        "facts": [
            picture.index, picture.made_in_ms, picture.seconds_per_picture, picture.fresh,
        ],
    }  # fmt: skip


def _picture_from(plain: Mapping[str, Any] | None) -> Picture | None:
    if plain is None:
        return None
    index, made_in_ms, seconds_per_picture, fresh = plain["facts"]
    return Picture(
        index, freeze(plain["pixels"]), control_from(plain["control"]),
        made_in_ms, seconds_per_picture, fresh,
    )  # fmt: skip


def hand_over_s(seconds_per_picture: float) -> float:
    """Return how long to blend to a newer picture: 0 (a cut) for a quick model, never over 60 ms.

    Pictures that come about as fast as frames need no help; a slow model's steps are softened for
    a fraction of their interval.
    """
    if seconds_per_picture <= MOST_BLEND_S:
        return 0.0
    return min(BLEND_SHARE * seconds_per_picture, MOST_BLEND_S)
