"""The stage "sheets": what the painters paint, at a glance, without painting a data set.

sheets/   painters.png, painters_styles.png, painters_compositions.png
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from tqdm import tqdm

from engine.contact_sheet import Cell, contact_sheet, write_sheet
from engine.messages import Uint8
from engine.training.ember.compositions import COMPOSITIONS
from engine.training.ember.scenes.catalogue import SCENES, paint
from engine.training.ember.scenes.scene import Scene
from engine.training.ember.styles.gallery import STYLE, STYLES, styled

_SIDE_PX = 384
_QUICK_SIDE_PX = 64
_COLUMNS = 12
_STYLED = ("sunset", "forest", "castle", "cat", "sailing ship", "flower")
_PER_SCENE = 3


def run_sheets(
    out_dir: Path,
    *,
    budget_min: float,
    resume: bool,
    device: str,
    seed: int,
    threads: int,
    quick: bool = False,
) -> None:
    """Write a sheet of every scene, one of every style and one of every composition.

    Always anew, whatever `resume` says; each sheet has what was painted when the budget was spent.
    See `engine.training.ember.stages.Stage`.
    """
    torch.set_num_threads(threads)
    side_px = _QUICK_SIDE_PX if quick else _SIDE_PX
    deadline_s = time.monotonic() + 60.0 * budget_min

    def show(name: str, orders: Iterable[tuple[str, Callable[[torch.Generator], Uint8]]]) -> None:
        cells: list[Cell] = []
        for index, (label, order) in enumerate(tqdm(list(orders), desc=name, disable=None)):
            if cells and time.monotonic() > deadline_s:
                break
            generator = torch.Generator(device).manual_seed(seed * 100_003 + index)
            cells.append(Cell(order(generator), label))
        columns = len(STYLES) if name.endswith("styles") else _COLUMNS
        sheet = contact_sheet(cells, columns=columns)
        write_sheet(out_dir / "sheets" / f"{name}.png", sheet)

    show("painters", _of_scenes(side_px))
    show("painters_styles", _in_styles(side_px))
    show("painters_compositions", _of_compositions(side_px))


def _of_scenes(side_px: int) -> Iterable[tuple[str, Callable[[torch.Generator], Uint8]]]:
    for name, scene in SCENES.items():
        for index in range(_PER_SCENE):
            yield name if index == 0 else "", _painter(scene, side_px)


def _of_compositions(side_px: int) -> Iterable[tuple[str, Callable[[torch.Generator], Uint8]]]:
    for name, scene in COMPOSITIONS.items():
        yield name, _painter(scene, side_px)


def _in_styles(side_px: int) -> Iterable[tuple[str, Callable[[torch.Generator], Uint8]]]:
    for name in _STYLED:
        scene = styled(SCENES[name])
        for index, style in enumerate(STYLES):
            yield style, _painter(scene, side_px, style=(index + 0.5) / len(STYLES))


def _painter(
    scene: Scene, side_px: int, style: float | None = None
) -> Callable[[torch.Generator], Uint8]:
    def order(generator: torch.Generator) -> Uint8:
        if style is None:
            pictures, _ = paint(scene, 1, generator, side_px, side_px)
        else:
            values = {
                attribute.name: torch.rand(1, generator=generator, device=generator.device)
                for attribute in scene.attributes
            }
            values[STYLE.name] = torch.full((1,), style, device=generator.device)
            pictures = scene.paint(values, generator, side_px, side_px)
        levels = (pictures[0].clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
        pixels: Uint8 = levels.permute(1, 2, 0).contiguous().cpu().numpy()
        return pixels

    return order
