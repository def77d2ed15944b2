"""Any model's picture loop by every runner: speed, work done, share of what the machine can do.

Each runner has a process of its own (`engine.bench.engine_case`). A published architecture that
was not fetched is built with random weights, and says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from engine.bench.area import BenchRequest, Result
from engine.errors import ModelLoadError, UsageError
from engine.known_models import known_model
from engine.registry import CHECKPOINT, RUNNER_NAMES, find_model

RATIO_BUDGET = 80.0
"""So many frames of ember fit into one of SD-Turbo (issue 5)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One runner of one model, to be measured in a process of its own."""

    label: str
    """The model in the result's name."""
    model: str
    """What is opened: a name or a path."""
    weights: str
    """`learned` or `random`."""
    width: int
    height: int
    runner: str
    device: str = "auto"
    dtype: str = "auto"
    seconds: float = 20.0
    gflop: float | None = None
    """Work of one frame, where it was counted already."""

    @property
    def name(self) -> str:
        """The name of its result."""
        return f"engine/{self.label}/{self.width}x{self.height}/{self.runner}"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a model's weights are."""

    label: str
    model: str
    weights: str


def bench(request: BenchRequest) -> list[Result]:
    """Return `engine/<model>/<W>x<H>/<runner>`, see `engine_case.measure`; raise `EngineError`.

    With SD-Turbo also `engine/ratio`: how many of ember's frames fit into one of it, in the same
    number format by the same runner. A runner that cannot run has `error` instead of figures.
    """
    width, height = request.size
    results: list[Result] = []
    with _source(request.model) as source:
        gflop: float | None = None
        for runner in _runners(request, source):
            case = Case(
                source.label, source.model, source.weights, width, height, runner,
                request.device_compute, seconds=request.seconds, gflop=gflop,
            )  # fmt: skip
            result = _in_a_process(case)
            results.append(result)
            if isinstance(result.get("gflop"), float):
                gflop = float(str(result["gflop"]))
    if source.label == "sd-turbo":
        results += _beside_ember(request, results)
    return results


def ratio(turbo: Result, ember: Result) -> Result:
    """Return `engine/ratio` of two results of the same runner and number format."""
    assert turbo["dtype"] == ember["dtype"]
    turbo_ms, ember_ms = _frame_ms(turbo), _frame_ms(ember)
    return {
        "name": "engine/ratio",
        "ratio": round(turbo_ms / ember_ms, 1),
        "sd_turbo_ms": turbo_ms,
        "ember_ms": ember_ms,
        "dtype": turbo["dtype"],
        "weights": turbo["weights"],
        "budget": RATIO_BUDGET,
        "within_budget": turbo_ms >= RATIO_BUDGET * ember_ms,
    }


def _beside_ember(request: BenchRequest, results: Sequence[Result]) -> list[Result]:
    """Ember at the same size, by the first runner that SD-Turbo ran on, and the ratio."""
    turbo = next((result for result in results if "error" not in result), None)
    if turbo is None:
        return [{"name": "engine/ratio", "error": "SD-Turbo was not measured"}]
    runner = str(turbo["name"]).rpartition("/")[2]
    ember = _in_a_process(
        Case("ember", "ember", "learned", *request.size, runner, request.device_compute,
             str(turbo["dtype"]), request.seconds)
    )  # fmt: skip
    if "error" in ember:
        return [ember, {"name": "engine/ratio", "error": ember["error"]}]
    return [ember, ratio(turbo, ember)]


def _frame_ms(result: Result) -> float:
    ms = result["ms"]
    assert isinstance(ms, dict)
    return float(ms["frame"])


@contextmanager
def _source(model: str) -> Iterator[_Source]:
    """Find a model on this machine, or write its architecture to a folder that goes again.

    Raises `UnknownModelError`, and `ModelLoadError` where it is neither here nor known.
    """
    from engine.bench.random_checkpoint import ARCHITECTURES, write_random_checkpoint
    from engine.diffusion.models.source import checkpoint_path

    entry = find_model(model)
    known = known_model(model)
    label = known.name if known else Path(model).stem
    if model == "null":
        raise UsageError("null paints without a network: name ember or a checkpoint")
    if entry is not CHECKPOINT:
        yield _Source(label, model, "learned")
        return
    try:
        found = _Source(label, str(checkpoint_path(model)), "learned")
    except ModelLoadError:
        if label not in ARCHITECTURES or Path(model).expanduser().exists():
            raise
    else:
        yield found
        return
    with tempfile.TemporaryDirectory(prefix="sonolume-bench-") as name:
        _say(f"{label} is not on this machine: its architecture is built with random weights")
        folder = write_random_checkpoint(ARCHITECTURES[label], Path(name) / label)
        yield _Source(label, str(folder), "random")


def _runners(request: BenchRequest, source: _Source) -> list[str]:
    """Those asked for, eager first: it counts the work. Raises `UsageError`."""
    if request.runner != "all":
        if request.runner not in RUNNER_NAMES:
            raise UsageError(f"no runner {request.runner!r}; there are {', '.join(RUNNER_NAMES)}")
        return [request.runner]
    from engine.diffusion.device import choose_device
    from engine.diffusion.runners.inductor import has_compiler

    device = choose_device(request.device_compute).type
    there = {
        "eager": True,
        "graph": device == "cuda",
        "compile": device != "cpu" or has_compiler(),
        "openvino": source.model == "ember" and device == "cpu" and find_spec("openvino"),
        "onnx": source.model == "ember" and device == "cpu" and find_spec("onnxruntime"),
    }
    assert set(there) == set(RUNNER_NAMES)
    return [runner for runner in RUNNER_NAMES if there[runner]]


def _in_a_process(case: Case) -> Result:
    """Measure one case; what the process says meanwhile goes to stderr."""
    _say(f"{case.name} ...")
    command = [sys.executable, "-m", "engine.bench.engine_case", json.dumps(asdict(case))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        why = "was ended from outside" if done.returncode < 0 else "failed"
        reason = f"its process {why} (status {done.returncode}); stderr says more"
        return {"name": case.name, "error": reason, "weights": case.weights}
    result: Result = json.loads(lines[-1])
    return result


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
