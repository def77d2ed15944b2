"""What the judge learns from: painted pictures, shrunk once, worn anew at every step.

Wear (zoom, blur, noise, quantisation as JPEG does it, other light) hides how exactly the painters
draw, so that the judge goes by what a picture shows. What a step draws depends on the seed and the
step number only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from engine.scoring.judge import PLAIN, UNSTYLED, shrink
from engine.scoring.judge_network import INPUT_PX
from engine.training.ember.dataset import PictureFile
from engine.training.ember.styles.gallery import STYLE, STYLED, STYLES

STORED_PX = 144
"""Side of the shrunk pictures: some more than the judge sees, so that it can be zoomed into."""

_NARROWEST = 0.72  # of the picture's side that is seen


@dataclass(frozen=True, slots=True)
class JudgeFile:
    """One array of pictures of one scene, and what they show."""

    name: str
    """Of the file, without ending."""
    scene: str
    source: PictureFile
    styles: tuple[str, ...]
    """One per picture."""


def labelled(files: Sequence[PictureFile]) -> list[JudgeFile]:
    """Say what each picture of a data set shows; scenes "x" and "x+styles" are one scene."""
    out = []
    for file in files:
        styles = (PLAIN,) * len(file.pictures)
        if file.scene.endswith(STYLED):
            names = tuple(STYLES)
            styles = tuple(names[STYLE.range_of(value)] for value in file.values[STYLE.name])
        scene = file.scene.removesuffix(STYLED)
        out.append(JudgeFile(f"{file.scene}-{file.shape}", scene, file, styles))
    return out


def scenes_of(files: Sequence[JudgeFile]) -> tuple[str, ...]:
    """All scenes, in name order."""
    return tuple(sorted({file.scene for file in files}))


def styles_of(files: Sequence[JudgeFile]) -> tuple[str, ...]:
    """All styles, in name order; empty where no picture has one."""
    found = {style for file in files for style in file.styles}
    return () if found <= {PLAIN} else tuple(sorted(found))


def style_indices(file: JudgeFile, styles: Sequence[str]) -> NDArray[np.int64]:
    """Index of the style of each picture; `UNSTYLED` where there are no styles."""
    if not styles:
        return np.full(len(file.styles), UNSTYLED, np.int64)
    return np.array([styles.index(style) for style in file.styles], np.int64)


def shrink_pictures(files: Sequence[JudgeFile], folder: Path) -> list[NDArray[np.uint8]]:
    """The central square of every picture, `(n, 144, 144, 3)` per file, kept in `folder`.

    A file that is there already is not made again; delete the folder after painting anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shrunk = []
    for file in tqdm(files, desc="shrink", unit="file", disable=None):
        path = folder / f"{file.name}.npy"
        if not path.exists():
            small = np.stack([shrink(picture, STORED_PX) for picture in file.source.pictures])
            temporary = path.with_name(f".{path.name}")
            np.save(temporary, small)
            temporary.replace(path)
        shrunk.append(np.load(path, mmap_mode="r"))
    return shrunk


class JudgeSource:
    """Batches of worn pictures of the training rows; each picture comes once per round."""

    def __init__(
        self,
        files: Sequence[JudgeFile],
        shrunk: Sequence[NDArray[np.uint8]],
        scenes: Sequence[str],
        styles: Sequence[str],
        *,
        seed: int,
    ) -> None:
        self._shrunk = shrunk
        self._seed = seed
        self._scenes = [scenes.index(file.scene) for file in files]
        self._styles = [style_indices(file, styles) for file in files]
        self._places = np.array(
            [(i, row) for i, file in enumerate(files) for row in file.source.training_rows()],
            np.int64,
        ).reshape(-1, 2)
        self._round: tuple[int, NDArray[np.int64]] = (-1, self._places)

    def __len__(self) -> int:
        """Pictures per round."""
        return len(self._places)

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures `(size, 3, 128, 128)` in [-1, 1], their scenes and their styles `(size,)`."""
        rng = np.random.default_rng((self._seed, 1, step))
        pictures, scenes, styles = [], [], []
        for index in range(step * size, (step + 1) * size):
            file, row = self._place(index)
            pictures.append(wear(self._shrunk[file][row], rng))
            scenes.append(self._scenes[file])
            styles.append(int(self._styles[file][row]))
        seen = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        return seen.float().div_(127.5).sub_(1), torch.tensor(scenes), torch.tensor(styles)

    def _place(self, index: int) -> tuple[int, int]:
        """File and row of the picture at an index that counts through all rounds."""
        number, place = divmod(index, len(self._places))
        if self._round[0] != number:
            rng = np.random.default_rng((self._seed, 0, number))
            self._round = (number, rng.permutation(len(self._places)))
        file, row = self._places[self._round[1][place]]
        return int(file), int(row)


def wear(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture `(144, 144, 3)` as it might come out of a weaker painter, `(128, 128, 3)`."""
    import cv2

    worn = _view(picture, rng).astype(np.float32)
    if rng.random() < 0.5:
        sigma = float(rng.uniform(0.3, 2.2))
        worn = np.asarray(cv2.GaussianBlur(worn, (0, 0), sigma), np.float32)
    if rng.random() < 0.5:
        grey = worn.mean(axis=2, keepdims=True)
        worn = grey + (worn - grey) * float(rng.uniform(0.7, 1.25))
        worn = (worn - 127.5) * float(rng.uniform(0.8, 1.2)) + 127.5 + float(rng.normal(0, 10))
    if rng.random() < 0.3:
        worn += rng.normal(0, rng.uniform(2, 12), worn.shape).astype(np.float32)
    levels = np.clip(np.rint(worn), 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        levels = _quantised(levels, int(rng.integers(15, 80)))
    return levels


def _view(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A part of a picture, or all of it, half of the time mirrored, slightly turned."""
    import cv2

    stored = picture.shape[0]
    share = 1.0 if rng.random() < 0.3 else float(rng.uniform(_NARROWEST, 1.0))
    angle = float(rng.normal(0.0, 0.04))  # radians
    scale = share * stored / INPUT_PX
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    matrix = scale * np.array(
        [[mirror * np.cos(angle), -np.sin(angle)], [mirror * np.sin(angle), np.cos(angle)]]
    )
    slack = (1.0 - share) * stored / 2.0
    centre = (stored - 1) / 2.0 + rng.uniform(-slack, slack, 2)
    offset = centre - matrix @ np.full(2, (INPUT_PX - 1) / 2.0)
    seen = cv2.warpAffine(
        np.ascontiguousarray(picture),
        np.column_stack((matrix, offset)),
        (INPUT_PX, INPUT_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(seen, np.uint8)


def _quantised(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """A picture after JPEG compression of a quality in [0, 100]."""
    import cv2

    blue_first = np.ascontiguousarray(picture[..., ::-1])
    done, data = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV was built without JPEG"
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
