"""Minutes of feedback: whether the picture burns, blurs, fades or freezes, and memory grows.

One uninterrupted run of the live stages (probe sound, analysis, the default preset's routes, the
picture loop), as fast as it goes. In its first half the preset's first prompt is held; in the
second its scenes are walked through, each held for one window and then melting for one into the
next. The sound repeats with every window, so that windows of the same prompts have heard the
same; each is compared with the first of its kind (`drift`). The held scene comes round in the
second half too and is compared with the very first window to the end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.bench.area import BenchRequest, Result
from engine.bench.drift import (
    FIGURES,
    MELTS,
    Stillness,
    Window,
    burning,
    drift,
    growth_mb_per_hour,
)
from engine.bench.picture_figures import picture_figures
from engine.bench.show import Show
from engine.errors import LimitError
from engine.presets import DEFAULT_PRESET, Preset, PromptScene, load_preset
from engine.registry import ModelRequest
from engine.synthesis.oscillator import SAMPLE_RATE_HZ
from engine.synthesis.probe import render_probe

WINDOW_S = 10.0
LONGEST_S = 86_400.0
_MB = 2**20


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """The windows of a run: what is painted in each, and where the walk begins."""

    scenes: tuple[str, ...]
    held: int
    """Windows of the first half, which all have the first prompt."""
    window_s: float


def loop(request: BenchRequest) -> list[Result]:
    """Return `<model>/loop` for `request.loop_s` seconds of music. Raises `EngineError`."""
    assert request.loop_s is not None
    return [run_loop(request, request.loop_s, WINDOW_S)]


def run_loop(request: BenchRequest, seconds: float, window_s: float) -> Result:
    """Measure one run in windows of `window_s` seconds; `seconds` is rounded to whole windows."""
    preset = load_preset(DEFAULT_PRESET)
    plan = plan_loop([scene.text for scene in preset.prompts], seconds, window_s)
    sound, _ = render_probe(seed=0, duration_s=window_s)
    show = Show(
        walking(preset, window_s), sound, SAMPLE_RATE_HZ,
        ModelRequest(request.model, *request.size, request.device_compute), request.ai_fps,
    )  # fmt: skip
    started_s = time.perf_counter()
    try:
        show.open(hold=True)
        opened_s = time.perf_counter()
        stillness = Stillness()
        windows, size = _paint(show, plan, request.ai_fps, stillness)
    finally:
        show.close()
    painting_s = time.perf_counter() - opened_s
    music_s = len(windows) * window_s
    return {
        "name": f"{show.model_name}/loop", "seconds": music_s,
        "pictures": show.pictures_made, "ai_fps": request.ai_fps, "size": size,
        "x_realtime": round(music_s / painting_s, 2), "opened_s": round(opened_s - started_s, 1),
        **drift(windows), "frozen": stillness.count, **burning(windows),
        "rss_start_mb": windows[0].rss_mb, "rss_end_mb": windows[-1].rss_mb,
        "rss_mb_per_hour": growth_mb_per_hour(windows),
        "minutes": _minutes(windows),
    }  # fmt: skip


def plan_loop(prompts: Sequence[str], seconds: float, window_s: float) -> LoopPlan:
    """Lay out a run. Raises `LimitError` for less than two windows, or more than a day."""
    if not 2.0 * window_s <= seconds <= LONGEST_S:
        raise LimitError(
            f"--loop {seconds:g}s cannot be measured in windows of {window_s:g} s: "
            f"give {2 * window_s:g}s to {LONGEST_S / 3600.0:g}h"
        )
    count = round(seconds / window_s)
    held = (count + 1) // 2 if len(prompts) > 1 else count
    scenes = [prompts[0]] * held
    for step in range(count - held):
        here, after = prompts[step // 2 % len(prompts)], prompts[(step // 2 + 1) % len(prompts)]
        scenes.append(f"{here}{MELTS}{after}" if step % 2 else here)
    return LoopPlan(tuple(scenes), held, window_s)


def walking(preset: Preset, window_s: float) -> Preset:
    """Return a preset whose scenes stay for one window and melt for one; nothing else walks."""
    scenes = tuple(
        PromptScene(text=scene.text, hold_s=window_s, transition_s=window_s)
        for scene in preset.prompts
    )
    routes = tuple(route for route in preset.routes if not route.target.startswith("prompt/"))
    return preset.model_copy(update={"prompts": scenes, "routes": routes})


def _paint(
    show: Show, plan: LoopPlan, ai_fps: float, stillness: Stillness
) -> tuple[list[Window], str]:
    import psutil
    from tqdm import tqdm

    process = psutil.Process()
    windows: list[Window] = []
    size = ""
    each = max(1, round(plan.window_s * ai_fps))
    with tqdm(total=len(plan.scenes) * each, desc="loop", unit="picture", disable=None) as bar:
        for index, scene in enumerate(plan.scenes):
            if index == plan.held:
                show.walk(pace=1.0)
            window = Window(scene, index * plan.window_s)
            for _ in range(each):
                pixels = show.next_picture().pixels
                window.add(picture_figures(pixels))
                stillness.look(pixels)
                bar.update()
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            window.rss_mb = round(process.memory_info().rss / _MB, 1)
            windows.append(window)
    return windows, size


def _minutes(windows: Sequence[Window]) -> list[Result]:
    """Return the means of each minute, for a reader's eye."""
    minutes: dict[int, list[Window]] = {}
    for window in windows:
        minutes.setdefault(int(window.start_s // 60.0), []).append(window)
    return [
        {
            "minute": minute,
            **{name: round(float(np.mean([w.mean(name) for w in part])), 4) for name in FIGURES},
            "burnt": round(float(np.mean([w.mean("burnt") for w in part])), 5),
            "rss_mb": part[-1].rss_mb,
        }
        for minute, part in minutes.items()
    ]
