"""What people say of a picture that cannot be seen in it: remarks, and what is not there.

Without these, a network takes any word that it hears for something to paint: "a forest without a
castle" has a castle in it.
"""

from __future__ import annotations

import numpy as np

from engine.training.ember.aliases import ABSENCES, REMARKS

_REMARK_SHARE = 0.6
_DENIALS = ("no {}", "not {}", "without {}", "with no {}", "but no {}", "without any {}")
_MANY = "s"


def aside(rng: np.random.Generator, said: str) -> str:
    """A remark, or that something is absent which `said`, a description in lower case, has not."""
    if rng.random() < _REMARK_SHARE:
        return REMARKS[int(rng.integers(len(REMARKS)))]
    absent = [thing for thing in ABSENCES if thing.removesuffix(_MANY) not in said]
    return denial(rng, absent[int(rng.integers(len(absent)))])


def denial(rng: np.random.Generator, thing: str) -> str:
    """Say in one of several ways that there is no such thing or colour."""
    way = _DENIALS[int(rng.integers(len(_DENIALS)))]
    counted = way in ("not {}", "without {}") and not thing.endswith(_MANY) and thing in ABSENCES
    return way.format(f"a {thing}" if counted else thing)


def words_of_asides() -> tuple[str, ...]:
    """Every text that an aside can be made of."""
    return (*REMARKS, *ABSENCES, *(way.format("") for way in _DENIALS))
