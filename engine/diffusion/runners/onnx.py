"""ONNX Runtime on the CPU: float32 kernels and int8, no bfloat16 on x86.

onnxruntime (1.31.1, MIT) has wheels for Python 3.11, 3.12 and 3.13 on Linux x86-64 (24 MB, 68 MB
unpacked) and arm64 (21 MB), Windows x86-64 and arm64 (15 MB) and macOS arm64 from version 14 on
(21 MB). Exporting needs onnx (1.23.2, Apache-2.0, 8 to 10 MB, the same systems) and onnxscript
(0.7.2, MIT, pure Python).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from engine.diffusion.device import set_threads
from engine.diffusion.runners.buffers import StaticBuffers
from engine.diffusion.runners.export import exported, exporting
from engine.diffusion.runners.runner import Network, Runner, cpu_only
from engine.errors import ModelLoadError
from engine.registry import ModelRequest

_PACKAGES = ("onnxruntime", "onnx", "onnxscript")
_FORMATS = {"auto": torch.float32, "float32": torch.float32, "int8": torch.int8}
_ERRORS_ONLY = 3


class OnnxRunner(Runner):
    """Exports networks to ONNX in memory and runs them with ONNX Runtime's CPU provider."""

    def __init__(self, request: ModelRequest) -> None:
        device = cpu_only("onnx", request)
        try:
            onnxruntime, *_ = [import_module(package) for package in _PACKAGES]
        except ImportError as error:
            raise ModelLoadError(
                f'{error.name} is not installed: pip install "sonolume[onnx]" '
                "or use the eager runner"
            ) from error
        dtype = _FORMATS.get(request.dtype)
        if dtype is None:
            raise ModelLoadError(
                f"ONNX Runtime does not compute in {request.dtype} on a CPU: "
                "use float32, or the eager runner"
            )
        onnxruntime.disable_telemetry_events()  # Windows builds trace their use
        super().__init__("onnx", device, dtype, torch.float32, static=True)
        self._threads = set_threads(request.threads)

    def prepare(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Network:
        """Export and optimise. Takes seconds for a U-Net."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Its threads spin between operators of one call, but not beside torch's after it.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = onnxruntime.InferenceSession(
            _as_onnx(network, inputs), options, providers=["CPUExecutionProvider"]
        )
        return _OnnxNetwork(session, inputs)


class _OnnxNetwork:
    """One session bound to memory it shares with torch."""

    def __init__(self, session: Any, inputs: tuple[Tensor, ...]) -> None:
        import numpy as np

        (answer,) = session.get_outputs()
        self._session = session
        self._buffers = StaticBuffers(inputs, answer.shape)
        self._binding = session.io_binding()
        for place, array in zip(session.get_inputs(), self._buffers.arrays, strict=True):
            self._binding.bind_input(
                place.name, "cpu", 0, np.float32, array.shape, array.ctypes.data
            )
        array = self._buffers.answer_array
        self._binding.bind_output(
            answer.name, "cpu", 0, np.float32, array.shape, array.ctypes.data
        )

    def __call__(self, *inputs: Tensor) -> Tensor:
        """See `Network`."""
        self._buffers.fill(inputs)
        self._session.run_with_iobinding(self._binding)
        return self._buffers.answer


def _as_onnx(network: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    program = exported(network, inputs)
    with exporting(), _errors_only("torch.onnx"):
        # verbose=False: the exporter would print its progress.
        made = torch.onnx.export(program, dynamo=True, verbose=False)
    assert made is not None
    data: bytes = made.model_proto.SerializeToString()
    return data


@contextmanager
def _errors_only(name: str) -> Iterator[None]:
    """Leave out warnings: the exporter warns of packages it could also have had."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
