"""What a scene is: a painter with named attributes that captions can speak of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

Values = Mapping[str, "torch.Tensor"]
"""Attribute name -> shape `(b,)`, float32 in [0, 1]: one value per picture of the batch."""


class Painter(Protocol):
    """Paints a batch of pictures of one scene; pure: the same arguments give the same pixels."""

    def __call__(
        self, values: Values, generator: torch.Generator, height: int, width: int
    ) -> torch.Tensor:
        """Return `(b, 3, height, width)`, float32 sRGB in [0, 1], on the generator's device."""
        ...


@dataclass(frozen=True, slots=True)
class Attribute:
    """A continuous property of a scene, in [0, 1].

    `words` cuts [0, 1] into equal ranges, lowest first; each range is a tuple of synonyms for that
    range ("calm", "still"), or an empty tuple where people would not mention it. `natural` names
    ranges by their first word: what one expects where nothing is said (a fire is orange). They are
    painted more often, and only pictures of them may be left without that word.
    """

    name: str
    words: tuple[tuple[str, ...], ...]
    natural: tuple[str, ...] = ()

    def range_of(self, value: float) -> int:
        """Index into `words` of the range that `value` in [0, 1] lies in."""
        return min(int(value * len(self.words)), len(self.words) - 1)

    def natural_ranges(self) -> tuple[int, ...]:
        """Indices into `words` of the natural ranges, empty where none is more natural."""
        first = [words[0] if words else "" for words in self.words]
        return tuple(first.index(word) for word in self.natural)


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing ember can paint.

    `phrases` are ways to name it in a prompt ("a sunset over the sea"); `attributes` say how it
    varies; `paint` paints it.
    """

    name: str
    phrases: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    paint: Painter
