"""Starts a flow network from an earlier version's weights, although the word table was rebuilt.

A rebuilt table has more rows, so its principal axes are turned a little. Both tables hold the same
words, so the turn is known: the orthogonal R that minimises the sum of |R new_w - old_w|^2 over
them (Procrustes; Schoenemann 1966). A layer W that reads old vectors reads new ones as W R.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.conditioning.word_table import WordTable
from engine.diffusion.models.ember.weights import read_word_table
from engine.errors import TrainingError
from engine.training.ember.checkpoint import averaged_weights
from engine.training.ember.flow import FlowTrainer

_READERS = ("text.word_in.weight", "text.theme_in.weight", "text.slot_theme_in.weight")
_LATER_PARTS = "text.slot"
"""What versions before the slots do not have; it starts from nothing."""
_LEAST_SHARED = 300


def start_from(trainer: FlowTrainer, earlier: Path) -> None:
    """Give the trainer the weights of the run in `earlier` (its flow.safetensors and text/).

    Raises `TrainingError` where the two have another architecture or share too few words.
    """
    weights = averaged_weights(earlier / "flow.safetensors")
    table = trainer.network.text.table
    if table is None:
        raise TrainingError("a trainer without a word table cannot take over another's weights")
    turn = turn_between(read_word_table(earlier / "text"), table)
    for name in (name for name in _READERS if name in weights):
        weights[name] = weights[name] @ weights[name].new_tensor(turn)
    own = trainer.network.state_dict()
    own = {name: own[name] for name in own if name.startswith(_LATER_PARTS)}
    try:
        trainer.network.load_state_dict(own | weights)
    except RuntimeError as error:
        raise TrainingError(
            f"{earlier} holds another architecture: remove it and train from nothing"
        ) from error
    trainer.state.take_average()


def turn_between(old: WordTable, new: WordTable) -> NDArray[np.float64]:
    """The orthogonal matrix `(width, width)` that turns new directions into old ones."""
    shared = sorted(old.rows.keys() & new.rows.keys())
    if len(shared) < _LEAST_SHARED:
        raise TrainingError(
            f"the two word tables share {len(shared)} words, {_LEAST_SHARED} are needed: "
            "train from nothing"
        )
    first, second = (
        table.directions([table.rows[word] for word in shared]) for table in (old, new)
    )
    u, _, vt = np.linalg.svd(first.T @ second)
    return np.asarray(u @ vt)
