"""Sheets of named thumbnails: what a person looks at to judge painters, a data set or a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import SinkError
from engine.messages import Uint8

_GAP_PX = 2
_GROUND = 14
_NAME_PX = 14
_INK = (214, 208, 200)
_TEXT_SCALE = 0.36
_JPEG_QUALITY = 86
_PNG_EFFORT = 9


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture `(h, w, 3)` RGB and what is written below it."""

    pixels: Uint8
    name: str = ""


def contact_sheet(cells: Sequence[Cell], *, columns: int, cell_px: int = 128) -> Uint8:
    """Lay pictures out row by row, `(height, width, 3)` RGB on a dark ground.

    Each is shrunk to fit a square of `cell_px`, proportions kept. Names stand below where any cell
    has one.
    """
    named = any(cell.name for cell in cells)
    step_x, step_y = cell_px + _GAP_PX, cell_px + _GAP_PX + (_NAME_PX if named else 0)
    rows = math.ceil(len(cells) / columns)
    sheet = np.full((rows * step_y - _GAP_PX, columns * step_x - _GAP_PX, 3), _GROUND, np.uint8)
    for index, cell in enumerate(cells):
        top, left = (index // columns) * step_y, (index % columns) * step_x
        _place(sheet, cell, top, left, cell_px)
    return sheet


def write_sheet(path: Path, sheet: Uint8) -> Path:
    """Write `(h, w, 3)` RGB as PNG or JPEG, by the suffix; folders are created.

    Returns `path`. Raises `SinkError`.
    """
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if path.suffix == ".jpg" else []
    if path.suffix == ".png":
        options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.ascontiguousarray(sheet[..., ::-1]), options):
        raise SinkError(f"{path} cannot be written: check the folder and the free space")
    return path


def _place(sheet: Uint8, cell: Cell, top: int, left: int, cell_px: int) -> None:
    import cv2

    height, width = cell.pixels.shape[:2]
    shrink = cell_px / max(height, width)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = cv2.resize(cell.pixels, size, interpolation=cv2.INTER_AREA)
    y, x = top + (cell_px - size[1]) // 2, left + (cell_px - size[0]) // 2
    sheet[y : y + size[1], x : x + size[0]] = small
    if cell.name:
        baseline = (left + 2, top + cell_px + _NAME_PX - 4)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(sheet, cell.name, baseline, font, _TEXT_SCALE, _INK, 1, cv2.LINE_AA)
