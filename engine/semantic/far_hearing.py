"""`FarHearing`: looks after the process by which a show's adapters hear. Semantic thread only."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial

from engine.conditioning.encoder_names import CLAP
from engine.errors import ModelLoadError
from engine.messages import Float32
from engine.protocols import Listener
from engine.semantic import clap_process, ear_process
from engine.semantic.clap import (
    CPU_PERIOD_S,
    GPU_PERIOD_S,
    LIKENESS_LIMIT,
    LOAD_S,
    OVERDUE_S,
    ClapListener,
)
from engine.semantic.clap_encoder import open_clap
from engine.semantic.clap_folder import DEFAULT_CLAP, clap_folder
from engine.semantic.far_ears import FarEars, FarHeard, Wish, title, waiting
from engine.semantic.far_process import LONGEST_S, FarProcess, FarWork
from engine.semantic.process_messages import Ask, Found, Kind, Opened, Ready
from engine.semantic.sound_memory import SoundMemory

logger = logging.getLogger(__name__)

VGGISH_PERIOD_S = 0.5
ASKED_S = 5.0
"""Musical time since the newest picture that wanted to hear, for which sound still goes over."""
IDLE_S = 120.0
"""Musical time after which a process that nobody asks is let go, with its memory."""
REMEDY = "load the adapter again, or one that hears ear"
UNTRUSTED = "CLAP hardly tells sounds apart, so the picture follows none: fetch it again"

OpenWork = Callable[[str], FarWork]
"""What is to be done in the process of an encoder, by its name. Raises `ModelLoadError`."""


def work_of(encoder: str, device: str = "auto") -> FarWork:
    """Return the process of an encoder; `device` computes CLAP. Raises `ModelLoadError`."""
    if encoder == CLAP:
        opener = partial(open_clap, clap_folder(DEFAULT_CLAP), device)
        return FarWork("CLAP", clap_process.serve, opener)
    return FarWork("VGGish", ear_process.serve, partial(ear_process.open_alone, encoder))


class FarHearing:
    """Hands the newest sound to the process when it is idle; nothing is ever queued or waited for.

    A listener that is CLAP with the same weights hears for the adapters too, in its own process.
    A process that fails is one line, until the next adapter is opened.
    """

    def __init__(self, ears: FarEars, open_work: OpenWork = work_of) -> None:
        self._ears = ears
        self._open_work = open_work
        self._memory = SoundMemory(LONGEST_S)
        self._index: int | None = None  # one past the newest sample of the step before
        self._process: FarProcess | None = None
        self._encoder = ""  # of the process
        self._wish: Wish | None = None
        self._version = 0  # of the newest wish seen
        self._pending: Kind | None = None  # what the process is asked
        self._outdated = False  # the answer to that is of another source
        self._opened = False
        self._failed = False
        self._shared = False
        self._message = ""  # beside what is heard
        self._period_s = VGGISH_PERIOD_S
        self._since_s = math.inf  # musical time since a window was handed over, or the start
        self._idle_s = 0.0

    @property
    def window_s(self) -> float:
        """How much sound it wants to be given at a step at least; 0: none."""
        return 0.0 if self._wish is None else 2.0

    @property
    def _wanted(self) -> bool:
        return self._opened and self._idle_s < ASKED_S

    def begin_anew(self) -> None:
        """Forget what was heard: the next sound is another source's."""
        self._memory, self._index = SoundMemory(LONGEST_S), None
        self._outdated = self._pending is not None
        if self._opened and not self._outdated:
            self._since_s = math.inf
        if self._wish is not None and not self._failed:
            self._ears.heard.put(FarHeard(self._wish, (), waiting(self._wish.encoder)))

    def step(
        self, window: Float32, sample_rate: int, sample_index: int, listener: Listener | None
    ) -> None:
        """Take mono `window`, which ends at `sample_index`; never waits."""
        wish, version = self._ears.wished.get(), self._ears.wished.version
        if wish is None:
            return
        asked, self._version = version != self._version, version
        before, self._index = self._index, sample_index
        dt_s = 0.0 if before is None else max(0, sample_index - before) / sample_rate
        self._idle_s = 0.0 if asked else self._idle_s + dt_s
        self._since_s += dt_s
        self._memory.hear(window, sample_rate, sample_index)
        if isinstance(listener, ClapListener):
            listener.also = None  # unless it is shared, below
        if wish != self._wish:
            self._turn_to(wish)
        if self._failed:
            return
        try:
            self._hear(wish, listener, asked=asked)
        except ModelLoadError as error:
            self._fail(wish, str(error))

    def close(self) -> None:
        """End the process; idempotent."""
        if self._process is not None:
            self._process.close()
        self._process, self._pending, self._opened = None, None, False
        self._outdated, self._message = False, ""

    def _turn_to(self, wish: Wish) -> None:
        if wish.encoder != self._encoder:
            self.close()
        self._wish, self._failed, self._shared = wish, False, False
        self._ears.heard.put(FarHeard(wish, (), waiting(wish.encoder)))

    def _hear(self, wish: Wish, listener: Listener | None, *, asked: bool) -> None:
        shared = listener if isinstance(listener, ClapListener) else None
        if shared is not None and self._process is None and _has_weights_of(wish, shared):
            self._hear_with(wish, shared)
            return
        if self._shared:
            raise ModelLoadError("the listener's CLAP has ended")
        if self._process is None:
            if asked:
                self._start(wish)
            return
        self._receive(wish, self._process)
        self._watch(self._process)
        if self._idle_s >= IDLE_S:
            self.close()
            self._ears.heard.put(FarHeard(wish, (), waiting(wish.encoder)))
        elif self._wanted and self._pending is None and self._since_s >= self._period_s:
            self._hand_over(wish, self._process)

    def _hear_with(self, wish: Wish, listener: ClapListener) -> None:
        """Have the listener's process hear for the adapter too, with the same window."""
        self._shared, self._message = True, listener.warning and UNTRUSTED
        listener.also = wish.kind if self._idle_s < ASKED_S else None
        found, listener.found = listener.found, None
        if found is not None:
            self._publish(wish, *found)

    def _start(self, wish: Wish) -> None:
        self._process = FarProcess(self._open_work(wish.encoder))
        self._encoder, self._since_s = wish.encoder, 0.0
        self._opened, self._pending = False, None

    def _receive(self, wish: Wish, process: FarProcess) -> None:
        while (message := process.receive(0.0)) is not None:
            match message:
                case Ready(on_gpu=on_gpu, likeness=likeness):
                    self._period_s = GPU_PERIOD_S if on_gpu else CPU_PERIOD_S
                    self._begin(UNTRUSTED if not likeness < LIKENESS_LIMIT else "")
                case Opened():
                    self._period_s = VGGISH_PERIOD_S
                    self._begin("")
                case Found(vectors):
                    kind, self._pending = self._pending, None
                    outdated, self._outdated = self._outdated, False
                    if outdated:
                        self._since_s = math.inf
                    elif kind is not None:
                        self._publish(wish, kind, vectors)

    def _begin(self, message: str) -> None:
        self._opened, self._message, self._since_s = True, message, math.inf

    def _watch(self, process: FarProcess) -> None:
        limit_s = OVERDUE_S if self._opened else LOAD_S
        if (self._pending is not None or not self._opened) and self._since_s > limit_s:
            raise process.fail(f"{process.name} has not answered for {limit_s:.0f} s")

    def _hand_over(self, wish: Wish, process: FarProcess) -> None:
        rate = self._memory.sample_rate
        process.hand_over(self._memory.samples, lambda count: Ask(wish.kind, count, rate))
        self._pending, self._since_s = wish.kind, 0.0

    def _publish(self, wish: Wish, kind: Kind, vectors: tuple[Float32, ...]) -> None:
        if kind != wish.kind:  # asked for the adapter of before
            return
        width = vectors[0].shape[-1]
        if width != wish.width:
            raise ModelLoadError(
                f"the adapter hears {wish.width} numbers of {title(wish.encoder)}, this one has "
                f"{width}"
            )
        self._ears.heard.put(FarHeard(wish, vectors, self._message))

    def _fail(self, wish: Wish, line: str) -> None:
        self.close()
        self._failed = True
        line = f"the sound is not in the picture: {line}; {REMEDY}"
        logger.warning("%s", line)
        self._ears.heard.put(FarHeard(wish, (), line))


def _has_weights_of(wish: Wish, listener: ClapListener) -> bool:
    return wish.encoder == CLAP and listener.loaded and listener.model == DEFAULT_CLAP
