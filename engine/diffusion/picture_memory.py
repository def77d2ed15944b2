"""When a picture is remembered, and how much the next ones see of it: the host's side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from engine.diffusion.attention_memory import AttentionMemory
from engine.diffusion.bundle import Bundle, Remembers
from engine.diffusion.frame import FrameState

Recall = Literal["none", "seen", "kept"]
"""Whether a frame sees earlier ones, and whether it is kept for later ones."""

SLOT_S = 0.25
"""Picture time between two that are kept, however many pictures that is."""
MOST_SHARE = 0.97
"""Of what a picture sees, were all keys alike, that is remembered at an amount of 1. More changes
nothing any more: ember's steps between pictures are the same at 0.97 and 0.998."""
_EPSILON_S = 1e-6


class PictureMemory:
    """Plans a ring of pictures for a bundle that `Remembers`. Diffusion thread only.

    Written every `SLOT_S`, the newest slot comes in and the oldest goes out over the time between:
    what is seen changes gradually, and what is overwritten counts nothing any more.
    """

    def __init__(self, bundle: Bundle, state: FrameState) -> None:
        self._bundle = bundle
        self._state = state
        self._memory: AttentionMemory | None = None
        self._filled = self._newest = 0
        self._since_s = SLOT_S
        self._rows = 1
        self._wanted = False

    @property
    def message(self) -> str:
        """One line where a memory is asked for that the model does not have."""
        if not self._wanted or _can(self._bundle):
            return ""
        return (
            f"{self._bundle.name} cannot remember pictures: diffusion/memory changes nothing here "
            "(ember and Stable Diffusion 1.x, 2.x and XL can)"
        )

    def plan(self, amount: float, dt_s: float, *, guided: bool, fresh: bool) -> Recall:
        """Decide on the next frame, write its numbers and tell the bundle.

        A `fresh` picture grows from nothing and sees nothing.
        """
        self._wanted = amount > 0.0
        if not isinstance(self._bundle, Remembers):
            return "none"
        rows = 2 if guided else 1
        if amount <= 0.0 or rows != self._rows:
            self._begin()
        self._rows = rows
        if amount <= 0.0 or fresh or not _can(self._bundle):
            self._bundle.remember(None)
            return "none"
        memory = self._opened(self._bundle)
        self._since_s += dt_s
        memory.keeping = self._since_s >= SLOT_S - _EPSILON_S
        if memory.keeping:
            self._since_s = max(self._since_s, SLOT_S)  # so that the oldest counts nothing at all
        self._write_bias(amount, memory.slots)
        if memory.keeping:
            self._newest = (self._newest + 1) % memory.slots
            self._filled = min(self._filled + 1, memory.slots)
            self._since_s = min(max(0.0, self._since_s - SLOT_S), SLOT_S)
            self._state.params.set("memory_slot", self._newest)
        self._bundle.remember(memory)
        return "kept" if memory.keeping else "seen"

    def forget(self) -> None:
        """Forget all pictures."""
        if self._filled and self._memory is not None:
            self._memory.forget()
        self._begin()

    def state(self) -> dict[str, Any]:
        """Everything that the next picture sees of earlier ones."""
        kept = self._memory.state() if self._memory is not None and self._filled else None
        return {
            "ring": [self._filled, self._newest, self._rows], "since_s": self._since_s,
            "kept": kept,
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.forget()
        self._filled, self._newest, self._rows = state["ring"]
        self._since_s = state["since_s"]
        if state["kept"] is not None:
            assert isinstance(self._bundle, Remembers), "the state is of another model"
            self._opened(self._bundle).restore(state["kept"])

    def _begin(self) -> None:
        """Nothing is in the ring, and the next picture is kept."""
        self._filled = self._newest = 0
        self._since_s = SLOT_S

    def _opened(self, bundle: Remembers) -> AttentionMemory:
        """The memory, made when it is needed first and when a second row comes to be needed."""
        if self._memory is None or self._memory.rows < self._rows:
            state = self._state
            self._memory = bundle.open_memory(*state.size, self._rows, state.params)
            state.prompt_shape += 1  # what is recorded reads the one before
        return self._memory

    def _write_bias(self, amount: float, slots: int) -> None:
        """Write ln of what each slot counts, where the picture's own cells count 1."""
        share = amount * MOST_SHARE
        loud = share / (1.0 - share) / (slots - 1)  # as many as there are in full, see below
        bias = [-math.inf] * slots
        for slot, part in self._parts(slots).items():
            if part > 0.0:
                bias[slot] = math.log(loud * part)
        self._state.params.set("memory_bias", bias)

    def _parts(self, slots: int) -> dict[int, float]:
        """How far each slot is there: the newest comes in as the oldest goes out."""
        came_in = min(1.0, self._since_s / SLOT_S)
        parts = [1.0] * self._filled  # from the newest on
        if parts:
            parts[0] = came_in
        if self._filled == slots:
            parts[-1] = 1.0 - came_in
        return {(self._newest - rank) % slots: part for rank, part in enumerate(parts)}


def _can(bundle: object) -> bool:
    return isinstance(bundle, Remembers) and bundle.memory_slots > 0
