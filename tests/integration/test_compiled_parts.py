"""Networks compiled beside the show by another process, pointed at the weights that paint."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from engine.diffusion.frame import FrameMode
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.runners.climb import ClimbingFrames
from engine.diffusion.runners.compiled import (
    CONSTANTS,
    READY,
    Compilable,
    Part,
    Workshop,
    load_parts,
)
from engine.diffusion.runners.workshop import build_part, traced_part
from engine.errors import ModelLoadError
from engine.messages import Travel
from engine.registry import ModelRequest
from tests.checkpoints import write_sd, write_sdxl
from tests.states import control

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.timeout(600),
]


class Small(nn.Module):
    """A convolution and a number that is no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 8, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.layer(x) * t + torch.linspace(0.0, 1.0, 8).view(1, 8, 1, 1)


def small_part() -> Part:
    torch.manual_seed(0)
    module = Small().eval().requires_grad_(requires_grad=False)
    return Part(module, (torch.randn(1, 4, 8, 8), torch.tensor(0.3)))


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
def test_a_compiled_network_reads_the_weights_of_the_one_that_paints(tmp_path: Path) -> None:
    part = small_part()
    build_part(part, tmp_path / "small")
    (network,) = load_parts(tmp_path, {"small": part}).values()
    with torch.inference_mode():
        assert torch.allclose(network(*part.inputs), part.module(*part.inputs), atol=1e-5)
        part.module.layer.weight.mul_(2.0)  # as a LoRA is merged: in place
        assert torch.allclose(network(*part.inputs), part.module(*part.inputs), atol=1e-5)
    part.module.layer.weight = nn.Parameter(part.module.layer.weight * 3.0)
    other = Part(small_part().module, part.inputs)
    other.module.layer.bias.data.add_(5.0)
    with pytest.raises(ModelLoadError, match="computes something else"):
        load_parts(tmp_path, {"small": other})


def test_a_package_that_is_damaged_is_one_line(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    (tmp_path / "small").mkdir()
    save_file({}, tmp_path / "small" / CONSTANTS)
    (tmp_path / "small" / "part.pt2").write_bytes(b"nothing")
    with pytest.raises(ModelLoadError, match="compiled small cannot be opened") as caught:
        load_parts(tmp_path, {"small": small_part()})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("write", [write_sd, write_sdxl])
def test_every_network_of_a_checkpoint_can_be_traced_whole(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = write(tmp_path / "checkpoint")
    bundle = open_checkpoint(ModelRequest(str(folder), 64, 64, "cpu", "float32", 1)).bundle
    assert isinstance(bundle, Compilable)
    with torch.inference_mode():
        parts = bundle.parts(64, 64)
    assert set(parts) == {"encode", "decode", "unet"}
    for part in parts.values():
        traced = traced_part(part).module()
        inputs = [torch.rand_like(tensor) for tensor in part.inputs]
        with torch.inference_mode():
            assert torch.allclose(traced(*inputs), part.module(*inputs), atol=1e-4)


def test_compiled_networks_are_called_for_one_row_and_the_parts_for_two(tmp_path: Path) -> None:
    folder = write_sd(tmp_path / "sd")
    model = open_checkpoint(ModelRequest(str(folder), 64, 64, "cpu", "float32", 1))
    called: list[str] = []

    def noting(name: str, module: nn.Module) -> Callable[..., Tensor]:
        return lambda *inputs: (called.append(name), module(*inputs))[1]  # type: ignore[func-returns-value]

    bundle = model.bundle
    assert isinstance(bundle, Compilable)
    with torch.inference_mode():
        parts = bundle.parts(64, 64)
    bundle.use({name: noting(name, part.module) for name, part in parts.items()})
    model.generate(control(0.0), 0.0)
    assert called == ["unet"] * 4 + ["decode"]
    called.clear()
    model.generate(control(0.1, travel=Travel(0.1), diffusion__guidance=2.0), 0.1)
    assert called == ["encode", "decode"]


def finished(workshop: Workshop, limit_s: float = 300.0) -> str:
    deadline = time.monotonic() + limit_s
    while workshop.progress() == "building" and time.monotonic() < deadline:
        time.sleep(0.1)
    return workshop.progress()


def test_a_workshop_that_cannot_open_the_model_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    workshop = Workshop(ModelRequest(str(folder), 64, 64, "cpu", "float32", 1), tmp_path / "home")
    assert finished(workshop) == "failed"
    with pytest.raises(ModelLoadError, match=r"model_index.json.*use the graph runner"):
        workshop.wait()
    workshop.close()


def test_what_was_compiled_before_is_ready_at_once(tmp_path: Path) -> None:
    request = ModelRequest(str(write_sd(tmp_path / "sd")), 64, 64, "cpu", "float32", 1)
    begun = Workshop(request, tmp_path / "home")
    begun.close()  # ends the process too
    (begun.folder / READY).write_text("[]")
    assert Workshop(request, tmp_path / "home").progress() == "ready"
    (tmp_path / "sd" / "unet" / "more.txt").write_text("changed")
    other = Workshop(request, tmp_path / "home")
    assert other.progress() == "building"
    other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes as Unix has them")
def test_a_workshop_ends_with_its_show(tmp_path: Path) -> None:
    request = ModelRequest(str(write_sd(tmp_path / "sd")), 64, 64, "cpu", "float32", 1)
    workshop = Workshop(request, tmp_path / "home")
    process = workshop._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)  # it must not be done before its parent is gone
    assert process.stdin is not None
    process.stdin.close()
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(120.0) in (0, 1)
    assert not (workshop.folder / READY).exists()


class Below:
    """A runner that writes down what it ran."""

    name = "graph"
    message = ""

    def __init__(self) -> None:
        self.ran = 0
        self.closed = False

    def run(self, mode: FrameMode) -> None:
        self.ran += 1

    def close(self) -> None:
        self.closed = True


class Scripted:
    """A workshop whose progress is a list."""

    def __init__(self, folder: Path, *progress: str) -> None:
        self.folder = folder
        self._progress = list(progress)
        self._last = ""
        self.closed = False

    def progress(self) -> str:
        self._last = self._progress.pop(0)
        return self._last

    def wait(self) -> None:
        if self._last == "failed":
            raise ModelLoadError("compiling failed (no compiler)")

    def close(self) -> None:
        self.closed = True


class Bundle:
    """Has nothing to compile, and notes what it is to use."""

    def __init__(self) -> None:
        self.used: list[object] = []

    def parts(self, width: int, height: int) -> dict[str, Part]:
        return {}

    def use(self, networks: object) -> None:
        self.used.append(networks)


def test_the_show_climbs_between_two_frames_and_never_waits(tmp_path: Path) -> None:
    below, bundle = Below(), Bundle()
    workshop = Scripted(tmp_path, "building", "building", "ready")
    frames = ClimbingFrames(below, bundle, (64, 64), workshop)  # type: ignore[arg-type]
    names = []
    for k in range(4):
        frames.run(FrameMode("latent"))
        names.append(frames.name)
        assert below.ran == k + 1  # a picture at every step
    assert names == ["graph", "graph", "compile", "compile"]
    assert bundle.used == [{}]
    assert workshop.closed
    assert frames.message == ""


def test_a_step_that_fails_is_said_and_the_show_goes_on(tmp_path: Path) -> None:
    below = Below()
    workshop = Scripted(tmp_path, "building", "failed")
    frames = ClimbingFrames(below, Bundle(), (64, 64), workshop)  # type: ignore[arg-type]
    assert "compiling" in frames.message
    for _ in range(3):
        frames.run(FrameMode("latent"))
    assert (frames.name, below.ran) == ("graph", 3)
    assert "no compiler" in frames.message
    frames.close()
    assert below.closed
