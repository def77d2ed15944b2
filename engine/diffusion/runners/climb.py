"""The show starts on the runner that needs nothing and climbs while it runs.

| step | begins | `name` |
|---|---|---|
| eager | with the first picture | `eager` |
| graph | after three frames of a kind (CUDA) | `graph` |
| compiled networks in the graph | when the workshop is done | `compile` |

Every step is taken between two frames, and what cannot be taken leaves the show where it is, with
one line that says why.
"""

from __future__ import annotations

import logging

from engine.diffusion.frame import FrameMode
from engine.diffusion.runners.compiled import Compilable, Workshop, load_parts
from engine.diffusion.runners.frames import FrameRunner, RecordedFrames
from engine.errors import ModelLoadError

logger = logging.getLogger(__name__)


class ClimbingFrames:
    """Runs frames on `below` and gives its program compiled networks when they are there."""

    def __init__(
        self,
        below: FrameRunner,
        bundle: Compilable,
        size: tuple[int, int],
        workshop: Workshop,
    ) -> None:
        self.message = "compiling faster networks beside the show"
        self._below = below
        self._bundle = bundle
        self._size = size
        self._workshop: Workshop | None = workshop
        self._compiled = False

    @property
    def name(self) -> str:
        """See `FrameRunner`."""
        return "compile" if self._compiled else self._below.name

    @property
    def stepwise(self) -> bool:
        """See `FrameRunner`."""
        return self._below.stepwise

    def run(self, mode: FrameMode) -> None:
        """See `FrameRunner`; between two frames of a show it may take over networks."""
        if self._workshop is not None:
            self._look(self._workshop)
        self._below.run(mode)

    def close(self) -> None:
        """See `FrameRunner`."""
        if self._workshop is not None:
            self._workshop.close()
            self._workshop = None
        self._below.close()

    def _look(self, workshop: Workshop) -> None:
        if workshop.progress() == "building":
            return
        self.message = ""
        try:
            workshop.wait()  # it has ended: this only says how
            self._bundle.use(load_parts(workshop.folder, self._bundle.parts(*self._size)))
        except ModelLoadError as error:
            self.message = f"the show stays on {self.name}: {error}"
            logger.info("%s", self.message)
        else:
            self._compiled = True
            if isinstance(self._below, RecordedFrames):
                self._below.forget()
        workshop.close()
        self._workshop = None
