"""What goes through the pipe to a network in a process of its own, and what comes back.

Answered in order. Sound lies in the shared memory, which the parent writes only while no window is
asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.messages import Float32

Kind = Literal["views", "vector", "sequence"]
"""What an adapter hears of a sound: three views, one vector, or one vector after the other."""


@dataclass(frozen=True, slots=True)
class Window:
    """Asks for the direction of what lies in the shared memory."""

    count: int
    """Samples, mono."""
    sample_rate: int
    also: Kind | None = None
    """What an adapter hears of the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To a `Window`."""

    direction: Float32
    """Unit `(width,)`."""
    also: tuple[Float32, ...] = ()
    """As in `Found`; empty where nothing else was asked for."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Asks for what an adapter hears of what lies in the shared memory."""

    kind: Kind
    count: int
    """Samples, mono."""
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Found:
    """To an `Ask`."""

    vectors: tuple[Float32, ...]
    """Three views `(width,)`, one vector `(width,)`, or one sequence `(n, width)`."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Asks for the directions of texts."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vectors:
    """To `Texts`."""

    vectors: Float32
    """Shape `(texts, width)`."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The first message of an encoder that only adapters ask."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The first message of CLAP: it is loaded."""

    width: int
    temperature: float
    digest: str
    on_gpu: bool
    likeness: float
    """Of sounds that are nothing like each other; see `clap_process.likeness`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The last message: one line for the user."""

    line: str
