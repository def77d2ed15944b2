"""What changes from picture to picture, and what must not happen in a video."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from engine.errors import ScoreError
from engine.scoring.decoding import UInt8
from engine.scoring.flashes import FlashCounter

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]

CHANNELS = ("luminance", "colour", "flow", "zoom")
_FROZEN_LEVELS = 0.1
_BLACK_LUMA = 0.02
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class VideoFeatures:
    """Measures of a whole video with `n` pictures.

    `starts_s`, `ends_s` and each of `changes` have shape `(n - 1,)`: change k happened between the
    pictures at `starts_s[k]` and `ends_s[k]`. `changes` has the keys of `CHANNELS`, in this order:

    luminance  mean |dL*| over the pixels (CIE L*, 0..100)
    colour     mean distance in (a*, b*)
    flow       mean length of Farneback's flow, in picture widths
    zoom       |radial expansion of the flow - its median over the video|, per picture

    `flashes_per_s` is the worst second, `frozen_s` the longest run of equal pictures,
    `black_share` the share of pictures with mean luma below 2 %.
    """

    starts_s: Float64
    ends_s: Float64
    changes: dict[str, Float64]
    flashes_per_s: float
    frozen_s: float
    black_share: float


def measure_video(pictures: Iterable[tuple[float, UInt8]]) -> VideoFeatures:
    """Measure small RGB pictures with their times; ScoreError with fewer than two."""
    times_s: list[float] = []
    rows: list[tuple[float, float, float, float, float]] = []
    black = 0
    flashes = FlashCounter()
    before: _Look | None = None
    for time_s, picture in pictures:
        look = _Look(picture)
        times_s.append(time_s)
        flashes.add(time_s, picture)
        black += look.mean_luma < _BLACK_LUMA
        if before is not None:
            rows.append(look.change_from(before))
        before = look
    if not rows:
        raise ScoreError(f"the video has {len(times_s)} pictures and 2 are needed to see change")
    table = np.array(rows, dtype=np.float64)
    zoom = np.abs(table[:, 3] - np.median(table[:, 3]))
    ends_s = np.array(times_s[1:])
    starts_s = np.array(times_s[:-1])
    return VideoFeatures(
        starts_s=starts_s,
        ends_s=ends_s,
        changes=dict(zip(CHANNELS, (*table[:, :3].T, zoom), strict=True)),
        flashes_per_s=flashes.worst_per_s(),
        frozen_s=_longest_run_s(table[:, 4] < _FROZEN_LEVELS, ends_s - starts_s),
        black_share=black / len(times_s),
    )


class _Look:
    """One picture in the colour spaces that the measures need."""

    def __init__(self, picture: UInt8) -> None:
        self.rgb = picture.astype(np.float32)
        self.lab = np.asarray(cv2.cvtColor(self.rgb / 255.0, cv2.COLOR_RGB2LAB), dtype=np.float32)
        self.grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        self.mean_luma = float((self.rgb @ _LUMA).mean()) / 255.0

    def change_from(self, before: _Look) -> tuple[float, float, float, float, float]:
        """Luminance, colour, flow, signed zoom, and mean difference in 8-bit levels."""
        delta = self.lab - before.lab
        luminance = float(np.abs(delta[..., 0]).mean())
        colour = float(np.hypot(delta[..., 1], delta[..., 2]).mean())
        start = np.zeros((*self.grey.shape, 2), dtype=np.float32)
        flow = np.asarray(
            cv2.calcOpticalFlowFarneback(before.grey, self.grey, start, 0.5, 3, 15, 3, 5, 1.2, 0),
            dtype=np.float32,
        )
        speed = float(np.hypot(flow[..., 0], flow[..., 1]).mean()) / self.grey.shape[1]
        levels = float(np.abs(self.rgb - before.rgb).mean())
        return luminance, colour, speed, _expansion(flow), levels


def _expansion(flow: Float32) -> float:
    """Relative growth per picture: least squares of the flow on the radial field."""
    height, width = flow.shape[:2]
    y = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2.0
    x = np.arange(width, dtype=np.float32)[None, :] - (width - 1) / 2.0
    radial = float((flow[..., 0] * x + flow[..., 1] * y).sum())
    return radial / float((x**2 + y**2).sum())


def _longest_run_s(still: npt.NDArray[np.bool_], lengths_s: Float64) -> float:
    longest = run = 0.0
    for is_still, length_s in zip(still, lengths_s, strict=True):
        run = run + float(length_s) if is_still else 0.0
        longest = max(longest, run)
    return longest
