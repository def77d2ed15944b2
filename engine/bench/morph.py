"""Morphs: from prompt to prompt in 60 pictures, one model call each, and how far they jump."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.bench.area import BenchRequest, Result
from engine.messages import ControlState, PromptWeight, Travel, Uint8
from engine.modulation.shapes import melt
from engine.modulation.stage import advance
from engine.params import defaults
from engine.presets import DEFAULT_PRESET, load_preset
from engine.protocols import ImageModel
from engine.registry import ModelRequest, find_model, load_factory

STEPS = 60
SETTLE = 40
"""Pictures of the first prompt before a morph begins."""
PAIRS = (
    ("northern lights over a frozen lake", "a sunset over the sea"),
    ("a galaxy in deep space, violet", "a sea of clouds"),
    ("a neon city by the water", "a forest in fog"),
    ("a campfire at night", "a waterfall"),
    ("a kaleidoscope of gems", "sand dunes at noon"),
    ("ink in water", "lightning in a storm"),
)


def morph(request: BenchRequest) -> list[Result]:
    """Return `<model>/morph`: largest change over median change, per pair and the worst.

    The default preset's base values drive it, as in silence: the picture moves and the noise
    walks as always. Raises `EngineError`.
    """
    from tqdm import tqdm

    wanted = ModelRequest(request.model, *request.size, request.device_compute)
    model: ImageModel = load_factory(find_model(request.model))(wanted)
    pairs: list[Result] = []
    with tqdm(total=len(PAIRS), desc="morph", unit="pair", disable=None) as bar:
        try:
            model.load()
            for first, second in PAIRS:
                changes = _changes(model, first, second, request.ai_fps)
                pairs.append({"from": first, "to": second, **jump(changes)})
                bar.update()
        finally:
            model.close()
    ratios = [float(str(pair["ratio"])) for pair in pairs]
    return [
        {"name": f"{model.name}/morph", "worst_ratio": max(ratios),
         "median_ratio": round(float(np.median(ratios)), 2), "steps": STEPS,
         "ai_fps": request.ai_fps, "pairs": pairs}
    ]  # fmt: skip


def jump(changes: Sequence[float]) -> Result:
    """Return the largest of the changes from picture to picture, the median, and their ratio."""
    median = float(np.median(np.array(changes)))
    largest = max(changes)
    return {
        "ratio": round(largest / max(median, 1e-9), 2),
        "largest": round(largest, 5),
        "median": round(median, 5),
    }


def _changes(model: ImageModel, first: str, second: str, ai_fps: float) -> list[float]:
    """Mean absolute change of the pixels, of 1, from each picture of a morph to the next."""
    model.restart()
    changes: list[float] = []
    before: Uint8 | None = None
    for k, control in enumerate(_states(first, second, ai_fps)):
        pixels = model.generate(control, 1.0 / ai_fps)
        if before is not None and k > SETTLE:
            change = np.abs(pixels.astype(np.int16) - before)
            changes.append(float(change.mean()) / 255.0)
        before = pixels
    return changes


def _states(first: str, second: str, ai_fps: float) -> list[ControlState]:
    """Control states of a rest on `first` and of the way to `second`, as the walk does."""
    values = defaults() | load_preset(DEFAULT_PRESET).params
    states: list[ControlState] = []
    travel = Travel()
    for k in range(SETTLE + STEPS + 1):
        share = melt(max(0, k - SETTLE) / STEPS)
        weights = (PromptWeight(first, 1.0 - share), PromptWeight(second, share))
        states.append(
            ControlState(
                sample_index=round(k / ai_fps * 48_000), time_s=k / ai_fps, host_time_s=k / ai_fps,
                values=values, travel=travel,
                prompts=tuple(weight for weight in weights if weight.weight > 0.0),
                onset_count=0, beat_count=0, beat_phase=0.0, silent=False,
            )
        )  # fmt: skip
        travel = advance(travel, values, 1.0 / ai_fps)
    return states
