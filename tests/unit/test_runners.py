"""Runners: each one answers as eager torch does, or says in one line why it cannot."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.ember.autoencoder import AutoencoderConfig, Decoder
from engine.diffusion.models.ember.unet import FlowUNet, UNetConfig
from engine.diffusion.runners.int8 import QuantisedConv2d, quantised
from engine.diffusion.runners.runner import (
    RUNNERS,
    WHOLE_FRAMES,
    Network,
    Runner,
    ShapedNetwork,
    open_runner,
)
from engine.errors import ModelLoadError
from engine.registry import AUTO_RUNNER, RUNNER_NAMES, ModelRequest
from tests.checkpoints import write_sd

_CPU = ModelRequest("ember", 64, 64, "cpu", "float32", 1)
_NEEDS = {"openvino": ("openvino",), "onnx": ("onnxruntime", "onnx", "onnxscript")}
_SMALL_UNET = UNetConfig(widths=(16, 32, 32), conditioning_width=16, text_width=32, head_width=16)
_SMALL_AUTOENCODER = AutoencoderConfig(encoder_width=32, decoder_widths=(32, 32, 32))


def _opened(name: str, dtype: str = "float32") -> Runner:
    for package in _NEEDS.get(name, ()):
        if find_spec(package) is None:
            pytest.skip(f'{package} is not installed: pip install "sonolume[{name}]"')
    return open_runner(replace(_CPU, runner=name, dtype=dtype))


def _random(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in network.parameters():  # branches start at zero and would hide everything
        nn.init.normal_(parameter, std=0.1)
    network.eval().requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _decoder() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return _random(Decoder(_SMALL_AUTOENCODER)), (torch.randn(1, 16, 4, 6),)


def _unet(batch: int) -> tuple[nn.Module, tuple[Tensor, ...]]:
    return _random(FlowUNet(_SMALL_UNET)), (
        torch.randn(batch, 16, 8, 4),
        torch.linspace(0.4, 0.9, batch),
        torch.randn(batch, 8, 32),
        torch.randn(batch, 32),
    )


def _assert_answers(
    ready: Network, network: nn.Module, inputs: tuple[Tensor, ...], share: float
) -> None:
    """Two answers in a row are the network's, to within a share of their own spread."""
    with torch.inference_mode():
        # More than once: what a runtime keeps between calls must not add up.
        for x in (inputs[0], 0.5 * inputs[0].contiguous(memory_format=torch.channels_last)):
            expected = network(x, *inputs[1:])
            answer = ready(x, *inputs[1:])
            assert answer.dtype == torch.float32
            error = (answer - expected).abs().max()
            assert error <= share * expected.std()


@pytest.mark.parametrize("name", ["eager", "openvino", "onnx"])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_runner_answers_as_the_network_itself(name: str, batch: int) -> None:
    runner = _opened(name)
    network, inputs = _unet(batch)
    with torch.inference_mode():
        ready = runner.prepare(network, inputs)
    _assert_answers(ready, network, inputs, 1e-4)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("eager", "bfloat16"), ("openvino", "bfloat16"), ("openvino", "int8"), ("onnx", "int8")],
)
def test_a_runner_answers_nearly_the_same_in_fewer_bits(name: str, dtype: str) -> None:
    runner = _opened_or_skipped(name, dtype)
    network, inputs = _decoder()
    prepared = network
    if runner.dtype is torch.int8:
        prepared = quantised(network, [inputs])
    elif runner.weights_dtype is torch.bfloat16:
        prepared = _decoder()[0].to(torch.bfloat16)
    with torch.inference_mode():
        ready = runner.prepare(prepared, inputs)
    _assert_answers(ready, network, inputs, 0.25)


def _opened_or_skipped(name: str, dtype: str) -> Runner:
    """A CPU without the format is a fact of this machine, and the error says which it has."""
    try:
        return _opened(name, dtype)
    except ModelLoadError as error:
        assert "on this CPU" in str(error)  # noqa: PT017 - anything else is a failure
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_a_static_runner_writes_every_answer_into_the_same_memory(name: str) -> None:
    runner = _opened(name)
    network, inputs = _decoder()
    with torch.inference_mode():
        ready = runner.prepare(network, inputs)
        places = {ready(*inputs).data_ptr() for _ in range(3)}
    assert len(places) == 1


def test_openvino_never_sends_usage_data(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = _opened("openvino")
    telemetry = pytest.importorskip("openvino_telemetry")

    def phone_home(*_: object, **__: object) -> None:
        raise AssertionError("usage data would be sent")

    monkeypatch.setattr(telemetry.Telemetry, "init", phone_home)
    monkeypatch.setattr(telemetry.Telemetry, "send_event", phone_home)
    network, inputs = _decoder()
    with torch.inference_mode():
        assert runner.prepare(network, inputs)(*inputs).shape == (1, 3, 64, 96)


def test_without_a_compiler_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    runner = _opened("compile")
    network = _random(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Tanh()))
    with (
        config.patch({"cpp.cxx": (str(tmp_path / "g++"),)}),
        torch.inference_mode(),
        pytest.raises(ModelLoadError, match=r"C\+\+ compiler.*eager") as error,
    ):
        runner.prepare(network, (torch.randn(1, 3, 8, 8),))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "package"), [("openvino", "openvino"), ("onnx", "onnxruntime")])
def test_a_missing_package_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelLoadError, match=rf"{package} .* pip install \"sonolume\[{name}\]\""):
        open_runner(replace(_CPU, runner=name))


@pytest.mark.parametrize(
    ("runner", "dtype", "device", "said"),
    [
        ("eager", "int8", "cpu", "does not compute in int8"),
        ("compile", "int8", "cpu", "does not compute in int8"),
        ("onnx", "bfloat16", "cpu", "does not compute in bfloat16"),
        ("openvino", "float32", "cuda", "does not run on cuda"),
        ("onnx", "float32", "mps", "does not run on mps"),
        ("openvin", "float32", "cpu", "did you mean 'openvino'"),
        ("warp drive", "float32", "cpu", "eager, graph, compile, openvino, onnx"),
    ],
)
def test_what_a_runner_cannot_do_is_refused_never_replaced(
    runner: str, dtype: str, device: str, said: str
) -> None:
    if runner == "onnx" and device == "cpu":
        _opened("onnx")
    with pytest.raises(ModelLoadError, match=said):
        open_runner(replace(_CPU, runner=runner, dtype=dtype, device=device))


def test_a_checkpoint_refuses_a_runner_that_is_not_its_own(tmp_path: Path) -> None:
    request = replace(_CPU, name=str(write_sd(tmp_path / "sd")), runner="openvino")
    with pytest.raises(ModelLoadError, match="openvino"):
        open_checkpoint(request)


class _CountingRunner(Runner):
    """Gives back its input, a little off with every call, and remembers what it prepared."""

    def __init__(self, drift: float = 0.0) -> None:
        super().__init__(
            "counting", torch.device("cpu"), torch.float32, torch.float32, static=True
        )
        self.prepared: list[tuple[int, ...]] = []
        self._drift = drift
        self._calls = 0

    def prepare(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Network:
        self.prepared.append(tuple(inputs[0].shape))
        return self._answer

    def _answer(self, *inputs: Tensor) -> Tensor:
        self._calls += 1
        return inputs[0] + self._drift * (self._calls - 1)


def test_a_network_is_prepared_once_for_each_shape() -> None:
    runner = _CountingRunner()
    network = ShapedNetwork(runner, nn.Identity())
    small, large = torch.ones(1, 2), torch.ones(3, 2)
    for x in (small, large, small, large):
        assert network(x).shape == x.shape
    assert runner.prepared == [(1, 2), (3, 2)]


def test_a_runner_that_computes_something_else_is_refused() -> None:
    network = ShapedNetwork(_CountingRunner(drift=0.1), nn.Identity())
    with pytest.raises(ModelLoadError, match="counting runner computes something else"):
        network(torch.ones(4, 4))


def test_int8_rounds_wide_convolutions_only_and_little() -> None:
    network, inputs = _decoder()
    rounded = quantised(network, [inputs])
    kinds = {name: type(part) for name, part in rounded.named_modules()}
    assert kinds["latent_in"] is nn.Conv2d  # 16 channels come in
    assert kinds["out"] is QuantisedConv2d
    assert not any(isinstance(part, QuantisedConv2d) for part in network.modules())
    expected, answer = network(*inputs), rounded(*inputs)
    error = (answer - expected).std() / expected.std()
    assert 1e-5 < error < 0.05


def test_int8_ranges_are_the_widest_seen() -> None:
    layer = nn.Sequential(nn.Conv2d(32, 32, 1)).eval()
    calls = [(torch.full((1, 32, 2, 2), value),) for value in (-1.0, 3.0, 0.5)]
    (rounded,) = quantised(layer, calls)
    assert isinstance(rounded, QuantisedConv2d)
    assert rounded.scale == pytest.approx(4.0 / 255)
    assert rounded.zero == pytest.approx(64, abs=1)


def test_the_names_on_the_command_line_are_those_of_the_runners() -> None:
    assert {*RUNNER_NAMES, AUTO_RUNNER} == {*RUNNERS, *WHOLE_FRAMES}
