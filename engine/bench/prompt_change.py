"""What a prompt that nobody foresaw costs: the slowest picture around its change.

Pictures are painted as in a live show, where a prompt is encoded beside them. Every prompt is new
to the model and to the cache on disk, and named for the first time when it is painted: the worst
that a performer can do.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np

from engine.bench.area import BenchRequest, Result
from engine.bench.states import moving_states
from engine.messages import ControlState, PromptWeight
from engine.protocols import ImageModel
from engine.registry import ModelRequest, find_model, load_factory

BUDGET = 1.5
"""The slowest picture may take so many times the median (issue 5)."""
WARM_UP = 10
STEADY = 40
CHANGES = 8
AFTER = 10
"""Pictures after each change."""
_THINGS = ("a red boat", "a forest in fog", "an old lighthouse", "a field of poppies")


def prompt_change(request: BenchRequest) -> list[Result]:
    """Return `<model>/prompt_change/<W>x<H>` for `request.model`. Raises `EngineError`."""
    width, height = request.size
    wanted = ModelRequest(request.model, width, height, request.device_compute, live=True)
    model: ImageModel = load_factory(find_model(request.model))(wanted)
    try:
        model.load()
        figures = measure_prompt_changes(model, nonce=time.time_ns())
    finally:
        model.close()
    return [{"name": f"{model.name}/prompt_change/{width}x{height}", **figures}]


def measure_prompt_changes(
    model: ImageModel,
    *,
    nonce: int,
    warm_up: int = WARM_UP,
    steady: int = STEADY,
    changes: int = CHANGES,
    after: int = AFTER,
    now: Callable[[], float] = time.perf_counter,
) -> Result:
    """Return `median_ms` and `worst_before_ms` of pictures without a change, and of those after.

    `ratio` is the slowest picture after a change over the median without one; `within_budget` is
    at most 1.5. `nonce` makes the prompts new to any cache; the model was opened as `live`.
    """
    states = moving_states(warm_up + steady + changes * after)
    _paint(model, states[:warm_up], now)
    before_ms = _paint(model, states[warm_up : warm_up + steady], now)
    after_ms: list[float] = []
    for index in range(changes):
        begin = warm_up + steady + index * after
        prompt = (PromptWeight(f"{_THINGS[index % len(_THINGS)]} {nonce + index}", 1.0),)
        changed = [
            dataclasses.replace(state, prompts=prompt) for state in states[begin : begin + after]
        ]
        after_ms += _paint(model, changed, now)
    median_ms = float(np.median(before_ms))
    return {
        "median_ms": round(median_ms, 2),
        "worst_before_ms": round(max(before_ms), 2),
        "median_after_ms": round(float(np.median(after_ms)), 2),
        "worst_ms": round(max(after_ms), 2),
        "ratio": round(max(after_ms) / median_ms, 2),
        "within_budget": max(after_ms) <= BUDGET * median_ms,
        "changes": changes,
    }


def _paint(
    model: ImageModel, states: Sequence[ControlState], now: Callable[[], float]
) -> list[float]:
    durations_ms = []
    for index, state in enumerate(states):
        started_s = now()
        if index == 0:  # as the loop does with every new prompt
            model.reading(state.prompts[-1].text)
        model.generate(state, 0.04)
        durations_ms.append(1000.0 * (now() - started_s))
    return durations_ms
