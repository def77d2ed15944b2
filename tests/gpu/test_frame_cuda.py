"""Whole frames on CUDA: the graph paints what eager paints, asks nothing, allocates nothing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.diffusion.feedback import FeedbackModel
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.ember.bundle import open_ember
from engine.diffusion.runners.frames import WARM_UPS
from engine.messages import ControlState, Travel
from engine.registry import ModelRequest
from tests.checkpoints import write_sd
from tests.states import control

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

SIDE = 256


def opened(name: str, runner: str, folder: Path) -> FeedbackModel:
    if name == "ember":
        return open_ember(ModelRequest("ember", SIDE, SIDE, "cuda", "float16", 1, runner))
    return open_checkpoint(ModelRequest(str(folder), SIDE, SIDE, "cuda", "float16", 1, runner))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sd(tmp_path_factory.mktemp("checkpoint") / "sd")


def show(k: int) -> ControlState:
    travel = Travel(0.02 * k, 0.6 * k, 0.004 * k, -0.002 * k, 0.03 * k)
    return control(
        0.1 * k, travel=travel, diffusion__strength=0.4 + 0.3 * math.sin(k),
        diffusion__noise_warp=0.5, prompts=(("a sunset over the sea", 1.0),),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ember", "sd"])
def test_the_graph_paints_what_eager_paints(name: str, folder: Path) -> None:
    eager, graph = (opened(name, runner, folder) for runner in ("eager", "graph"))
    for k in range(20):
        made, again = eager.generate(show(k), 0.1), graph.generate(show(k), 0.1)
        assert np.array_equal(made, again), k
    assert graph.runner == "graph"
    eager.close()
    graph.close()


@pytest.mark.parametrize("name", ["ember", "sd"])
def test_a_replayed_frame_waits_for_nothing_and_allocates_nothing(name: str, folder: Path) -> None:
    model = opened(name, "graph", folder)
    for k in range(WARM_UPS + 3):
        model.generate(show(k), 0.1)
    torch.cuda.synchronize()
    before = torch.cuda.memory_stats()["allocated_bytes.all.current"]
    torch.cuda.set_sync_debug_mode("error")
    try:
        for k in range(WARM_UPS + 3, WARM_UPS + 13):
            model.submit(show(k), 0.1)
            model.collect()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.cuda.memory_stats()["allocated_bytes.all.current"] == before
    model.close()


def test_the_memory_of_graphs_is_returned(folder: Path) -> None:
    opened("sd", "graph", folder).close()  # libraries keep their workspaces
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    model = opened("sd", "graph", folder)
    for k in range(WARM_UPS + 3):
        model.generate(show(k), 0.1)
    model.close()
    del model
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() <= before + 2**20
