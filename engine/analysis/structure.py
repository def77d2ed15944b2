"""`StructureTracker`: the form of the music, from sections down to a drop."""

from __future__ import annotations

import numpy as np

from engine.analysis.buildup import BuildUp
from engine.analysis.moment import MomentMaker
from engine.analysis.section import SectionTracker
from engine.messages import Float32, Structure


class StructureTracker:
    """Runs moments, sections and build-ups side by side. Analysis thread only."""

    def __init__(self, frequencies_hz: np.ndarray, dt_s: float) -> None:
        self._moments = MomentMaker(frequencies_hz, dt_s)
        self._sections = SectionTracker()
        self._buildup = BuildUp(frequencies_hz, dt_s)
        self._silent = True

    def step(
        self, power: Float32, centroid: float, level_db: float, onset_count: int, *, silent: bool
    ) -> Structure:
        """Take the power per bin of the exact spectrum and what else was heard in this hop.

        `level_db` and `power` after the gain. Stands still while silent.
        """
        self._buildup.step(power, centroid, level_db, onset_count, silent=silent)
        if silent and not self._silent:
            self._sections.pause()
        self._silent = silent
        moment = self._moments.step(power, onset_count, silent=silent)
        if moment is not None:
            self._sections.step(moment)
        return Structure(
            novelty=self._sections.novelty,
            build=self._buildup.build,
            drop_count=self._buildup.drop_count,
            section_count=self._sections.section_count,
            section=self._sections.section,
            heard_before=self._sections.heard_before,
            section_delay_s=self._sections.delay_s,
        )
