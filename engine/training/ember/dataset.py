"""The painted pictures on disk, the latents made of them, and batches drawn from both.

    pictures/<scene>-<shape>.npy    uint8 (n, height, width, 3), memory-mapped when read
    pictures/<scene>-<shape>.json   attribute values, one list per attribute
    latents/<scene>-<shape>.npy     float16 (2 or 3, n, 16, h/16, w/16): plain, mirrored, degraded
    pictures_halved/, latents_halved/   the same of pictures half as wide

A scene in all styles is the scene "<scene>+styles", with one attribute more; a composition is a
scene like any other ("lighthouse under aurora"): `repertoire` knows them all by these names.

What a step draws depends on the seed and the step number only, so a resumed run draws what an
uninterrupted one would have drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import TrainingError
from engine.training.ember.scenes.scene import Scene

SHAPES = {"square": (512, 512), "wide": (384, 640), "tall": (640, 384)}
"""Name -> height and width in pixels of the pictures of a data set."""

FOLDER, HALVED_FOLDER = "pictures", "pictures_halved"

HELD_OUT = 12
"""Every twelfth picture is never trained on."""

_CHUNK = 6


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One array of pictures of one scene and shape."""

    scene: str
    shape: str
    pictures: NDArray[np.uint8]
    values: Mapping[str, Sequence[float]]

    def training_rows(self) -> NDArray[np.int64]:
        """Rows that may be trained on."""
        rows = np.arange(len(self.pictures), dtype=np.int64)
        return np.asarray(rows[rows % HELD_OUT != HELD_OUT - 1])

    def held_out_rows(self) -> NDArray[np.int64]:
        """Rows kept for measuring."""
        rows = np.arange(len(self.pictures), dtype=np.int64)
        return np.asarray(rows[rows % HELD_OUT == HELD_OUT - 1])


def paint_file(
    scene: Scene, shape: str, count: int, folder: Path, *, seed: int, device: str, scale: float = 1
) -> None:
    """Paint `count` pictures of a scene into `folder`; a file that is complete is left alone.

    `scale` shrinks the pictures (for quick trials). Deterministic by seed, scene and shape.
    """
    from engine.training.ember.scenes.catalogue import paint

    stem = folder / f"{scene.name}-{shape}"
    values_path = stem.with_name(stem.name + ".json")
    if values_path.exists():
        return
    height, width = (max(64, round(side * scale / 64) * 64) for side in SHAPES[shape])
    folder.mkdir(parents=True, exist_ok=True)
    temporary = stem.with_name(f".{stem.name}.npy")
    out = np.lib.format.open_memmap(
        temporary, mode="w+", dtype=np.uint8, shape=(count, height, width, 3)
    )
    values: dict[str, list[float]] = {}
    for first in range(0, count, _CHUNK):
        generator = torch.Generator(device).manual_seed(_seed(seed, scene.name, shape, first))
        size = min(_CHUNK, count - first)
        pictures, drawn = paint(scene, size, generator, height, width)
        levels = (pictures.clamp(0, 1) * 255).round().to(torch.uint8)
        out[first : first + size] = levels.permute(0, 2, 3, 1).cpu().numpy()
        for name, value in drawn.items():
            values.setdefault(name, []).extend(value.cpu().tolist())
    out.flush()
    del out
    temporary.replace(stem.with_name(stem.name + ".npy"))
    text = stem.with_name(f".{stem.name}.json")
    text.write_text(json.dumps(values))
    text.replace(values_path)


def open_pictures(folder: Path) -> list[PictureFile]:
    """All complete files of a data set, in name order; raises `TrainingError` where none is."""
    files = []
    for values_path in sorted(folder.glob("[!.]*.json")):
        scene, shape = values_path.stem.rsplit("-", 1)
        pictures = np.load(values_path.with_suffix(".npy"), mmap_mode="r")
        files.append(PictureFile(scene, shape, pictures, json.loads(values_path.read_text())))
    if not files:
        raise TrainingError(f"no pictures in {folder}: run the stage 'scenes' first")
    return files


class CropSource:
    """Random square crops of all pictures, mirrored half of the time."""

    def __init__(self, files: Sequence[PictureFile], crop_px: int, *, seed: int) -> None:
        self._files = files
        self._crop_px = crop_px
        self._seed = seed

    def batch(self, step: int, size: int) -> Tensor:
        """Return shape `(size, 3, crop, crop)` in [-1, 1] for a training step."""
        rng = np.random.default_rng((self._seed, step))
        crops = []
        for _ in range(size):
            file = self._files[int(rng.integers(len(self._files)))]
            picture = file.pictures[rng.choice(file.training_rows())]
            top, left = (int(rng.integers(side - self._crop_px + 1)) for side in picture.shape[:2])
            crop = picture[top : top + self._crop_px, left : left + self._crop_px]
            crops.append(crop[:, ::-1] if rng.random() < 0.5 else crop)
        return to_tensor(np.stack(crops))


def to_tensor(levels: NDArray[np.uint8]) -> Tensor:
    """Levels `(b, h, w, 3)` as a channels-last float tensor `(b, 3, h, w)` in [-1, 1]."""
    pictures = torch.from_numpy(np.array(levels)).permute(0, 3, 1, 2)
    return pictures.float().div_(127.5).sub_(1)


def _seed(seed: int, *parts: str | int) -> int:
    digest = hashlib.sha256(repr((seed, *parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big")
