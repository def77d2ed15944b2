"""torch.compile: inductor writes and builds C++ (or Triton) kernels for the given shapes.

Needs a C++ compiler at run time and tens of seconds for a first preparation; inductor keeps its
results on disk, so that later ones take a few.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from engine.diffusion.runners.eager import torch_numbers
from engine.diffusion.runners.export import unwarned
from engine.diffusion.runners.runner import Network, Runner
from engine.diffusion.runners.torch_network import TorchNetwork
from engine.errors import ModelLoadError
from engine.registry import ModelRequest

_OPTIONS: dict[str, Any] = {
    "freezing": True,  # weights become constants: without it oneDNN repacks them at every call
}

_MANY = 256


class CompileRunner(Runner):
    """Compiles whole networks, without graph breaks, for static shapes."""

    def __init__(self, request: ModelRequest) -> None:
        device, dtype = torch_numbers("compile", request)
        super().__init__("compile", device, dtype, dtype, static=True)

    def prepare(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Network:
        """Compile, by a first call. Raises `ModelLoadError` where no compiler works."""
        with unwarned():
            from torch._dynamo import config as tracing
            from torch._inductor import config as building

        if self.device.type == "cpu":
            _find_compiler()
        compiled = torch.compile(network, fullgraph=True, dynamic=False, options=_OPTIONS)
        ready = TorchNetwork(compiled, self.dtype)
        try:
            with (
                # One process: no pool of compilers beside a live show.
                building.patch(compile_threads=1),
                # Counts all shapes of all models of this process; eight would soon be too few.
                tracing.patch(cache_size_limit=_MANY),
                unwarned(),
            ):
                ready(*inputs)
        except RuntimeError as error:
            raise ModelLoadError(
                f"torch.compile failed ({_reason(error)}): use the eager runner"
            ) from error
        return ready


def has_compiler() -> bool:
    """Whether there is a C++ compiler for torch.compile on a CPU."""
    try:
        _find_compiler()
    except ModelLoadError:
        return False
    return True


def _find_compiler() -> None:
    with unwarned():
        from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except RuntimeError as error:
        raise ModelLoadError(
            "torch.compile needs a C++ compiler and finds none: install g++ (Linux), the Xcode "
            "command line tools (macOS) or Visual C++ (Windows), or use the eager runner"
        ) from error


def _reason(error: Exception) -> str:
    """The last part of a message that torch wraps into its own, on one line."""
    cause = error
    while cause.__cause__ is not None and isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    text = " ".join(str(cause).split())
    return f"{type(cause).__name__}: {text[:200]}"
