"""The `semantic` thread: listens to what the sound is about, beside the analysis."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from engine.errors import ModelLoadError, OverrunError
from engine.mailbox import Latest
from engine.messages import AudioFeatures, Float32, SemanticState
from engine.protocols import Listener
from engine.runtime.source_slot import SourceSlot
from engine.semantic.bank import Bank
from engine.semantic.far_ears import FarEars
from engine.semantic.far_hearing import FarHearing
from engine.semantic.sound_memory import SoundMemory
from engine.semantic.stage import SemanticStage

logger = logging.getLogger(__name__)

WAIT_S = 0.1
_SAFE_SHARE = 0.75
"""Of a ring: what is older may be overwritten while it is read."""


class SemanticLoop:
    """Reads the newest window of the source every step; late, it skips and never catches up.

    Nothing here is on the way from sound to picture: the analysis looks at `states` when it
    likes. A listener that cannot be opened is one message, and descriptors take its place.
    """

    def __init__(
        self,
        slot: SourceSlot,
        features: Latest[AudioFeatures],
        gain_db: Callable[[], float],
        open_listener: Callable[[threading.Event], Listener | None],
        bank: Bank,
        far: FarHearing | None = None,
    ) -> None:
        """`far` hears for adapters, from windows of the same reading."""
        self.states: Latest[SemanticState] = Latest()
        """The newest state. Any thread may read."""
        self.message = ""
        """One line when the listener could not be opened or is not to be trusted.

        Any thread may read.
        """
        self._slot = slot
        self._features = features
        self._gain_db = gain_db
        self._open_listener = open_listener
        self._bank = bank
        self._far = far or FarHearing(FarEars())
        self._listener: Listener | None = None  # semantic thread only

    def run(self, stopping: threading.Event) -> None:
        """Listen until `stopping` is set. Semantic thread."""
        stage = self._open_stage(stopping)
        try:
            self._listen(stage, stopping)
        finally:
            stage.close()
            self._far.close()

    def _open_stage(self, stopping: threading.Event) -> SemanticStage:
        try:
            self._listener = self._open_listener(stopping)
            return SemanticStage(self._listener, self._bank)
        except ModelLoadError as error:
            if not stopping.is_set():
                logger.warning("%s", error)
                self.message = str(error)
            self._listener = None
            return SemanticStage(None, self._bank)

    def _listen(self, stage: SemanticStage, stopping: threading.Event) -> None:
        number, due = -1, 0
        memory = SoundMemory(stage.window_s)
        while not stopping.is_set():
            heard = self._slot.heard
            if heard is None:
                stopping.wait(WAIT_S)
                continue
            ring, rate = heard.source.ring, heard.source.sample_rate
            step = round(stage.step_s * rate)
            if number != heard.number:
                number, due = heard.number, ring.written + step
                memory = SoundMemory(stage.window_s)
                self._far.begin_anew()
            if not ring.wait(due, WAIT_S):
                continue
            due += (ring.written - due) // step * step  # late: what was due meanwhile is dropped
            wanted_s = max(stage.window_s, self._far.window_s)
            count = min(round(wanted_s * rate), due, round(_SAFE_SHARE * ring.capacity))
            try:
                window: Float32 = ring.read(due - count, count).mean(axis=1)
            except OverrunError:
                due = ring.written + step
                continue
            memory.hear(window, rate, due)  # a ring holds less than some listeners want
            self.states.put(
                stage.step(memory.samples, rate, due, self._features.get(), self._gain_db())
            )
            self.message = stage.message or self.message
            self._far.step(window, rate, due, self._listener)
            due += step
