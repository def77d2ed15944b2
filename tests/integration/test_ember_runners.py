"""The shipped ember, painted with by every runner, and its table of figures."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine.bench.area import Result
from engine.bench.runner_case import ember_case
from engine.bench.runners import add_ratios
from engine.bench.sd_turbo import build_networks, give_random_weights
from engine.diffusion.models.ember.bundle import EmberBundle, open_ember
from engine.diffusion.runners.runner import ShapedNetwork, open_runner
from engine.messages import Travel
from engine.registry import ModelRequest
from tests.states import control

_REQUEST = ModelRequest("ember", 128, 128, "cpu", "float32", 1)
_STATES = (control(0.0), control(0.04, travel=Travel(log_zoom=0.01, noise_rad=0.02)))


def _painted(request: ModelRequest) -> np.ndarray:
    """A fresh picture and the next, which has been warped, encoded and denoised."""
    model = open_ember(request)
    pictures = [model.generate(state, 0.04) for state in _STATES]
    bundle = model.bundle
    assert isinstance(bundle, EmberBundle)
    assert bundle.runner == request.runner
    model.close()
    return np.stack(pictures).astype(np.float32)


@pytest.mark.parametrize(
    ("runner", "dtype", "levels"),
    [("openvino", "float32", 0.5), ("onnx", "float32", 0.5), ("openvino", "int8", 12.0)],
)
def test_a_runner_paints_the_pictures_that_eager_torch_paints(
    runner: str, dtype: str, levels: float
) -> None:
    if find_spec({"onnx": "onnxruntime"}.get(runner, runner)) is None:
        pytest.skip(f'{runner} is not installed: pip install "sonolume[{runner}]"')
    expected = _painted(_REQUEST)
    answer = _painted(replace(_REQUEST, runner=runner, dtype=dtype))
    assert np.abs(answer - expected).mean() < levels


def test_a_compiled_network_answers_as_the_network_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler and there is no g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.SiLU()).eval().requires_grad_(False)
    network = ShapedNetwork(open_runner(replace(_REQUEST, runner="compile")), module)
    with torch.inference_mode():
        for side in (8, 12):
            x = torch.randn(1, 3, side, side)
            torch.testing.assert_close(network(x), module(x), rtol=1e-4, atol=1e-5)


def test_a_case_has_the_figures_of_the_table() -> None:
    (result,) = ember_case("eager", "fp32", "cpu", sizes=((128, 128),), pictures=4)
    assert result["name"] == "ember/128x128/eager-fp32"
    ms = result["ms"]
    assert isinstance(ms, dict)
    assert set(ms) == {"encode", "denoise", "decode", "loop", "all"}
    assert all(ms[stage] > 0.0 for stage in ("encode", "denoise", "decode", "all"))
    assert result["fps"] == pytest.approx(1000.0 / ms["all"], abs=0.1)


def test_what_cannot_run_here_is_a_row_with_the_reason() -> None:
    (result,) = ember_case("eager", "int8", "cpu", sizes=((128, 128),))
    assert result["name"] == "ember/128x128/eager-int8"
    assert "int8" in str(result["not_measured"])
    assert "fps" not in result


def test_the_ratio_compares_frames_of_one_format_and_size() -> None:
    def row(name: str, *ms: float) -> Result:
        return {"name": name, "ms": dict(zip(("encode", "denoise", "decode"), ms, strict=True))}

    rows: list[Result] = [
        row("ember/512x512/eager-fp32", 1.0, 2.0, 1.0),
        row("ember/512x512/onnx-int8", 1.0, 1.0, 1.0),
        row("ember/256x256/eager-fp32", 1.0, 1.0, 1.0),
        {"name": "ember/512x512/openvino-fp32", "not_measured": "why"},
        row("sd-turbo/512x512/eager-fp32", 100.0, 400.0, 100.0),
    ]
    add_ratios(rows)
    assert rows[0]["ratio"] == 150.0
    assert not any("ratio" in other for other in rows[1:])


def test_the_yardstick_has_sd_turbos_architecture_and_runs() -> None:
    unet, taesd = build_networks()
    count = {
        name: sum(parameter.numel() for parameter in network.parameters())
        for name, network in (("unet", unet), ("taesd", taesd))
    }
    assert count == {"unet": 865_910_724, "taesd": 2_445_063}
    give_random_weights(taesd, torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        latent = taesd.encode(torch.zeros(1, 3, 32, 32)).latents
        picture = taesd.decode(latent).sample
    assert picture.shape == (1, 3, 32, 32)
    assert bool(picture.isfinite().all())
