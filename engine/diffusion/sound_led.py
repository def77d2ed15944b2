"""What models can do whose prompt may be mixed with sound. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from engine.conditioning.encodings import AdapterShelf
from engine.conditioning.sound_embedding import LevelShares, SoundMoment

HeardPart = tuple[SoundMoment, float]
"""A sound and its share of the picture."""


@runtime_checkable
class SoundLed(Protocol):
    """An image model whose prompt may be mixed with sound. `diffusion` thread only."""

    @property
    def sound_message(self) -> str:
        """One line on why the sound is not in the picture though it is asked for; else empty."""
        ...

    @property
    def sound_levels(self) -> LevelShares | None:
        """What a projector found in the newest sound; None without one."""
        ...

    @property
    def sound_adapter(self) -> tuple[str, Path] | None:
        """The encoding and the file of the adapter that is open; None without one."""
        ...

    @property
    def sound_unread(self) -> tuple[str, ...]:
        """Parameters of sound that the open encoding does not read; empty while none is open."""
        ...

    def use_adapters(self, shelf: AdapterShelf) -> None:
        """Say which adapters there are."""
        ...

    def exchange_adapter(self, name: str, shelf: AdapterShelf) -> None:
        """Use these adapters from now on if the one of encoding `name` can be opened.

        Raises `ModelLoadError`: those of before are then used on.
        """
        ...

    def sound_window_s(self, values: Mapping[str, float]) -> float:
        """How much sound the next picture wants to hear; 0: none."""
        ...

    @property
    def sound_step_s(self) -> float:
        """After how much sound it wants to be given another; 0: at every picture."""
        ...

    def hear(self, parts: Sequence[HeardPart]) -> None:
        """Take the sound of the next picture; shares sum to 1, and none at all is silence."""
        ...
