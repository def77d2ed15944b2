"""What the ear makes of every clip: vectors of three views, many windows of each clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from engine.messages import Float32
from engine.semantic.log_mel import FRAMES
from engine.semantic.sound_vectors import EarVectors
from engine.semantic.views import view_features
from engine.training.listener.clips import NOTHING, prepare_clips, taught_bank

_WINDOWS = 4
"""Of each clip, at random places."""
_QUIET_DB = -40.0
"""A window whose loudest cell is so far below its clip's has nothing of the sound in it."""


@dataclass(frozen=True, slots=True)
class SoundTable:
    """Windows of all clips, one row each."""

    views: Float32
    """`(n, 3, EAR_WIDTH)`."""
    labels: Sequence[str]
    fold: NDArray[np.int64]
    """1..4; takes of one recording are in one fold."""
    recorded: NDArray[np.bool_]
    """False: synthesised."""
    clip: NDArray[np.int64]
    """Which clip it is a window of."""

    def rows_of(self, label: str, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Row numbers of a label among the chosen ones."""
        named = np.array([one == label for one in self.labels])
        return np.flatnonzero(named & chosen)


def prepare_sounds(data: Path, folder: Path, *, seed: int, per_sound: int) -> SoundTable:
    """Listen to the clips in `data` and to synthesised ones; kept in `folder`.

    Raises `TrainingError` where the clips are missing.
    """
    path = folder / "views.npz"
    clips = prepare_clips(data, folder / "clips.npz", seed=seed, per_sound=per_sound)
    names = [*taught_bank().names, NOTHING]
    if not path.exists():
        ear = EarVectors()
        rng = np.random.default_rng(seed)
        views, owners = [], []
        for index, level_db in enumerate(tqdm(clips.power_db, desc="listening", disable=None)):
            power = np.power(10.0, level_db.astype(np.float32) / 10.0)
            for window in _windows(power, rng):
                views.append(np.stack(view_features(ear.network, window)).astype(np.float16))
                owners.append(index)
        np.savez(path, views=np.stack(views), clip=np.array(owners))
    with np.load(path, allow_pickle=False) as file:
        found, clip = file["views"].astype(np.float32), file["clip"]
    labels = [names[int(clips.label[owner])] for owner in clip]
    return SoundTable(found, labels, clips.fold[clip], clips.recorded[clip], clip)


def _windows(power: Float32, rng: np.random.Generator) -> list[Float32]:
    """Some windows of a clip's power `(frames, BANDS)` in which there is something to hear."""
    least = power.max() * 10.0 ** (_QUIET_DB / 10.0)
    starts = rng.permutation(max(1, len(power) - FRAMES))
    windows = (power[start : start + FRAMES] for start in starts)
    return [window for window in windows if window.max() >= least][:_WINDOWS]
