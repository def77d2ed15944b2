"""Two more heads of the judge: which sound a picture carries, and which scene carries it.

The judge names one thing in a picture. Where a sound has come into a scene there are two, so two
linear heads on the same features are asked: one for the sound's label, one for the scene. They
learned from painted pictures of both (`engine.training.sights`), never from ember's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from engine.errors import ModelLoadError
from engine.messages import Float32

_NAMES = "sonolume.heads"


@dataclass(frozen=True, slots=True)
class SoundHeads:
    """Linear heads on the judge's features `(b, f)`."""

    sounds: tuple[str, ...]
    scenes: tuple[str, ...]
    mean: Float32
    spread: Float32
    """Of the features, `(f,)`."""
    weights: tuple[Float32, Float32]
    """`(sounds, f)` and `(scenes, f)`."""
    biases: tuple[Float32, Float32]

    def sound_ranks(self, features: Float32, sound: str) -> NDArray[np.int64]:
        """How many other sounds are more likely in each picture: 0 where it is the first."""
        return self._ranks(0, features, self.sounds.index(sound))

    def scene_ranks(self, features: Float32, scene: str) -> NDArray[np.int64]:
        """How many other scenes are more likely in each picture: 0 where it is the first."""
        return self._ranks(1, features, self.scenes.index(scene))

    def _ranks(self, head: int, features: Float32, row: int) -> NDArray[np.int64]:
        seen = (features - self.mean) / self.spread
        scores = seen @ self.weights[head].T + self.biases[head]
        return np.asarray((scores > scores[:, row : row + 1]).sum(axis=1), np.int64)


def shipped_heads() -> Path:
    """Where the heads are that ship."""
    return Path(str(files("resources") / "sound" / "heads.safetensors"))


def heads_metadata(sounds: tuple[str, ...], scenes: tuple[str, ...]) -> dict[str, str]:
    """What `load_heads` reads the names from."""
    return {_NAMES: json.dumps({"sounds": sounds, "scenes": scenes})}


def load_heads(path: Path) -> SoundHeads:
    """Read heads. Raises `ModelLoadError`."""
    try:
        with safe_open(path, framework="np") as file:
            names = json.loads((file.metadata() or {})[_NAMES])
            tensors = {key: file.get_tensor(key).astype(np.float32) for key in file.keys()}  # noqa: SIM118
        return SoundHeads(
            tuple(names["sounds"]), tuple(names["scenes"]), tensors["mean"], tensors["spread"],
            (tensors["sounds.weight"], tensors["scenes.weight"]),
            (tensors["sounds.bias"], tensors["scenes.bias"]),
        )  # fmt: skip
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelLoadError(
            f"the judge's heads in {path} cannot be read ({error}): install Sonolume again"
        ) from error
