"""The seam between sound and the prompt space of a model: what goes in, what comes out.

Whatever turns sound into conditioning (raw spectra, an audio projector, a mapper) is a
`SoundEncoding`: a stretch of sound, or what a listener's network made of it, becomes rows as a
text encoder would have written them. NumPy at the seam, so that nobody has to know where the other
runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.messages import Float32

VIEWS = ("foreground", "background", "atmosphere")
"""What an audio projector is shown: the percussive part, the harmonic part, a long slow window."""


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """The prompt space of a model."""

    tokens: int
    """Rows of a prompt."""
    width: int
    pooled_width: int = 0
    """Of the one vector for the whole prompt; 0: the model has none."""

    def __str__(self) -> str:
        pooled = f" + {self.pooled_width}" if self.pooled_width else ""
        return f"{self.tokens} x {self.width}{pooled}"


@dataclass(frozen=True, slots=True)
class SoundMoment:
    """The sound that a picture answers."""

    samples: Float32
    """Mono, `(n,)`, the newest last; n may be anything, silence stands before the beginning."""
    sample_rate: int
    encoder: str = ""
    """Which network made `views`, as `AdapterCard.encoder` names it; empty: none has."""
    views: tuple[Float32, ...] = ()
    """One vector per `VIEWS`; empty until the encoder has answered."""
    margin: int | None = None
    """Of a slice, all of which is encoded however short it is: so many samples at either end are
    not part of it, but what its first and last spectra reach into. None: a window, whose newest
    part is encoded."""
    sample_index: int = -1
    """One past the newest sample; two moments of one index are the same. -1: unknown."""


@dataclass(frozen=True, slots=True)
class SoundEmbedding:
    """Conditioning as a text encoder would have written it."""

    tokens: Float32
    """`(TargetSpec.tokens, TargetSpec.width)`."""
    pooled: Float32 | None = None
    """`(TargetSpec.pooled_width,)`; None where the encoding has nothing to say about it."""


@dataclass(frozen=True, slots=True)
class LevelShares:
    """What the bars in the window show."""

    assignment: Float32
    """A: which token speaks for which level, `(10, 3)`."""
    weights: Float32
    """w: how much foreground, background and atmosphere count, `(3,)`."""


def stepped(sample_index: int, step_s: float, sample_rate: int) -> int:
    """The newest whole step up to a sample; the sample itself without steps."""
    step = round(step_s * sample_rate)
    return sample_index if step < 1 else sample_index - sample_index % step


class SoundEncoding(Protocol):
    """Turns sound into conditioning for one model. Diffusion thread only."""

    @property
    def encoder(self) -> str:
        """Whose `SoundMoment.views` it needs; empty: samples are enough."""
        ...

    @property
    def window_s(self) -> float:
        """How much sound it looks at, seconds."""
        ...

    @property
    def step_s(self) -> float:
        """How often it wants to be asked, seconds of sound; 0: for every picture."""
        ...

    @property
    def message(self) -> str:
        """One line while it cannot answer, or not to be trusted; else empty."""
        ...

    def embed(self, moment: SoundMoment) -> SoundEmbedding | None:
        """Encode; None while there is nothing to encode: silence, or no views yet."""
        ...
