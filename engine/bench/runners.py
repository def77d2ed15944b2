"""Ember by every runner in every number format, and SD-Turbo's architecture beside it.

Each runner and format has a process of its own: thread pools of two runtimes in one process spin
against each other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engine.bench.area import BenchRequest, Result
from engine.bench.program import run_for_json
from engine.diffusion.runners.runner import RUNNERS

FORMATS = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}
"""Short names, as in the names of results, and those of `ModelRequest`."""

RATIO_SIZE = "512x512"
"""Where both models are measured."""


def runners(request: BenchRequest) -> list[Result]:
    """Return `ember/<W>x<H>/<runner>-<format>` and `sd-turbo/512x512/eager-<format>`.

    Figures of ember: `fps` of the whole picture loop, `networks_fps`, median `ms` of each stage,
    `opened_s`, `agreement_db` (peak signal to noise against eager float32) and, at 512x512,
    `ratio`: how many of its frames (encode, one call, decode) fit into one of SD-Turbo and TAESD
    in the same format. What this machine cannot run has `not_measured`, with the reason.
    Takes about a quarter of an hour on two cores, most of it torch.compile; `request.runner`
    measures one alone, without SD-Turbo. Raises `EngineError`.
    """
    from tqdm import tqdm

    on_cpu = request.device_compute != "cuda"
    cases = [
        ("ember", *case)
        for case in _ember_cases(on_cpu=on_cpu)
        if request.runner in ("all", case[0])
    ]
    if request.runner == "all":
        cases += [("sd-turbo", "eager", short) for short in _native_formats(on_cpu=on_cpu)]
    results: list[Result] = []
    for case in tqdm(cases, desc="runners", unit="case", disable=None):
        results += _in_a_process((*case, request.device_compute))
    add_ratios(results)
    return results


def add_ratios(results: Sequence[Result]) -> None:
    """Give each result of ember the `ratio` to SD-Turbo's in the same format, where there is one.

    Both are the networks of one frame: encode, one call of the U-Net, decode.
    """
    sd_ms = {
        str(result["name"]).rpartition("-")[2]: _frame_ms(result)
        for result in results
        if str(result["name"]).startswith(f"sd-turbo/{RATIO_SIZE}/") and "ms" in result
    }
    for result in results:
        name = str(result["name"])
        short = name.rpartition("-")[2]
        if name.startswith(f"ember/{RATIO_SIZE}/") and "ms" in result and short in sd_ms:
            result["ratio"] = round(sd_ms[short] / _frame_ms(result), 1)


def _frame_ms(result: Result) -> float:
    ms = result["ms"]
    assert isinstance(ms, dict)
    return float(ms["encode"] + ms["denoise"] + ms["decode"])


def _ember_cases(*, on_cpu: bool) -> list[tuple[str, str]]:
    """Every runner with every format it has."""
    native = _native_formats(on_cpu=on_cpu)
    cases = [(runner, short) for runner in ("eager", "compile") for short in native]
    if on_cpu:
        cases += [("openvino", short) for short in (*native, "int8")]
        cases += [("onnx", short) for short in ("fp32", "int8")]
    assert {runner for runner, _ in cases} <= set(RUNNERS)
    return cases


def _native_formats(*, on_cpu: bool) -> list[str]:
    from engine.diffusion.device import cpu_has_bfloat16

    return ["fp32", "bf16"] if not on_cpu or cpu_has_bfloat16() else ["fp32"]


def _in_a_process(case: tuple[str, str, str, str]) -> list[Result]:
    answer = run_for_json([sys.executable, "-m", "engine.bench.runner_case", *case])
    results = answer["results"]
    assert isinstance(results, list)
    return results
