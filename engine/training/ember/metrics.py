"""Figures and pictures that a training run leaves behind: CSV rows, contact sheets, PSNR."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engine.contact_sheet import Cell, contact_sheet, write_sheet


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


def write_pictures(pictures: Tensor, path: Path, *, columns: int, cell_px: int = 128) -> None:
    """Write pictures `(b, 3, h, w)` in [-1, 1] as one contact sheet, row by row."""
    levels = pictures.float().cpu().clamp(-1, 1).add(1).mul(127.5).round().byte()
    cells = [Cell(picture.permute(1, 2, 0).contiguous().numpy()) for picture in levels]
    write_sheet(path, contact_sheet(cells, columns=columns, cell_px=cell_px))


def mean_by(values: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    """Average of the values of each name."""
    groups: dict[str, list[float]] = {}
    for value, name in zip(values, names, strict=True):
        groups.setdefault(name, []).append(value)
    return {name: sum(group) / len(group) for name, group in groups.items()}
