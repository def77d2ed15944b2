"""Sheets of thumbnails: what a person looks at to judge a data set or a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import TrainingError


def contact_sheet(
    rows: Sequence[Tensor], *, columns: int = 9, cell_px: int = 160, gap_px: int = 2
) -> NDArray[np.uint8]:
    """Lay pictures out as thumbnails, one row of the sheet per tensor.

    Each of `rows` has shape `(n, 3, h, w)` in [0, 1]; its first `columns` pictures are shown,
    shrunk to fit a square cell of `cell_px`, proportions kept, on a dark ground. Returns
    `(height, width, 3)` RGB.
    """
    step = cell_px + gap_px
    sheet = torch.full((3, len(rows) * step - gap_px, columns * step - gap_px), 0.06)
    for row, pictures in enumerate(rows):
        height, width = pictures.shape[-2:]
        shrink = cell_px / max(height, width)
        size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
        shown = torch.nn.functional.interpolate(
            pictures[:columns].float().cpu().clamp(0.0, 1.0), size=size, mode="area"
        )
        top = row * step + (cell_px - size[0]) // 2
        for column, picture in enumerate(shown):
            left = column * step + (cell_px - size[1]) // 2
            sheet[:, top : top + size[0], left : left + size[1]] = picture
    return (sheet.permute(1, 2, 0) * 255.0).round().to(torch.uint8).numpy()


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an RGB picture `(h, w, 3)`; folders are created. Raises `TrainingError`."""
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.ascontiguousarray(picture[..., ::-1])):
        raise TrainingError(f"{path} cannot be written: check the folder and the free space")
