from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.ember.bundle import open_ember
from engine.diffusion.models.stable_diffusion import StableDiffusionBundle
from engine.diffusion.prompt_job import CudaLane
from engine.diffusion.prompt_store import PromptStore
from engine.diffusion.prompts import PromptBank
from engine.messages import PromptWeight, Travel
from engine.registry import ModelRequest
from engine.semantic.clap_encoder import SAMPLES, ClapEncoder
from tests.checkpoints import write_clap, write_sd
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


def test_a_prompt_is_encoded_on_a_stream_of_its_own_and_is_the_same(tmp_path) -> None:
    folder = write_sd(tmp_path / "sd", width=64)
    bundle = open_checkpoint(ModelRequest(str(folder), 64, 64, "cuda", "float32")).bundle
    weights = [PromptWeight("lower", 0.4), PromptWeight("newer wider", 0.6)]
    with torch.inference_mode():
        bank = PromptBank(bundle, live=True, store=PromptStore(tmp_path / "kept"))
        assert isinstance(bank._lane, CudaLane)
        mixed = bank.blend(weights, 1)
        exact = [bundle.encode_prompt(part.text).tokens for part in weights]
        for part, tokens in zip(mixed.parts, exact, strict=True):
            torch.testing.assert_close(part.tokens, tokens)


def test_a_captured_graph_sees_the_prompt_that_is_held(tmp_path) -> None:
    folder = write_sd(tmp_path / "sd", width=64)
    bundle = open_checkpoint(ModelRequest(str(folder), 64, 64, "cuda", "float32")).bundle
    assert isinstance(bundle, StableDiffusionBundle)
    with torch.inference_mode():
        noisy = torch.randn(1, 4, 8, 8, device="cuda")
        prompts = [bundle.encode_prompt(text) for text in ("lower", "newer wider")]
        t = torch.tensor([499], device="cuda")

        def call() -> torch.Tensor:
            return bundle._unet(noisy, t, encoder_hidden_states=prompts[0].tokens)[0]

        bundle.hold(prompts[0])
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = call()
        for prompt in (prompts[1], prompts[0]):
            bundle.hold(prompt)
            graph.replay()
            torch.testing.assert_close(out, call())
