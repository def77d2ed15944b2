"""Ember alone: how fast it paints, by every runner in every format (`engine.bench.runners`).

Last, what a new prompt costs (`engine.bench.prompt_change`). With `--loop` and `--morph`, how it
holds out instead (`engine.bench.loop`, `engine.bench.morph`); with `--quality`, what an
independent judge sees in its pictures (`engine.bench.quality`).
"""

from __future__ import annotations

from engine.bench.area import BenchRequest, Result
from engine.bench.loop import loop
from engine.bench.morph import morph
from engine.bench.prompt_change import prompt_change
from engine.bench.quality import quality
from engine.bench.runners import runners


def bench(request: BenchRequest) -> list[Result]:
    """Return the speed, or, where asked for, the results of `loop`, `morph` and `quality`."""
    asked: list[Result] = []
    if request.loop_s is not None:
        asked += loop(request)
    if request.morph:
        asked += morph(request)
    if request.quality:
        asked += quality(request, pictures=request.pictures, sheets=request.sheets)
    return asked or [*runners(request), *prompt_change(request)]
