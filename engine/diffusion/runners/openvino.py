"""OpenVINO on the CPU: oneDNN kernels, fused and laid out ahead of time for static shapes.

The package (2026.4.1, Apache-2.0) has wheels for Python 3.11, 3.12 and 3.13 on Linux x86-64
(59 MB, 180 MB unpacked) and arm64 (30 MB, glibc 2.35), Windows x86-64 (85 MB) and macOS arm64
(33 MB); none on Windows arm64, nor since 2025.4.1 on Intel Macs, where torch has none either. It
brings openvino-telemetry, which sends usage data, unasked, when `openvino.convert_model` is
called. So that function never is: the PyTorch front end beneath it sends nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from engine.diffusion.device import set_threads
from engine.diffusion.runners.buffers import StaticBuffers
from engine.diffusion.runners.export import exported, exporting, fold_constants
from engine.diffusion.runners.runner import Network, Runner, cpu_only
from engine.errors import ModelLoadError
from engine.registry import ModelRequest

_CAPABILITIES = {
    torch.float32: "FP32",
    torch.bfloat16: "BF16",
    torch.float16: "FP16",
    torch.int8: "INT8",
}
_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}


class OpenVinoRunner(Runner):
    """Converts networks to OpenVINO; all its numbers are float32 outside."""

    def __init__(self, request: ModelRequest) -> None:
        device = cpu_only("openvino", request)
        try:
            import openvino
        except ImportError as error:
            raise ModelLoadError(
                'openvino is not installed: pip install "sonolume[openvino]" '
                "or use the eager runner"
            ) from error
        self._core = openvino.Core()
        can: list[str] = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._rest = torch.bfloat16 if "BF16" in can else torch.float32
        dtype = self._rest if request.dtype == "auto" else getattr(torch, request.dtype)
        if _CAPABILITIES[dtype] not in can:
            raise ModelLoadError(
                f"OpenVINO does not compute in {request.dtype} on this CPU (it has "
                f"{', '.join(sorted(can))}): use float32"
            )
        super().__init__("openvino", device, dtype, torch.float32, static=True)
        self._threads = set_threads(request.threads)

    def prepare(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Network:
        """Convert and compile. Takes seconds for a U-Net."""
        from openvino.frontend import FrontEndManager

        decoder = _decoder(network, inputs)
        front_end = FrontEndManager().load_by_framework("pytorch")
        model = front_end.convert(front_end.load(decoder))
        compute = self._rest if self.dtype is torch.int8 else self.dtype
        compiled = self._core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": _HINTS[compute],
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": 1,
                "INFERENCE_NUM_THREADS": self._threads,
                "ENABLE_HYPER_THREADING": True,  # else it may use fewer threads than it is given
                "ENABLE_CPU_PINNING": False,  # sound and composer need these cores too
            },
        )
        return _OpenVinoNetwork(compiled, inputs, decoder)


class _OpenVinoNetwork:
    """One compiled model that reads and writes memory it shares with torch."""

    def __init__(self, compiled: Any, inputs: tuple[Tensor, ...], decoder: object) -> None:
        import openvino

        self._decoder = decoder  # owns the weights, which the compiled model may share
        self._buffers = StaticBuffers(inputs, compiled.output(0).shape)
        self._request = compiled.create_infer_request()
        for index, array in enumerate(self._buffers.arrays):
            self._request.set_input_tensor(index, openvino.Tensor(array, shared_memory=True))
        answer = openvino.Tensor(self._buffers.answer_array, shared_memory=True)
        self._request.set_output_tensor(0, answer)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """See `Network`."""
        self._buffers.fill(inputs)
        self._request.start_async()
        self._request.wait()
        return self._buffers.answer


def _decoder(network: nn.Module, inputs: tuple[Tensor, ...]) -> Any:
    """Return what OpenVINO's PyTorch front end reads a network from."""
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder
    from openvino.frontend.pytorch.torchdynamo.export_decompositions import ops_to_not_decompose

    program = exported(network, inputs)
    with exporting():
        table = torch.export.default_decompositions()
        for operator in ops_to_not_decompose():
            if operator in table:
                table.pop(operator)  # type: ignore[no-untyped-call]
        graph = program.run_decompositions(table).module()
        assert isinstance(graph, GraphModule)
        fold_constants(graph)
    return TorchFXPythonDecoder(graph, dynamic_shapes=False)
