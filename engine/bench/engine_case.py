"""One runner of one model, measured in this process; `engine.bench.engine` starts it.

    python -m engine.bench.engine_case '<Case as JSON>'

The last line of its output is the result.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from engine.bench.area import Result
from engine.bench.engine import Case
from engine.bench.prompt_change import measure_prompt_changes
from engine.bench.runner_case import median_ms
from engine.bench.states import moving_states
from engine.bench.work import count_gflop, matmul_peak_tflops
from engine.diffusion.feedback import FeedbackModel
from engine.errors import ModelLoadError
from engine.messages import ControlState
from engine.registry import DEFAULT_RUNNER, ModelRequest, find_model, load_factory

DT_S = 0.04
MOST_PICTURES = 300
WHOLE = ("graph",)
"""Runners whose frame is one recording: it has no stages that could be timed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pictures are painted for what."""

    warm_up: int
    pictures: int
    calls: int
    """Of each stage."""
    steady: int
    changes: int
    after: int

    @staticmethod
    def within(seconds: float, frame_s: float) -> Plan:
        """Share `seconds` among all that is measured; at least one of each, however slow."""
        affordable = int(seconds / frame_s)
        pictures = min(max(affordable // 3, 2), MOST_PICTURES)
        return Plan(
            warm_up=5 if affordable > 30 else 1,
            pictures=pictures,
            calls=min(max(affordable // 6, 2), 50),
            steady=min(max(affordable // 12, 2), 40),
            changes=min(max(affordable // 40, 1), 8),
            after=10 if affordable > 30 else 2,
        )


def measure(case: Case, now: Callable[[], float] = time.perf_counter) -> Result:
    """Return the figures of one case, or its `error`.

    `fps` is 1 over the median time between two pictures of a zooming loop with two in flight, and
    `ms` that time (`frame`) and the median of each stage called alone. `gflop` is the work of one
    frame, products and convolutions; `tflops` what of it was done per second; `share_of_peak`
    that over `peak_tflops`, a large product of this machine in the same format and threads.
    `first_picture_s` counts from opening; `prompt_change` is `measure_prompt_changes`.
    """
    about: Result = {"name": case.name, "weights": case.weights}
    try:
        gflop = case.gflop
        if gflop is None and case.runner != DEFAULT_RUNNER:
            gflop = _counted(_open(replace(case, runner=DEFAULT_RUNNER)))
        started_s = now()
        model = _open(case)
    except ModelLoadError as error:
        return {**about, "error": str(error)}
    try:
        return {**about, **_figures(model, case, gflop, started_s, now)}
    finally:
        model.close()


def _figures(
    model: FeedbackModel, case: Case, gflop: float | None, started_s: float,
    now: Callable[[], float],
) -> Result:  # fmt: skip
    import torch

    states = moving_states(3)
    model.generate(states[0], DT_S)
    first_picture_s = now() - started_s
    work_gflop = count_gflop(lambda: model.generate(states[1], DT_S)) if gflop is None else gflop
    begun_s = now()
    model.generate(states[2], DT_S)
    plan = Plan.within(case.seconds, now() - begun_s)
    _say(case, f"{plan.pictures} pictures")
    frame_s = median_frame_s(model, moving_states(plan.warm_up + plan.pictures), plan.warm_up, now)
    ms = {"frame": round(1000.0 * frame_s, 2)}
    if case.runner not in WHOLE:
        _say(case, "stages")
        ms = {**stages_ms(model, plan.calls), **ms}
    _say(case, f"{plan.changes} changes of the prompt")
    changes = measure_prompt_changes(
        model, nonce=time.time_ns(), warm_up=1, steady=plan.steady, changes=plan.changes,
        after=plan.after, now=now,
    )  # fmt: skip
    if not model.state()["has"][0]:
        return {"error": "its pictures overflow, so no frame was one of a running show"}
    device, dtype = model.bundle.device, model.bundle.dtype
    peak_tflops = matmul_peak_tflops(device, dtype)
    tflops = work_gflop / 1000.0 / frame_s
    return {
        "fps": round(1.0 / frame_s, 3),
        "tflops": round(tflops, 4),
        "share_of_peak": round(tflops / peak_tflops, 3),
        "peak_tflops": round(peak_tflops, 4),
        "gflop": round(work_gflop, 1),
        "ms": ms,
        "pictures": plan.pictures,
        "painted": f"{model.width}x{model.height}",
        "first_picture_s": round(first_picture_s, 2),
        "prompt_change": changes,
        "ran": model.runner,
        "dtype": str(dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
    }


def median_frame_s(
    model: FeedbackModel, states: Sequence[ControlState], warm_up: int, now: Callable[[], float]
) -> float:
    """Paint as a show does, the next picture submitted before the last one is collected."""
    model.submit(states[0], DT_S)
    times_s = [now()]
    for state in states[1:]:
        model.submit(state, DT_S)
        model.collect()
        times_s.append(now())
    model.collect()
    return float(np.median(np.diff(times_s)[warm_up - 1 :]))


def stages_ms(model: FeedbackModel, calls: int) -> dict[str, float]:
    """Return the median of `warp`, `encode`, `unet` and `decode`, each called alone."""
    import torch

    from engine.diffusion.frame_params import FrameParams
    from engine.diffusion.noise_level import on_device
    from engine.diffusion.warp import Warp

    bundle = model.bundle
    before, after = moving_states(2)
    with torch.inference_mode():
        warp, params = Warp(model.width, model.height, bundle.device), FrameParams(bundle.device)
        params.set("warp", warp.plan(before.travel, after.travel))
        params.send()
        picture = torch.zeros(1, 3, model.height, model.width, device=bundle.device)
        latent = bundle.encode(picture).clone()
        prompt = bundle.encode_prompt("a sunset over the sea")
        bundle.hold(prompt)
        level = on_device(bundle.noise_level(0.5), bundle.device)
        return median_ms(
            {
                "warp": partial(warp, picture, params["warp"], bent=False),
                "encode": partial(bundle.encode, picture),
                "unet": partial(bundle.denoised, latent, level, prompt, None),
                "decode": partial(bundle.decode, latent),
            },
            calls,
        )


def _open(case: Case) -> FeedbackModel:
    request = ModelRequest(
        case.model, case.width, case.height, case.device, case.dtype, 0, case.runner, live=True
    )
    _say(case, "opening")
    model = load_factory(find_model(case.model))(request)
    if not isinstance(model, FeedbackModel):
        model.close()
        raise ModelLoadError(f"{case.model} has no picture loop of Sonolume to be measured")
    return model


def _counted(model: FeedbackModel) -> float:
    first, second = moving_states(2)
    try:
        model.generate(first, DT_S)
        return count_gflop(lambda: model.generate(second, DT_S))
    finally:
        model.close()


def _say(case: Case, what: str) -> None:
    sys.stderr.write(f"{case.name}: {what}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> None:
    """Measure one case and write it as one line of JSON."""
    case = Case(**json.loads(arguments[0]))
    sys.stdout.write(json.dumps(measure(case)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
