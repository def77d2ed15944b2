"""One runner and one number format, measured in this process; `engine.bench.runners` starts it.

    python -m engine.bench.runner_case <ember|sd-turbo> <runner> <fp32|bf16|int8> <device>

The last line of its output is `{"results": [...]}`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from engine.bench.area import Result
from engine.bench.runners import FORMATS
from engine.bench.states import moving_states
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.fresh import paint_fresh
from engine.diffusion.models.ember.bundle import open_ember
from engine.diffusion.noise_level import noised, on_device
from engine.errors import ModelLoadError
from engine.registry import ModelRequest

SIZES = ((256, 256), (512, 512), (640, 360))
PICTURES = 75


def ember_case(
    runner: str,
    short: str,
    device: str,
    sizes: tuple[tuple[int, int], ...] = SIZES,
    pictures: int = PICTURES,
) -> list[Result]:
    """Return ember's figures for one runner and format at every size.

    Where the runner cannot run here, one line `not_measured` per size says why.
    """
    results: list[Result] = []
    for width, height in sizes:
        name = f"ember/{width}x{height}/{runner}-{short}"
        request = ModelRequest("ember", width, height, device, FORMATS[short], 0, runner)
        started_s = time.perf_counter()
        try:
            model = open_ember(request)
        except ModelLoadError as error:
            results.append({"name": name, "not_measured": str(error)})
            continue
        opened_s = time.perf_counter() - started_s
        result: Result = {"name": name, **_speed(model, pictures), "opened_s": round(opened_s, 1)}
        if (runner, short) != ("eager", "fp32"):
            result["agreement_db"] = _agreement_db(model, request)
        model.close()
        results.append(result)
    return results


def median_ms(stages: Mapping[str, Callable[[], object]], calls: int) -> dict[str, float]:
    """Return the median duration of each stage; on a GPU the device's own work is waited for."""
    import torch

    wait = torch.cuda.synchronize if torch.cuda.is_available() else _nothing
    medians: dict[str, float] = {}
    for name, stage in stages.items():
        times_s: list[float] = []
        for _ in range(calls + 1):
            wait()
            started_s = time.perf_counter()
            stage()
            wait()
            times_s.append(time.perf_counter() - started_s)
        medians[name] = round(1000.0 * float(np.median(times_s[1:])), 2)
    return medians


def _nothing() -> None:
    """The CPU is done when it returns."""


def _speed(model: FeedbackModel, pictures: int) -> Result:
    import torch

    warm_up = pictures // 5
    states = iter(moving_states(warm_up + pictures + 1))
    for _ in range(warm_up):
        model.generate(next(states), 0.04)
    bundle = model.bundle
    with torch.inference_mode():
        loop = median_ms({"all": lambda: model.generate(next(states), 0.04)}, pictures)
        picture = torch.zeros(1, 3, model.height, model.width, device=bundle.device)
        latent = bundle.encode(picture).clone()
        prompt = bundle.encode_prompt("a sunset over the sea")
        ms = median_ms(
            {
                "encode": partial(bundle.encode, picture),
                "denoise": partial(
                    bundle.denoised, latent, on_device(bundle.noise_level(0.5), bundle.device),
                    prompt, None,
                ),
                "decode": partial(bundle.decode, latent),
            },
            pictures // 2,
        )  # fmt: skip
    networks_ms = sum(ms.values())
    return {
        "fps": round(1000.0 / loop["all"], 1),
        "networks_fps": round(1000.0 / networks_ms, 1),
        "ms": {**ms, "loop": round(loop["all"] - networks_ms, 2), **loop},
        "threads": torch.get_num_threads(),
    }


def _agreement_db(model: FeedbackModel, request: ModelRequest) -> float:
    """Return the peak signal-to-noise ratio of a picture against eager float32's, in dB."""
    import torch

    exact = ModelRequest(
        "ember", request.width, request.height, str(model.bundle.device), "float32"
    )
    reference = open_ember(exact)
    reference.generate(moving_states(1)[0], 0.04)
    shape = reference.bundle.latent_shape(reference.width, reference.height)
    with torch.inference_mode():
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(
            reference.bundle.device
        )
        words = "a sunset over the sea"
        begun = paint_fresh(reference.bundle, [noise], reference.bundle.encode_prompt(words), 1.0)
        first = reference.bundle.decode(begun).clamp(-1.0, 1.0)
        painted = []
        for bundle in (reference.bundle, model.bundle):
            level = on_device(bundle.noise_level(0.5), bundle.device)
            noisy = noised(bundle.encode(first), noise, level)
            latent = bundle.denoised(noisy, level, bundle.encode_prompt(words), None)
            painted.append(bundle.decode(latent).clamp(-1.0, 1.0))
        error = float((painted[0] - painted[1]).square().mean())
    reference.close()
    return round(10.0 * float(np.log10(4.0 / max(error, 1e-12))), 1)


def main(arguments: list[str]) -> None:
    """Measure one case and write it as one line of JSON."""
    what, runner, short, device = arguments
    if what == "ember":
        results = ember_case(runner, short, device)
    else:
        from engine.bench.sd_turbo import sd_turbo_case

        results = sd_turbo_case(short, device)
    sys.stdout.write(json.dumps({"results": results}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
