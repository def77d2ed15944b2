"""The way between two moments of a show, bounded so that a slow painter keeps its picture.

Diffusion moves the previous picture by the same way by which the composer carries the newest one,
so that the hand-over from one picture to the next is not seen.
"""

from __future__ import annotations

import math

from engine.messages import Travel

EXACT_ZOOM = 0.35
MOST_ZOOM = 0.9
"""Up to `EXACT_ZOOM` (in log zoom) the way is exact; beyond, it bends towards `MOST_ZOOM`."""
EXACT_PAN = 0.25
MOST_PAN = 0.6
EXACT_WARP_S = 0.5
MOST_WARP_S = 1.2
"""Of the seconds by which `motion/warp` = 1 bends a picture."""


def way_between(before: Travel, after: Travel) -> Travel:
    """Return the difference of two travels, bounded so that a stalled picture stays a picture.

    While diffusion keeps up the way is small and exact. When it stalls for seconds, zoom, pan and
    warp slow down softly instead of flying into a few grey pixels.
    """
    return Travel(
        log_zoom=_bounded(after.log_zoom - before.log_zoom, EXACT_ZOOM, MOST_ZOOM),
        rotation_deg=after.rotation_deg - before.rotation_deg,
        pan_x=_bounded(after.pan_x - before.pan_x, EXACT_PAN, MOST_PAN),
        pan_y=_bounded(after.pan_y - before.pan_y, EXACT_PAN, MOST_PAN),
        noise_rad=after.noise_rad - before.noise_rad,
        warp_s=_bounded(after.warp_s - before.warp_s, EXACT_WARP_S, MOST_WARP_S),
    )


def _bounded(value: float, exact: float, most: float) -> float:
    beyond = abs(value) - exact
    if beyond <= 0.0:
        return value
    room = most - exact
    return math.copysign(exact + room * math.tanh(beyond / room), value)
