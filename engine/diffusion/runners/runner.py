"""What executes networks: the seam between a model and eager torch, a compiler, another runtime.

A model asks a `Runner` to prepare each of its networks for the shapes it will be called with, and
then calls what it got. Which one runs, and in which number format, is asked for by name and either
happens or is a `ModelLoadError`: nothing falls back to anything.

| runner | computes in | needs |
|---|---|---|
| eager | float32, bfloat16; float16 on a GPU | nothing |
| graph | the same, whole frames recorded (`frames.py`) | CUDA |
| compile | the same | a C++ compiler |
| openvino | float32, bfloat16, int8; a CPU | `pip install "sonolume[openvino]"` |
| onnx | float32, int8; a CPU | `pip install "sonolume[onnx]"` |
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from importlib import import_module
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.diffusion.runners.torch_network import TorchNetwork
from engine.errors import ModelLoadError
from engine.registry import AUTO_RUNNER, RUNNER_NAMES, ModelRequest

RUNNERS: dict[str, str] = {
    "eager": "engine.diffusion.runners.eager:EagerRunner",
    "compile": "engine.diffusion.runners.inductor:CompileRunner",
    "openvino": "engine.diffusion.runners.openvino:OpenVinoRunner",
    "onnx": "engine.diffusion.runners.onnx:OnnxRunner",
}
"""Name, as in `RUNNER_NAMES`, to `module:class`, imported on use; it takes a `ModelRequest`."""

WHOLE_FRAMES = ("graph", AUTO_RUNNER)
"""Runners of whole frames, whose networks eager torch executes."""

_CHECKS = 3
"""Calls before the answer is compared: some mistakes only show from the second on."""

_TOLERANCE = 0.05
_TOLERANCES = {torch.float32: 0.005, torch.int8: 0.2}
"""Share of the answer's spread by which a runner may be off, root mean square."""


class Network(Protocol):
    """A network, ready to be called. Diffusion thread only."""

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Answer in float32 on the runner's device.

        The answer's memory may be written again by the next call of the same network.
        """
        ...


class Runner(ABC):
    """Makes networks ready to be called. Diffusion thread only, inside `inference_mode`.

    `name` is its key in `RUNNERS`; weights, inputs and answers are on `device`. It computes in
    `dtype`, `torch.int8` for quantised convolutions and products, and is handed networks in
    `weights_dtype`. `static`: preparing takes seconds and holds for one set of input shapes only.
    """

    def __init__(
        self,
        name: str,
        device: torch.device,
        dtype: torch.dtype,
        weights_dtype: torch.dtype,
        *,
        static: bool,
    ) -> None:
        self.name = name
        self.device = device
        self.dtype = dtype
        self.weights_dtype = weights_dtype
        self.static = static

    @abstractmethod
    def prepare(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Network:
        """Make `network` ready for inputs shaped like `inputs`. Raises `ModelLoadError`.

        `network` is in evaluation mode, in `weights_dtype`, on `device`, and must outlive the
        answer; inputs may be of any floating format and layout.
        """


class ShapedNetwork:
    """A network of a model, prepared by a runner for every set of shapes it meets, once each.

    What a compiler or another runtime made of it is compared with the network itself before it is
    used: wrong pictures must not pass for the model's.
    """

    def __init__(self, runner: Runner, network: nn.Module) -> None:
        self._runner = runner
        self._network = network
        self._ready: dict[tuple[torch.Size, ...], Network] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        """See `Network`; the first call with new shapes prepares, which can take seconds."""
        shapes = tuple(tensor.shape for tensor in inputs)
        ready = self._ready.get(shapes)
        if ready is None:
            ready = self._runner.prepare(self._network, inputs)
            if self._runner.static:
                self._check(ready, shapes)
            self._ready[shapes] = ready
        return ready(*inputs)

    def _check(self, ready: Network, shapes: tuple[torch.Size, ...]) -> None:
        """Raise `ModelLoadError` unless repeated answers are those of eager torch."""
        generator = torch.Generator().manual_seed(0)
        probe = [torch.rand(shape, generator=generator) for shape in shapes]
        probe = [tensor.to(self._runner.device) for tensor in probe]
        expected = TorchNetwork(self._network, self._runner.weights_dtype)(*probe)
        for _ in range(_CHECKS):
            answer = ready(*probe)
        share = float((answer - expected).square().mean().sqrt() / expected.std())
        if not share <= _TOLERANCES.get(self._runner.dtype, _TOLERANCE):  # nor NaN
            raise ModelLoadError(
                f"the {self._runner.name} runner computes something else than the model here (off "
                f"by {100 * share:.0f} % of its spread): use the eager runner"
            )


def open_runner(request: ModelRequest) -> Runner:
    """Open the runner that a request names. Diffusion thread only.

    Raises `ModelLoadError` for an unknown name, a missing package, and a device or number format
    that the runner does not have here.
    """
    name = "eager" if request.runner in WHOLE_FRAMES else request.runner
    target = RUNNERS.get(name)
    if target is None:
        close = difflib.get_close_matches(name, RUNNER_NAMES, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(RUNNER_NAMES)}"
        raise ModelLoadError(f"no runner {request.runner[:120]!r}: {hint}")
    module_name, _, attribute = target.partition(":")
    runner: Runner = getattr(import_module(module_name), attribute)(request)
    return runner


def cpu_only(name: str, request: ModelRequest) -> torch.device:
    """Return the CPU for a runner that knows no other device. Raises `ModelLoadError`."""
    if request.device not in ("auto", "cpu"):
        raise ModelLoadError(
            f"the {name} runner does not run on {request.device}: "
            "use --device-compute cpu or the eager runner"
        )
    return torch.device("cpu")
