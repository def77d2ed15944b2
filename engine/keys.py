"""The 24 keys: their numbers, names and profiles, and where they lie on the circle of fifths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TONICS: tuple[str, ...] = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

KEY_NAMES: tuple[str, ...] = tuple(
    f"{tonic} {mode}" for mode in ("major", "minor") for tonic in TONICS
)
"""What the numbers of `messages.Tonal.key` mean: 0 is C major, 12 is C minor."""

# Temperley, What's Key for Key?, Music Perception 17 (1999), from the tonic up; but with more of
# the seventh of natural minor, as the songs of today have it, than of harmonic minor. With his own
# minor the relative key was taken for the true one in 60 % of the loops that this was tuned on.
_MAJOR = (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0)
_MINOR = (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 3.75, 2.0)


def is_minor(key: int) -> bool:
    """Whether a key number means a minor key."""
    return key >= len(TONICS)


def relative(key: int) -> int:
    """The key of the same notes in the other mode: A minor for C major."""
    tonics = len(TONICS)
    return (key + 3) % tonics if is_minor(key) else (key + 9) % tonics + tonics


def fifths(key: int) -> int:
    """Steps of a key from C major on the circle of fifths, 0..11; a minor key is at its relative.

    So keys of the same notes are at the same place, and G major (1) is a neighbour of C major (0).
    """
    major = relative(key) if is_minor(key) else key
    return 7 * major % len(TONICS)


def key_scores(pitch_classes: NDArray[Any]) -> NDArray[np.float64] | None:
    """How well each key explains the strengths of the pitch classes, `(12,)`, C first.

    Returns correlations `(24,)` in [-1, 1], or None where no class is stronger than the others.
    After Krumhansl and Schmuckler, with Temperley's profiles.
    """
    around = pitch_classes - pitch_classes.mean()
    size = float(np.sqrt(np.dot(around, around)))
    return _PROFILES @ (around / size) if size > 1e-9 else None


def _unit_profiles() -> NDArray[np.float64]:
    """All profiles, `(24, 12)`, each of mean 0 and length 1."""
    rows = [np.roll(row, tonic) for row in (_MAJOR, _MINOR) for tonic in range(len(TONICS))]
    table = np.array(rows) - np.mean(rows, axis=1, keepdims=True)
    result: NDArray[np.float64] = table / np.linalg.norm(table, axis=1, keepdims=True)
    return result


_PROFILES = _unit_profiles()
