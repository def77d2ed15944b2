"""Ember alone: how fast the loop paints, in each number format, and where the time goes.

With `--loop` and `--morph`, how it holds out instead (`engine.bench.loop`, `engine.bench.morph`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from engine.bench.area import BenchRequest, Result
from engine.bench.loop import loop
from engine.bench.morph import morph
from engine.bench.states import moving_states
from engine.diffusion.device import cpu_has_bfloat16
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.ember.bundle import open_ember
from engine.registry import ModelRequest

SIZES = ((256, 256), (512, 512), (640, 360))
WARM_UP, PICTURES = 10, 60


def bench(request: BenchRequest) -> list[Result]:
    """Return the speed, or, where asked for, the results of `loop` and `morph`."""
    asked: list[Result] = []
    if request.loop_s is not None:
        asked += loop(request)
    if request.morph:
        asked += morph(request)
    return asked or _speed(request)


def _speed(request: BenchRequest) -> list[Result]:
    """Return `ember/<W>x<H>/eager-<fp32|bf16>`: fps of the whole loop, ms per stage."""
    results: list[Result] = []
    formats = [("fp32", "float32")]
    if cpu_has_bfloat16() or request.device_compute == "cuda":
        formats.append(("bf16", "bfloat16"))
    for width, height in SIZES:
        for short, dtype in formats:
            model = open_ember(ModelRequest("ember", width, height, request.device_compute, dtype))
            figures = _measure(model)
            model.close()
            results.append({"name": f"ember/{width}x{height}/eager-{short}", **figures})
    return results


def _measure(model: FeedbackModel) -> Result:
    import torch

    states = moving_states(WARM_UP + PICTURES)
    for control in states[:WARM_UP]:
        model.generate(control, 0.04)
    times_ms = [_ms(partial(model.generate, control, 0.04)) for control in states[WARM_UP:]]
    bundle = model.bundle
    with torch.inference_mode():
        picture = torch.zeros(1, 3, model.height, model.width, device=bundle.device)
        latent = bundle.encode(picture)
        prompt = bundle.encode_prompt("a sunset over the sea")
        stages: dict[str, Callable[[], object]] = {
            "encode": lambda: bundle.encode(picture),
            "denoise": lambda: bundle.denoised(latent, 0.5, prompt, 1.0),
            "decode": lambda: bundle.decode(latent),
        }
        ms = {
            name: round(float(np.median([_ms(stage) for _ in range(25)])), 2)
            for name, stage in stages.items()
        }
    median_ms = float(np.median(times_ms))
    networks_ms = sum(ms.values())
    return {
        "fps": round(1000.0 / median_ms, 1),
        "networks_fps": round(1000.0 / networks_ms, 1),
        "ms": {**ms, "loop": round(median_ms - networks_ms, 2), "all": round(median_ms, 2)},
        "threads": torch.get_num_threads(),
    }


def _ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return 1000.0 * (time.perf_counter() - started)
