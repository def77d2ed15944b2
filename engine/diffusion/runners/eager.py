"""Eager torch: the reference for all other runners, on every device, nothing to prepare."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.diffusion.device import choose_device, choose_dtype, set_threads
from engine.diffusion.runners.runner import Network
from engine.diffusion.runners.torch_network import TorchNetwork
from engine.errors import ModelLoadError
from engine.registry import ModelRequest


class EagerRunner:
    """Calls the modules as they are, maps in channels_last: the faster layout in every format."""

    def __init__(self, request: ModelRequest) -> None:
        self._device, self._dtype = torch_numbers("eager", request)

    @property
    def name(self) -> str:
        """`eager`."""
        return "eager"

    @property
    def device(self) -> torch.device:
        """Any that torch has."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and maps."""
        return self._dtype

    @property
    def weights_dtype(self) -> torch.dtype:
        """The same."""
        return self._dtype

    @property
    def static(self) -> bool:
        """Any shape at any time."""
        return False

    def prepare(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Network:
        """Return the module behind a conversion of its inputs; shapes do not matter."""
        return TorchNetwork(network, self._dtype)


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
