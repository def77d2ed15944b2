"""What a show or an export may be asked for; anything else is one line before it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.errors import LimitError, SizeError
from engine.params import PARAMS
from engine.presets import LONGEST_PROMPT

SMALLEST_PX, LARGEST_PX = 64, 4096
SLOWEST_FPS, FASTEST_FPS = 1.0, 240.0
SLOWEST_AI_FPS = 0.1
MOST_THREADS = 1024
LONGEST_S = 7 * 86_400.0


def check_size(width: int, height: int) -> None:
    """Raise `SizeError` for an output size that cannot be made."""
    for length in (width, height):
        if not SMALLEST_PX <= length <= LARGEST_PX or length % 2:
            raise SizeError(
                f"--size {width}x{height} cannot be made: both sides must be even and "
                f"{SMALLEST_PX}..{LARGEST_PX} pixels; try {_even(width)}x{_even(height)}"
            )


def check_model_size(width: int, height: int) -> None:
    """Raise `SizeError` for a size no model paints; 0 follows the output size."""
    for length in (width, height):
        if length and not SMALLEST_PX <= length <= LARGEST_PX:
            raise SizeError(
                f"--model-size {width}x{height} is painted by no model: both sides must be "
                f"{SMALLEST_PX}..{LARGEST_PX} pixels; leave it out to follow the output size"
            )


def check_fps(fps: float) -> None:
    """Raise `LimitError` for an output rate outside 1..240 frames per second."""
    if not SLOWEST_FPS <= fps <= FASTEST_FPS:
        raise LimitError(
            f"--fps {fps:g} is outside {SLOWEST_FPS:g} to {FASTEST_FPS:g} frames per second; "
            "try 30"
        )


def check_ai_fps(fps: float | None) -> None:
    """Raise `LimitError` for a picture rate outside 0.1..240; None follows the output."""
    if fps is not None and not SLOWEST_AI_FPS <= fps <= FASTEST_FPS:
        raise LimitError(
            f"--ai-fps {fps:g} is outside {SLOWEST_AI_FPS:g} to {FASTEST_FPS:g} pictures per "
            "second; leave it out for one picture per frame"
        )


def check_seconds(seconds: float | None) -> None:
    """Raise `LimitError` for a length that is not more than 0 and at most a week; None: all."""
    if seconds is not None and not 0.0 < seconds <= LONGEST_S:
        raise LimitError(
            f"--seconds {seconds:g} is no length: give more than 0 and at most {LONGEST_S:.0f}, "
            "or leave it out"
        )


def check_start(start_s: float) -> None:
    """Raise `LimitError` for a start that is negative or no number."""
    if not (start_s >= 0.0 and math.isfinite(start_s)):
        raise LimitError(f"--start {start_s:g} is no place in a track: give 0 s or later")


def check_param(name: str, value: float | None) -> None:
    """Raise `LimitError` when `value` is outside the table's range of a parameter; None: unset."""
    spec = PARAMS[name]
    if value is not None and not spec.low <= value <= spec.high:
        figure = str(value) if spec.integer else f"{value:g}"
        raise LimitError(
            f"--{spec.label} {figure} is outside {spec.low:.6g} to {spec.high:.6g}; "
            f"usual is {spec.default:g}"
        )


def check_threads(threads: int) -> None:
    """Raise `LimitError` for a thread count outside 0..1024; 0 means all cores."""
    if not 0 <= threads <= MOST_THREADS:
        raise LimitError(
            f"--threads {threads} is outside 0 (all cores) to {MOST_THREADS}; leave it out"
        )


def check_prompts(texts: Sequence[str]) -> None:
    """Raise `LimitError` for a prompt that says nothing or is longer than 2000 characters."""
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise LimitError(f"prompt {number} of {len(texts)} is empty: say what to paint")
        if len(text) > LONGEST_PROMPT:
            raise LimitError(
                f"prompt {number} of {len(texts)} has {len(text)} characters and at most "
                f"{LONGEST_PROMPT} are read: shorten it, or give several with --prompt"
            )


def _even(length: int) -> int:
    nearest = min(max(length, SMALLEST_PX), LARGEST_PX)
    return nearest - nearest % 2
