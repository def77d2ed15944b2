"""Eager torch: the reference for all other runners, on every device, nothing to prepare."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.diffusion.device import choose_device, choose_dtype, set_threads
from engine.diffusion.runners.runner import Network, Runner
from engine.diffusion.runners.torch_network import TorchNetwork
from engine.errors import ModelLoadError
from engine.registry import ModelRequest


class EagerRunner(Runner):
    """Calls the modules as they are, maps in channels_last: the faster layout in every format."""

    def __init__(self, request: ModelRequest) -> None:
        device, dtype = torch_numbers("eager", request)
        super().__init__("eager", device, dtype, dtype, static=False)

    def prepare(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Network:
        """Return the module behind a conversion of its inputs; shapes do not matter."""
        return TorchNetwork(network, self.dtype)


def torch_numbers(name: str, request: ModelRequest) -> tuple[torch.device, torch.dtype]:
    """Return device and number format for a runner that torch itself executes; sets its threads.

    Raises `ModelLoadError`.
    """
    device = choose_device(request.device)
    if device.type == "cpu":
        set_threads(request.threads)
    dtype = choose_dtype(request.dtype, device, half_on_cpu=True)
    if not dtype.is_floating_point:
        raise ModelLoadError(
            f"the {name} runner does not compute in {request.dtype}: "
            "use float32, or the openvino or onnx runner"
        )
    return device, dtype
