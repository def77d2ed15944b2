from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.diffusion.models.ember.bundle import open_ember
from engine.messages import Travel
from engine.registry import ModelRequest
from engine.semantic.clap_encoder import SAMPLES, ClapEncoder
from tests.checkpoints import write_clap
from tests.states import control

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_ember_paints_the_same_picture_on_cuda_as_on_the_cpu() -> None:
    pictures = []
    for device in ("cpu", "cuda"):
        model = open_ember(ModelRequest("ember", 256, 256, device, "float32"))
        model.generate(control(0.0), 0.0)
        state = control(0.04, travel=Travel(log_zoom=0.01, noise_rad=0.05))
        pictures.append(model.generate(state, 0.04).astype(int))
        model.close()
    assert np.abs(pictures[0] - pictures[1]).mean() < 1.0


def test_cuda_memory_is_returned_when_the_model_closes() -> None:
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    model = open_ember(ModelRequest("ember", 256, 256, "cuda", "float16"))
    model.generate(control(0.0), 0.0)
    model.close()
    del model
    assert torch.cuda.memory_allocated() <= before + 2**20


def test_clap_hears_the_same_on_cuda_as_on_the_cpu(tmp_path) -> None:
    folder = write_clap(tmp_path)
    sound = np.random.default_rng(0).normal(0.0, 0.1, (1, SAMPLES)).astype(np.float32)
    cpu, cuda = (ClapEncoder(folder, device) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(cuda.embed_sounds(sound), cpu.embed_sounds(sound), atol=1e-3)
    assert (cpu.on_gpu, cuda.on_gpu) == (False, True)
