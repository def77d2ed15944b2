"""The curves a route may bend its source with, and the ease of a prompt transition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

GATE = 0.5
MELT = 0.35
"""k of `melt`: the speed at both ends is 1 + k, in the middle 1 - k."""


def smoothstep(x: float) -> float:
    """Return 3x^2 - 2x^3 of `x` clamped to [0, 1]: level at both ends."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3.0 - 2.0 * x)


def melt(x: float) -> float:
    """Return x + k sin(2 pi x) / (2 pi) of `x` clamped to [0, 1]: slower in the middle.

    A painter hardly turns while one prompt outweighs the other and turns fast where they are
    even. Eased towards the ends (smoothstep) its largest step in six morphs of ember v1 was 4.3
    times the median one, with constant speed 3.1, with this 2.2 (`sonolume bench ember --morph`).
    """
    x = min(max(x, 0.0), 1.0)
    return x + MELT * math.sin(2.0 * math.pi * x) / (2.0 * math.pi)


SHAPES: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {
        "linear": lambda x: x,
        "square": lambda x: x * x,
        "root": math.sqrt,
        "smooth": smoothstep,
        "gate": lambda x: 1.0 if x >= GATE else 0.0,
    }
)
"""Name (`engine.params.CURVES`) -> curve from [0, 1] to [0, 1]."""


def bend(curve: str, x: float) -> float:
    """Apply a curve to a source in [-1, 1]; negative values bend as their mirror image."""
    x = min(max(x, -1.0), 1.0)
    return math.copysign(SHAPES[curve](abs(x)), x) if x else 0.0
