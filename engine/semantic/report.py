"""A whole file, listened to as the live show would: what `sonolume listen` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.errors import ModelLoadError
from engine.messages import AudioFeatures, Float32, SemanticState
from engine.protocols import Listener
from engine.semantic.bank import Bank
from engine.semantic.descriptors import DESCRIPTORS
from engine.semantic.listener_names import DESCRIPTORS_ALONE
from engine.semantic.stage import SemanticStage, SemanticStream


@dataclass(frozen=True, slots=True)
class FileHeard:
    """What a file is about."""

    labels: tuple[str, ...]
    listener: str
    times_s: tuple[float, ...]
    """End of each window, in the file's time."""
    states: tuple[SemanticState, ...]
    message: str = ""
    """One line when the listener cannot be trusted."""

    def spans(self) -> list[tuple[float, float, int]]:
        """Stretches `(start_s, end_s, label)` in which one label is held, -1 for none."""
        found: list[tuple[float, float, int]] = []
        before_s = 0.0
        for time_s, state in zip(self.times_s, self.states, strict=True):
            if found and found[-1][2] == state.label:
                found[-1] = (found[-1][0], time_s, state.label)
            else:
                found.append((before_s, time_s, state.label))
            before_s = time_s
        return found


def listen(
    blocks: Iterable[Float32],
    sample_rate: int,
    listener: Listener | None,
    bank: Bank,
    analyse: Callable[[Float32], AudioFeatures | None] = lambda block: None,
) -> FileHeard:
    """Listen to blocks `(n, channels)` at the musical times of the live show.

    Without a listener the sound is described: `analyse` then returns the newest features after a
    block. Raises `ModelLoadError`.
    """
    stage = SemanticStage(listener, bank)
    stream = SemanticStream(stage, sample_rate)
    try:
        states = [
            state
            for block in blocks
            for state in stream.push(block, None if listener else analyse(block))
        ]
    finally:
        stream.close()
    if listener is not None and stage.message != listener.warning:
        raise ModelLoadError(stage.message)
    times_s = tuple(round(state.sample_index / sample_rate, 3) for state in states)
    name, labels = (
        (listener.name, bank) if listener is not None else (DESCRIPTORS_ALONE, DESCRIPTORS)
    )
    return FileHeard(labels.names, name, times_s, tuple(states), stage.message)
