"""VGGish as an encoder: any stretch of sound to 128 numbers, the mean over its patches.

Two kinds of numbers go by the name: the network's own (0 to about 4), and what AudioSet published,
turned to principal components and quantised to 0..255. A mapper that learned one reads nonsense in
the other, so they are two encoders by name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from engine.conditioning.encoder_names import VGGISH, VGGISH_QUANTISED
from engine.conditioning.vggish_file import load_vggish, vggish_file
from engine.conditioning.vggish_frontend import patches
from engine.errors import ModelLoadError
from engine.messages import Float32

_LIMIT = 2.0
_PATCHES_AT_ONCE = 8


class VggishEncoder:
    """Weights and the forward pass. One thread; 50 to 80 ms a patch of 0.96 s on two CPU cores."""

    width = 128
    window_s = 1.95
    """Two patches: what a live picture is answered with."""

    def __init__(self, place: Path | None = None, *, quantised: bool = False) -> None:
        """`place`: the weights file or its folder; without it where the conversion puts it.

        Raises `ModelLoadError` where the weights, or for `quantised` the principal components,
        are not there; nothing is ever made up for them.
        """
        path = vggish_file(place)
        self._network, components = load_vggish(path)
        if quantised and components is None:
            raise ModelLoadError(
                f"{path} has no principal components (pproc.*), which quantised VGGish needs: "
                "convert it again with the PCA file beside the network's, or use --encoder vggish"
            )
        self._components = components if quantised else None
        self.name = VGGISH_QUANTISED if quantised else VGGISH
        with path.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()

    def encode(self, samples: Float32, sample_rate: int) -> Float32:
        """`(128,)`: the mean over all patches of mono `samples`."""
        return np.asarray(self.sequence(samples, sample_rate).mean(axis=0), np.float32)

    def sequence(self, samples: Float32, sample_rate: int) -> Float32:
        """`(n, 128)`, one row per patch of 0.96 s, n >= 1."""
        import torch

        cut = patches(samples, sample_rate)
        rows = []
        with torch.inference_mode():
            for first in range(0, len(cut), _PATCHES_AT_ONCE):
                part = torch.from_numpy(cut[first : first + _PATCHES_AT_ONCE])
                rows.append(self._network(part).numpy())
        found = np.concatenate(rows)
        return found if self._components is None else quantised(found, *self._components)


def quantised(raw: Float32, eigen_vectors: np.ndarray, means: np.ndarray) -> Float32:
    """AudioSet's post-processing: whole numbers 0..255 of rows `(n, 128)`.

    E (x - mean), clipped to -2..2, in 255 steps; `eigen_vectors` is `(128, 128)`, `means`
    `(128, 1)` (torchvggish `vggish.py`, `Postprocessor`).
    """
    turned = (eigen_vectors @ (raw.T - means)).T
    clipped = np.clip(turned, -_LIMIT, _LIMIT)
    return np.asarray(np.round((clipped + _LIMIT) * (255.0 / (2.0 * _LIMIT))), np.float32)
