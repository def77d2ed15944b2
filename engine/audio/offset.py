"""The offset of musical time from host time, as a sound device's own clock shows it."""

from __future__ import annotations

EASE_GAIN = 0.02
EASE_RESET_S = 0.1


def eased_offset_s(
    old_s: float | None, seen_s: float, *, gain: float = EASE_GAIN, reset_s: float = EASE_RESET_S
) -> float:
    """Return the offset to go on with after `seen_s` was seen; `old_s` is None before the first.

    Blocks come unevenly, so it moves by a share `gain` only; what is off by more than `reset_s` is
    another clock, and is believed at once. Any thread, never blocks.
    """
    if old_s is None or abs(seen_s - old_s) > reset_s:
        return seen_s
    return old_s + gain * (seen_s - old_s)
