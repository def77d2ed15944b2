"""The composer at 1280x720: one output frame with motion, colour and the flash limiter."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from engine.bench.area import BenchRequest, Result
from engine.bench.states import moving_states
from engine.compose.composer import Composer
from engine.messages import Picture, freeze

FRAMES = 240


def bench(request: BenchRequest) -> list[Result]:
    """Return `composer/1280x720` (ms), every grade parameter off its neutral."""
    rng = np.random.default_rng(0)
    pictures = [freeze(rng.integers(0, 256, (512, 512, 3), np.uint8)) for _ in range(4)]
    composer = Composer(1280, 720, pictures[0])
    moved = {"colour/exposure": 0.2, "colour/contrast": 1.1, "colour/saturation": 1.2,
             "colour/hue": 10.0}  # fmt: skip
    times_ms: list[float] = []
    states = moving_states(FRAMES + 1)
    for k in range(FRAMES):
        values = dict(states[k].values) | moved
        now = replace(states[k + 1], values=values)
        picture = Picture(k // 2, pictures[k // 2 % 4], states[k // 2 * 2], 20.0, 0.04)
        started = time.perf_counter()
        composer.compose(picture, now, time_s=now.time_s, dt_s=1.0 / 30.0)
        times_ms.append(1000.0 * (time.perf_counter() - started))
    p50, p99 = np.percentile(np.array(times_ms[20:]), (50, 99))
    return [
        {"name": "composer/1280x720", "ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}
    ]
