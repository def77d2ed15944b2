"""A sheet of what a model paints for prompts: its first picture of each, as the show starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.contact_sheet import Cell, contact_sheet
from engine.messages import ControlState, PromptWeight, Travel, Uint8
from engine.params import defaults
from engine.registry import ModelRequest, find_model, load_factory


def prompt_sheet(
    request: ModelRequest,
    prompts: Sequence[tuple[str, str]],
    *,
    columns: int,
    cell_px: int = 128,
    seed: int = 0,
) -> Uint8:
    """Paint every (name, prompt) from pure noise and lay the pictures out, `(h, w, 3)` RGB.

    Raises `ModelLoadError`.
    """
    model: Any = load_factory(find_model(request.name))(request)
    model.load()
    try:
        cells = []
        for index, (name, prompt) in enumerate(prompts):
            model.restart()
            cells.append(Cell(model.generate(_fresh(prompt, seed + index), 0.0), name))
        return contact_sheet(cells, columns=columns, cell_px=cell_px)
    finally:
        model.close()


def _fresh(prompt: str, seed: int) -> ControlState:
    return ControlState(
        sample_index=0,
        time_s=0.0,
        host_time_s=0.0,
        values=defaults() | {"diffusion/seed": float(seed)},
        travel=Travel(),
        prompts=(PromptWeight(prompt, 1.0),),
        onset_count=0,
        beat_count=0,
        beat_phase=0.0,
        silent=False,
        restart_count=0,
    )
