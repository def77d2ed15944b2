"""The semantic stage: windows of sound in, what they are about out."""

from __future__ import annotations

import logging
import math
from collections import deque

import numpy as np

from engine.errors import ModelLoadError
from engine.messages import AudioFeatures, Float32, SemanticState
from engine.protocols import Listener
from engine.semantic.bank import Bank
from engine.semantic.descriptors import DESCRIPTORS, describe
from engine.semantic.listener_names import DESCRIPTORS_ALONE
from engine.semantic.tracker import SILENCE_S, LabelTracker

logger = logging.getLogger(__name__)

STEP_S = 0.5
"""Musical time from one state to the next where the listener does not say otherwise."""
LONGEST_STEP_S = 10.0
GATE_DB = -60.0
GATE_S = 0.5
"""Silence: the newest half second is quieter than the gate. Everything then stands still."""
UNKNOWN_S = 4.0
"""After so long of sound that the listener does not know, its features are described."""


class SemanticStage:
    """Asks a listener, weighs the labels of a bank, holds one. `semantic` thread only.

    Deterministic by the windows given. With no listener, or one that fails, only descriptors.
    """

    def __init__(self, listener: Listener | None, bank: Bank) -> None:
        """Loads the listener. Raises `ModelLoadError`."""
        self.step_s = listener.step_s if listener is not None else STEP_S
        self.window_s = listener.window_s if listener is not None else STEP_S
        self.message = ""
        """One line when the listener has failed or cannot be trusted."""
        self._listener = listener
        self._bank = bank
        self._labels = LabelTracker(len(bank.labels))
        self._descriptors = LabelTracker(len(DESCRIPTORS.labels))
        self._asked: int | None = None
        self._unanswered_s = 0.0  # of sound; silence does not count
        self._unknown_s = 0.0
        self._silent_s = 0.0
        self._describable = False  # features were given
        self._switches = 0
        self._held = ("", -1)
        if listener is not None:
            try:
                listener.load()
                self._directions = label_directions(listener, bank)
            except ModelLoadError:
                listener.close()
                raise
            self.message = listener.warning

    def step(
        self, window: Float32, sample_rate: int, sample_index: int,
        features: AudioFeatures | None = None, gain_db: float = 0.0,
    ) -> SemanticState:  # fmt: skip
        """Listen to mono `window`, which ends at `sample_index`, `step_s` after the last one.

        Returns the new state; in silence the last one at a new index, its label held. `features`
        are what the descriptors look at.
        """
        newest = window[-max(1, round(GATE_S * sample_rate)) :]
        dt_s = self._elapsed_s(sample_index, sample_rate)
        if _level_db(newest) + gain_db < GATE_DB:
            self._silent_s += dt_s
            if self._silent_s >= SILENCE_S:
                self._labels.let_go()
                self._descriptors.let_go()
            return self._state(sample_index)
        self._silent_s = 0.0
        known = self._listen(window, sample_rate, dt_s)
        self._unknown_s = 0.0 if known else self._unknown_s + dt_s
        if features is not None and not features.silent:
            self._descriptors.hear(describe(features), dt_s)
            self._describable = True
        return self._state(sample_index)

    def _elapsed_s(self, sample_index: int, sample_rate: int) -> float:
        """Musical time since the last window; one step after a change of source."""
        before, self._asked = self._asked, sample_index
        if before is None or sample_index <= before:
            return self.step_s
        return min((sample_index - before) / sample_rate, LONGEST_STEP_S)

    def begin_anew(self) -> None:
        """Forget what was heard: the next window belongs to another sound."""
        self._labels.let_go()
        self._descriptors.let_go()
        self._asked = None

    def close(self) -> None:
        """Let the listener go; idempotent."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _listen(self, window: Float32, sample_rate: int, dt_s: float) -> bool:
        """Ask the listener; True unless it has met with something unknown, or there is none."""
        if self._listener is None:
            return False
        try:
            direction = self._listener.hear(window, sample_rate)
        except ModelLoadError as error:
            logger.warning("%s", error)
            self.message = str(error)
            self.close()
            return False
        self._unanswered_s += dt_s
        if direction is None:
            return self._unknown_s == 0.0
        steps_s, self._unanswered_s = self._unanswered_s, 0.0
        cosines = self._directions @ direction
        known = float(cosines.max()) >= self._listener.least_cosine
        weights = np.exp((cosines - cosines.max()) / self._listener.temperature)
        self._labels.hear(weights / weights.sum() if known else None, min(steps_s, LONGEST_STEP_S))
        return known

    def _state(self, sample_index: int) -> SemanticState:
        unknown = self._unknown_s >= UNKNOWN_S and self._describable
        described = self._listener is None or unknown
        bank = DESCRIPTORS if described else self._bank
        tracker = self._descriptors if described else self._labels
        name = DESCRIPTORS_ALONE if described or self._listener is None else self._listener.name
        if self._held != (name, tracker.label):
            self._switches += tracker.label >= 0 or self._held[1] >= 0
            self._held = (name, tracker.label)
        return SemanticState(
            sample_index=sample_index,
            listener=name,
            labels=bank.names,
            probabilities=tuple(round(float(p), 6) for p in tracker.probabilities),
            label=tracker.label,
            switch_count=self._switches,
            prompt=bank.labels[tracker.label].prompt if tracker.label >= 0 else "",
        )


class SemanticStream:
    """The stage over a stream of blocks, at fixed musical times whatever the blocks: for files."""

    def __init__(self, stage: SemanticStage, sample_rate: int) -> None:
        self._stage = stage
        self._rate = sample_rate
        self._window = round(stage.window_s * sample_rate)
        self._blocks: deque[Float32] = deque()
        self._kept = 0
        self._heard = 0
        self._steps = 1

    @property
    def due(self) -> int:
        """Sample index at which the next state is due."""
        return math.ceil(self._steps * self._stage.step_s * self._rate)

    def push(
        self, block: Float32, features: AudioFeatures | None = None, gain_db: float = 0.0
    ) -> list[SemanticState]:
        """Take a block `(n, channels)`; return the states that became due, mostly none."""
        states = []
        mono = block.mean(axis=1, dtype=np.float32)
        while len(mono) and self._heard + len(mono) >= self.due:
            count = self.due - self._heard
            self._keep(mono[:count])
            mono = mono[count:]
            window = np.concatenate(self._blocks)[-self._window :]
            states.append(self._stage.step(window, self._rate, self._heard, features, gain_db))
            self._steps += 1
        if len(mono):
            self._keep(mono)
        return states

    def close(self) -> None:
        """Let the listener go; idempotent."""
        self._stage.close()

    def _keep(self, mono: Float32) -> None:
        self._blocks.append(mono)
        self._kept += len(mono)
        self._heard += len(mono)
        while self._kept - len(self._blocks[0]) >= self._window:
            self._kept -= len(self._blocks.popleft())


def label_directions(listener: Listener, bank: Bank) -> Float32:
    """One direction per label, the mean of its phrases', shape `(labels, width)`."""
    means = np.stack([listener.embed_texts(label.phrases).mean(axis=0) for label in bank.labels])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / (lengths + 1e-9), np.float32)


def _level_db(samples: Float32) -> float:
    mean_square = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return 10.0 * math.log10(mean_square + 1e-12)
