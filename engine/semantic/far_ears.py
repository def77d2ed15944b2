"""Where a show's adapters ask for what a slow network hears, and where it is answered.

CLAP and VGGish would stop the picture, so they work in a process of their own, which the semantic
thread looks after (`far_hearing`). Painting takes the newest vectors that have come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.conditioning.raw_encoding import SILENCE_RMS, loudness_rms
from engine.conditioning.sound_embedding import SoundMoment
from engine.mailbox import Latest
from engine.messages import Float32
from engine.semantic.process_messages import Kind


@dataclass(frozen=True, slots=True)
class Wish:
    """What an adapter that is open wants to hear."""

    opening: int
    """Counts adapters opened: what failed for one is tried again for the next."""
    encoder: str
    """`clap`, `vggish` or `vggish-quantised`."""
    kind: Kind
    width: int
    """How many numbers a vector must have."""


@dataclass(frozen=True, slots=True)
class FarHeard:
    """What has become of a wish."""

    wish: Wish
    vectors: tuple[Float32, ...] = ()
    """As in `process_messages.Found`; empty until the first answer, and after a failure."""
    message: str = ""
    """One line while the sound is not heard as it should be; else empty."""


def waiting(encoder: str) -> str:
    """The line until the first answer."""
    return f"the sound is not in the picture yet: {title(encoder)} is opened and listens first"


def title(encoder: str) -> str:
    """An encoder as the user knows it."""
    return "CLAP" if encoder == "clap" else "VGGish"


class FarEars:
    """Two mailboxes: wishes from the diffusion thread, vectors from the semantic thread."""

    def __init__(self) -> None:
        self.wished: Latest[Wish] = Latest()
        """Put again for every picture that is painted by it, so that an unheard one is known."""
        self.heard: Latest[FarHeard] = Latest()
        self._openings = 0  # diffusion thread only

    def ear(self, encoder: str, kind: Kind, width: int) -> FarEar:
        """Return what another adapter hears by. Diffusion thread only."""
        self._openings += 1
        return FarEar(self, Wish(self._openings, encoder, kind, width))


class FarEar:
    """What one open adapter hears. Diffusion thread only, never waits."""

    def __init__(self, ears: FarEars, wish: Wish) -> None:
        self._ears = ears
        self._wish = wish

    def newest(self) -> tuple[Float32, ...]:
        """Ask on, and return the newest vectors; the same objects until there are others."""
        self._ears.wished.put(self._wish)
        heard = self._heard()
        return () if heard is None else heard.vectors

    def message(self) -> str:
        """Why the sound is not in the picture; else empty."""
        heard = self._heard()
        return waiting(self._wish.encoder) if heard is None else heard.message

    def _heard(self) -> FarHeard | None:
        heard = self._ears.heard.get()
        return heard if heard is not None and heard.wish == self._wish else None


class FarSeer:
    """Gives a projector's moments the newest views; none in silence."""

    def __init__(self, ear: FarEar, encoder: str) -> None:
        self._ear = ear
        self._encoder = encoder
        self._moment: SoundMoment | None = None
        self._loud = False
        self._seen: SoundMoment | None = None

    def __call__(self, moment: SoundMoment) -> SoundMoment:
        """The moment with views, if there are any yet."""
        if moment is not self._moment:
            self._moment, self._seen = moment, None
            self._loud = loudness_rms(moment.samples) >= SILENCE_RMS  # NaN is none
        views = self._ear.newest() if self._loud else ()
        if self._seen is None or self._seen.views is not views:
            self._seen = replace(moment, encoder=self._encoder, views=views)
        return self._seen


class FarVector:
    """A mapper's `Hear`: the newest vector or sequence, whatever the samples."""

    def __init__(self, ear: FarEar) -> None:
        self._ear = ear

    def __call__(self, samples: Float32, sample_rate: int) -> Float32 | None:
        """None until there is one."""
        del samples, sample_rate
        vectors = self._ear.newest()
        return vectors[0] if vectors else None
