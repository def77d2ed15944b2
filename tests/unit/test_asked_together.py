"""What was asked for together and cannot be, or does nothing, is said before anything is made."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file

from app.cli import main
from engine.clock import ManualClock
from engine.commands import StructureChoice
from engine.diffusion.loop import DiffusionLoop
from engine.diffusion.memory import FreeMemory
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.family import family_of_folder
from engine.diffusion.models.lora_fit import check_loras_run
from engine.diffusion.models.memory_need import MemoryNeed, check_memory, memory_need
from engine.errors import MemoryShortError, UsageError
from engine.mailbox import Latest
from engine.messages import LoraChoice
from engine.registry import Guides, ModelRequest
from engine.runtime.config import EngineConfig
from engine.runtime.engine import Engine
from tests.checkpoints import (
    write_controlnet,
    write_ip_adapter,
    write_lora_kohya,
    write_sd,
    write_sd3,
)
from tests.states import control

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))


# LoRAs and runners ------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["live", "--headless"], ["render", "demo", "-o", "a.mp4"]])
def test_ember_compiled_refuses_loras_before_it_is_compiled(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.diffusion.loop.DiffusionLoop.open_now", pytest.fail)
    monkeypatch.setattr("engine.diffusion.loop.DiffusionLoop.run", pytest.fail)
    write_lora_kohya(tmp_path / "ink.safetensors", write_sd(tmp_path / "sd"))
    words = [*command, "--model", "ember", "--runner", "compile", "--lora", "ink.safetensors"]
    assert main(words) == 2
    assert "the compile runner has a copy of ember's weights" in capsys.readouterr().err


def test_only_ember_on_a_copy_of_its_weights_is_refused(tmp_path: Path) -> None:
    loras = (LoraChoice("ink.safetensors"),)
    (tmp_path / "model_index.json").write_text('{"_class_name": "Ember"}')
    for model in ("ember", str(tmp_path)):
        for runner, dtype in (("openvino", "auto"), ("onnx", "auto"), ("eager", "int8")):
            with pytest.raises(UsageError, match="leave the LoRAs out"):
                check_loras_run(model, runner, dtype, loras)
        check_loras_run(model, "eager", "bfloat16", loras)
        check_loras_run(model, "compile", "auto", ())
    check_loras_run(str(write_sd(tmp_path / "sd")), "compile", "auto", loras)


def test_an_sd3_that_was_to_be_compiled_says_that_it_is_not(tmp_path: Path) -> None:
    folder = write_sd3(tmp_path / "sd3", tiny_vae=True)

    def opened(runner: str) -> DiffusionLoop:
        request = ModelRequest(str(folder), 64, 64, "cpu", "float32", 1, runner=runner)
        loop = DiffusionLoop(Latest(), Latest(), ManualClock())
        loop.open_now(lambda: open_checkpoint(request))
        return loop

    loop = opened("compile")
    for _ in range(2):
        assert loop.runner == "eager"
        assert "compile knows U-Nets only" in loop.runner_message
        assert loop.step(control()) is not None
    loop.close()
    asked = opened("eager")
    assert (asked.runner, asked.runner_message) == ("eager", "")
    asked.close()


# a ControlNet and its structure -----------------------------------------------------------------


def test_a_controlnet_without_a_structure_is_one_line_in_a_show(tmp_path: Path) -> None:
    led = Engine(EngineConfig(model="null", guides=Guides("some/controlnet")))
    line = led.status().message
    assert line.startswith("the ControlNet has nothing to follow: choose a structure")
    picture = tmp_path / "red.png"
    cv2.imwrite(str(picture), np.full((32, 32, 3), 200, np.uint8))
    led._structure.choose(StructureChoice("image", picture))
    assert led.status().message == ""
    led.close()
    assert Engine(EngineConfig(model="null")).status().message == ""


def test_a_controlnet_without_a_structure_is_wrong_usage_of_a_render(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["render", "demo", "-o", str(tmp_path / "a.mp4"), "--model", str(tmp_path)]
    assert main([*words, "--controlnet", str(tmp_path)]) == 2
    assert "--controlnet without --structure has nothing to follow" in capsys.readouterr().err


# memory -----------------------------------------------------------------------------------------


def count(folder: Path) -> int:
    return sum(
        tensor.numel() for path in folder.glob("*.safetensors") for tensor in
        load_file(path).values()
    )  # fmt: skip


def test_guides_are_in_the_estimate(tmp_path: Path) -> None:
    folder = write_sd(tmp_path / "sd")
    family = family_of_folder(folder)
    controlnet = write_controlnet(tmp_path / "control", folder)
    adapter = write_ip_adapter(tmp_path / "ip" / "adapter.safetensors", folder)

    def need(guides: Guides, number_bytes: int = 4) -> MemoryNeed:
        return memory_need(folder, family, None, number_bytes, (64, 64), guides)

    bare = need(Guides())
    assert bare.opening == 0
    led = need(Guides(str(controlnet)), 2)
    assert led.weights == bare.weights // 2 + 2 * count(controlnet)
    prompted = need(Guides(ip_adapter=str(adapter), image_prompt="a.png"))
    assert prompted.weights == bare.weights
    assert prompted.opening == 4 * (
        count(adapter.parent) + count(adapter.parent / "image_encoder")
    )
    assert need(Guides(str(tmp_path / "nowhere"), ip_adapter="no.safetensors")) == bare


def test_an_image_prompt_that_does_not_fit_is_told_with_its_figure() -> None:
    need = MemoryNeed(1_000_000_000, 300_000_000, 1_500_000_000)
    assert need.total == 2_500_000_000
    with pytest.raises(MemoryShortError, match=r"2\.5 GB .* 1\.5 to look at the image prompt"):
        check_memory("sd", need, FreeMemory(2_000_000_000, 0, "memory"), ["a smaller one"])
