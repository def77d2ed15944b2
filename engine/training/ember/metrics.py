"""Figures and pictures that a training run leaves behind: CSV rows, contact sheets, PSNR."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor


class CsvLog:
    """Appends one row of figures at a time; the header comes from the first row."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._has_header = resume and path.exists()
        if not self._has_header:
            path.write_text("")

    def write(self, row: Mapping[str, float | int | str]) -> None:
        """Append a row; every row has the same keys."""
        with self._path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if not self._has_header:
                writer.writeheader()
                self._has_header = True
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def psnr_db(pictures: Tensor, references: Tensor) -> Tensor:
    """Peak signal-to-noise ratio per picture in dB, shape `(b,)`; both in [-1, 1]."""
    error = (pictures.clamp(-1, 1) - references).float().square().flatten(1).mean(dim=1)
    return 10 * torch.log10(4 / error.clamp_min(1e-10))


def contact_sheet(pictures: Tensor, path: Path, *, columns: int, cell_px: int = 128) -> None:
    """Write pictures `(b, 3, h, w)` in [-1, 1] as one PNG, row by row, each `cell_px` wide."""
    import cv2

    height = max(1, round(cell_px * pictures.shape[2] / pictures.shape[3]))
    small = torch.nn.functional.interpolate(
        pictures.float().cpu().clamp(-1, 1), (height, cell_px), mode="area"
    )
    rows = math.ceil(len(small) / columns)
    sheet = torch.zeros(3, rows * height, columns * cell_px)
    for index, picture in enumerate(small):
        top, left = (index // columns) * height, (index % columns) * cell_px
        sheet[:, top : top + height, left : left + cell_px] = (picture + 1) / 2
    path.parent.mkdir(parents=True, exist_ok=True)
    image = (sheet.permute(1, 2, 0) * 255).round().byte().numpy()[..., ::-1]
    temporary = path.with_name(f".{path.stem}.png")
    if not cv2.imwrite(str(temporary), image):
        raise OSError(f"{path} cannot be written: check the folder and the free space")
    temporary.replace(path)


def mean_by(values: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    """Average of the values of each name."""
    groups: dict[str, list[float]] = {}
    for value, name in zip(values, names, strict=True):
        groups.setdefault(name, []).append(value)
    return {name: sum(group) / len(group) for name, group in groups.items()}
