from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from app.cli import main
from engine.bench import engine
from engine.bench.area import BenchRequest, Result
from engine.bench.engine import Case, bench, ratio
from engine.bench.engine_case import Plan, measure
from engine.bench.random_checkpoint import ARCHITECTURES, Architecture, write_random_checkpoint
from engine.bench.sd_turbo import TEXT, UNET
from engine.bench.work import count_gflop, matmul_peak_tflops
from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.errors import ModelLoadError, UnknownModelError, UsageError
from engine.registry import ModelRequest
from tests.checkpoints import write_sd

FIGURES = {
    "name", "weights", "fps", "tflops", "share_of_peak", "peak_tflops", "gflop", "ms", "pictures",
    "painted", "first_picture_s", "prompt_change", "ran", "dtype", "device", "threads",
}  # fmt: skip
SMALL = Architecture(
    {**UNET, "block_out_channels": (32, 32, 64, 64), "attention_head_dim": 8,
     "cross_attention_dim": 32, "layers_per_block": 1},
    (({**TEXT, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
       "num_attention_heads": 4}, "!"),),
)  # fmt: skip


def ember_case(**changes: Any) -> Case:
    return Case(**{"label": "ember", "model": "ember", "weights": "learned", "width": 128,
                   "height": 128, "runner": "eager", "device": "cpu", "seconds": 0.01,
                   **changes})  # fmt: skip


def test_the_work_of_a_known_network_is_counted_exactly() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1))
    counted = count_gflop(lambda: network(torch.zeros(1, 3, 10, 12)))
    assert counted * 1e9 == 2 * 10 * 12 * (3 * 8 * 9 + 8 * 4)


def test_fused_attention_is_counted_also_in_inference_mode() -> None:
    query = torch.zeros(1, 2, 16, 8)

    @torch.inference_mode()
    def attend() -> None:
        nn.functional.scaled_dot_product_attention(query, query, query)

    assert count_gflop(attend) * 1e9 == 2 * (2 * 2 * 16 * 16 * 8)


def test_the_peak_is_that_of_the_fastest_product() -> None:
    ticks = iter([0, 1, 10, 14, 20, 22, 30, 38, 40, 48, 50, 58, 60, 68, 70, 78])
    peak = matmul_peak_tflops(torch.device("cpu"), torch.float32, side=100, now=ticks.__next__)
    assert peak == pytest.approx(2 * 100**3 / 2.0 / 1e12)  # the first one warms up


def test_ember_has_every_figure_and_its_share_follows_from_them() -> None:
    result: Any = measure(ember_case())
    assert set(result) == FIGURES
    assert result["name"] == "engine/ember/128x128/eager"
    assert (result["weights"], result["dtype"], result["ran"]) == ("learned", "float32", "eager")
    assert set(result["ms"]) == {"warp", "encode", "unet", "decode", "frame"}
    assert {"median_ms", "worst_ms", "ratio"} <= set(result["prompt_change"])
    assert result["tflops"] == pytest.approx(result["gflop"] * result["fps"] / 1000, rel=0.2)
    share = result["tflops"] / result["peak_tflops"]
    assert result["share_of_peak"] == pytest.approx(share, abs=0.005)


def test_work_that_was_counted_before_is_taken_over() -> None:
    result: Any = measure(ember_case(gflop=123.0))
    assert result["gflop"] == 123.0


def test_a_checkpoint_is_measured_like_ember(tmp_path: Path) -> None:
    folder = str(write_sd(tmp_path / "tiny"))
    result: Any = measure(ember_case(label="tiny", model=folder, width=64, height=64))
    assert set(result) == FIGURES
    assert result["name"] == "engine/tiny/64x64/eager"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"runner": "graph"}, "CUDA"),
        ({"model": "no/such"}, "not on this machine"),
        ({"model": "null"}, "no picture loop"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="graphs run here")
def test_what_cannot_run_here_is_a_row_that_says_why(changes: dict[str, str], said: str) -> None:
    result = measure(ember_case(**changes))
    assert set(result) == {"name", "weights", "error"}
    assert said in str(result["error"])


def test_a_process_that_is_ended_is_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.sys, "executable", "/bin/false")
    (result,) = bench(BenchRequest(runner="eager", size=(128, 128)))
    assert result["name"] == "engine/ember/128x128/eager"
    assert "status 1" in str(result["error"])


def test_a_random_checkpoint_opens_as_a_fetched_one_does(tmp_path: Path) -> None:
    folder = write_random_checkpoint(SMALL, tmp_path / "small")
    model = open_checkpoint(ModelRequest(str(folder), 64, 64, "cpu", "float32"))
    assert isinstance(model, FeedbackModel)
    assert model.bundle.fresh_steps == 4
    assert model.bundle.reading("a boat") is not None
    model.close()


@pytest.mark.parametrize(("name", "parameters"), [("sd-turbo", 865_910_724),
                                                  ("sdxl-turbo", 2_567_463_684)])  # fmt: skip
def test_architectures_have_as_many_weights_as_the_published_ones(
    name: str, parameters: int
) -> None:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(**ARCHITECTURES[name].unet)
    assert sum(weights.numel() for weights in unet.parameters()) == parameters


def test_an_absent_sd_turbo_is_random_and_set_against_ember(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ARCHITECTURES, "sd-turbo", SMALL)
    cases: list[Case] = []

    def measured(case: Case) -> Result:
        cases.append(case)
        frame_ms = 900.0 if case.label == "sd-turbo" else 10.0
        assert case.model == "ember" or (Path(case.model) / "model_index.json").is_file()
        return {"name": case.name, "weights": case.weights, "ms": {"frame": frame_ms},
                "dtype": "bfloat16", "gflop": 7.0}  # fmt: skip

    monkeypatch.setattr(engine, "_in_a_process", measured)
    results = bench(BenchRequest(model="sd-turbo", runner="eager", size=(64, 64)))
    assert [result["name"] for result in results] == [
        "engine/sd-turbo/64x64/eager", "engine/ember/64x64/eager", "engine/ratio",
    ]  # fmt: skip
    assert [case.weights for case in cases] == ["random", "learned"]
    assert cases[1].dtype == "bfloat16"
    assert (results[2]["ratio"], results[2]["within_budget"]) == (90.0, True)
    assert not Path(cases[0].model).exists()


def test_the_work_is_counted_once_for_all_runners(monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[Case] = []

    def measured(case: Case) -> Result:
        cases.append(case)
        return {"name": case.name, "gflop": 7.0}

    monkeypatch.setattr(engine, "_in_a_process", measured)
    monkeypatch.setattr("engine.diffusion.runners.inductor.has_compiler", lambda: True)
    bench(BenchRequest(runner="all", device_compute="cpu"))
    assert [case.runner for case in cases][:2] == ["eager", "compile"]
    assert [case.gflop for case in cases][:2] == [None, 7.0]


def test_the_ratio_is_of_whole_frames() -> None:
    turbo = {"ms": {"frame": 790.0, "unet": 1.0}, "dtype": "float32", "weights": "random"}
    ember = {"ms": {"frame": 10.0, "unet": 1.0}, "dtype": "float32", "weights": "learned"}
    result = ratio(turbo, ember)
    assert (result["ratio"], result["within_budget"]) == (79.0, False)


def test_a_slow_model_paints_few_pictures_and_a_fast_one_many() -> None:
    assert Plan.within(20.0, 9.0) == Plan(1, 2, 2, 2, 1, 2)
    assert Plan.within(20.0, 0.01) == Plan(5, 300, 50, 40, 8, 10)


@pytest.mark.parametrize(
    ("request_", "kind", "said"),
    [
        (BenchRequest(model="embr"), UnknownModelError, "did you mean 'ember'"),
        (BenchRequest(model="sd3-medium"), ModelLoadError, "sonolume models fetch sd3-medium"),
        (BenchRequest(model="null"), UsageError, "paints without a network"),
        (BenchRequest(runner="fast"), UsageError, "there are eager, graph"),
    ],
)
def test_what_names_nothing_is_one_error(
    request_: BenchRequest, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        bench(request_)


def test_the_command_writes_contract_names_and_nothing_else_to_stdout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["bench", "engine", "--size", "128x128", "--runner", "eager", "--seconds", "1"]
    assert main([*words, "--device-compute", "cpu", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    answer = json.loads(line)
    assert [result["name"] for result in answer["results"]] == ["engine/ember/128x128/eager"]
    assert {"fps", "tflops", "share_of_peak"} <= set(answer["results"][0])


def test_a_polite_kill_takes_the_random_weights_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    written: list[Path] = []

    def be_killed(architecture: Architecture, folder: Path) -> Path:
        folder.mkdir()
        (folder / "weights").write_bytes(b"some")
        written.append(folder)
        os.kill(os.getpid(), signal.SIGTERM)
        return folder

    monkeypatch.setattr("engine.bench.random_checkpoint.write_random_checkpoint", be_killed)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["bench", "engine", "--model", "sd-turbo", "--runner", "eager"]) == 130
    assert written[0].is_relative_to(tmp_path)
    assert not written[0].parent.exists()
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
