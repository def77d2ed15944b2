"""Found times against true ones: what is counted as found, and the F of it."""

from __future__ import annotations

from collections.abc import Sequence


def matched(found_s: Sequence[float], true_s: Sequence[float], window_s: float) -> list[float]:
    """Those found within `window_s` of a truth, each truth taken once, in order of time."""
    found, true = sorted(found_s), sorted(true_s)
    hits: list[float] = []
    i = j = 0
    while i < len(found) and j < len(true):
        late_s = found[i] - true[j]
        if abs(late_s) <= window_s:
            hits.append(found[i])
            i, j = i + 1, j + 1
        elif late_s < 0.0:
            i += 1
        else:
            j += 1
    return hits


def f_of(hits: int, found: int, true: int) -> float:
    """F, the harmonic mean of precision and recall; 0 where nothing was found or there."""
    return 2.0 * hits / max(found + true, 1)
