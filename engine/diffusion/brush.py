"""`Brush`: a model that can be asked for; `AwaitedBrush`: one whose files are being read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from engine.protocols import ImageModel
from engine.threads import Worker

ModelOpener = Callable[[], ImageModel]
"""Opens a model; called on the diffusion thread."""


@dataclass(frozen=True, slots=True)
class Brush:
    """A model that can be asked for."""

    name: str
    """Its name, folder or hub id, by which it can be asked for again."""
    opener: ModelOpener
    size: str = ""
    """What it was asked to paint, for messages: `768x768`."""
    smaller: Callable[[], Brush | None] = lambda: None
    """The same model with fewer pixels; None where they are few already."""
    check: Callable[[], None] = lambda: None
    """A look of milliseconds; raises `EngineError` for what cannot be opened."""
    ahead: Callable[[Event], None] | None = None
    """What is done on the thread `loader` before the model is opened, so that what paints goes on
    meanwhile: reading its files. It runs no torch operation and ends when told to. None: nothing,
    the model is open at once."""


class AwaitedBrush:
    """The brush that was asked for last, until it is opened. Diffusion thread only.

    What its `ahead` raises is forgotten: opening it raises the same, where it can be shown.
    """

    def __init__(self) -> None:
        self.brush: Brush | None = None
        self._loader: Worker | None = None

    @property
    def name(self) -> str:
        """Its name; empty where none is awaited."""
        return self.brush.name if self.brush is not None else ""

    @property
    def begun(self) -> bool:
        """Whether its files are being read, or need not be."""
        return self._loader is not None or self.brush is None or self.brush.ahead is None

    def ask(self, brush: Brush) -> None:
        """Await this one, and no other any more; where its check raises, the one of before."""
        brush.check()
        if self._loader is not None:
            self._loader.stopping.set()
        self.brush, self._loader = brush, None

    def is_read(self) -> bool:
        """Whether it can be opened now; begins to read where nothing has begun."""
        if self._loader is None and self.brush is not None and self.brush.ahead is not None:
            self._loader = Worker("loader", self.brush.ahead)
            self._loader.start()
        return self._loader is None or not self._loader.alive

    def take(self) -> Brush:
        """Return it, and await nothing any more."""
        brush = self.brush
        assert brush is not None, "no brush is awaited"
        self.brush = self._loader = None
        return brush

    def close(self) -> None:
        """Have the reading end, at its next slice or library; nobody needs to wait for that."""
        if self._loader is not None:
            self._loader.stopping.set()
