from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor
from torch.autograd.profiler import profile

from engine.diffusion.bundle import PromptEmbedding, stacked
from engine.diffusion.models.checkpoint import open_checkpoint
from engine.diffusion.models.cross_attention import CachedCrossAttention, can_cache
from engine.diffusion.models.stable_diffusion import StableDiffusionBundle
from engine.diffusion.noise_level import on_device
from engine.diffusion.prompts import PromptBank
from engine.messages import PromptWeight
from engine.registry import ModelRequest
from tests.checkpoints import write_sd, write_sdxl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

FAMILIES = ("sd15", "sd-turbo", "sdxl-turbo")
TEXTS = ("lower", "newer wider", "lowest low")
MIXES = [(1.0,), (0.3, 0.7), (0.2, 0.5, 0.3)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("checkpoints")
    return {
        "sd15": write_sd(home / "sd15"),
        "sd-turbo": write_sd(home / "sd-turbo", width=64),
        "sdxl-turbo": write_sdxl(home / "sdxl-turbo"),
    }


def opened(folder: Path, dtype: str = "float32") -> StableDiffusionBundle:
    bundle = open_checkpoint(ModelRequest(str(folder), 64, 64, "cpu", dtype, 1)).bundle
    assert isinstance(bundle, StableDiffusionBundle)
    return bundle


def uncached(folder: Path) -> StableDiffusionBundle:
    """The same checkpoint as diffusers computes it: keys and values anew in every call."""
    bundle = opened(folder)
    bundle._unet.set_attn_processor(AttnProcessor2_0())
    return bundle


def mixed(
    bundle: StableDiffusionBundle, weights: tuple[float, ...], blend: int
) -> PromptEmbedding:
    bank = PromptBank(bundle)
    parts = [PromptWeight(text, weight) for text, weight in zip(TEXTS, weights, strict=False)]
    return bank.blend(parts, blend)


def painted(
    bundle: StableDiffusionBundle, latent: Tensor, strength: float, prompt: PromptEmbedding,
    guidance: float,
) -> Tensor:  # fmt: skip
    """One call, as the picture loop makes it."""
    level = on_device(bundle.noise_level(strength), bundle.device)
    if guidance == 1.0:
        bundle.hold(prompt)
        return bundle.denoised(latent, level, prompt, None)
    empty = bundle.encode_prompt("")
    bundle.hold(prompt, empty)
    return bundle.denoised(latent, level, stacked(prompt, empty), torch.tensor(guidance))


def noisy() -> Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("blend", [0, 1])
@pytest.mark.parametrize("weights", MIXES)
@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_keys_of_a_blend_are_the_blend_of_the_keys(
    folders: dict[str, Path], family: str, weights: tuple[float, ...], blend: int
) -> None:
    bundle = opened(folders[family])
    prompt = mixed(bundle, weights, blend)
    bundle.hold(prompt)
    cache = bundle._keys
    assert cache is not None
    for layer in cache._layers:
        for of, start in (("to_k", layer.start), ("to_v", layer.start + layer.width)):
            exact = getattr(layer.attention, of)(prompt.tokens)[0]
            found = cache.buffer[0, :, start : start + layer.width]
            assert exact.abs().max() > 1e-2
            torch.testing.assert_close(found, exact, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("guidance", [1.0, 2.5])
@pytest.mark.parametrize("blend", [0, 1])
@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_the_network_answers_as_if_the_prompt_had_been_encoded_anew(
    folders: dict[str, Path], family: str, blend: int, guidance: float
) -> None:
    cached, plain = opened(folders[family]), uncached(folders[family])
    for weights in MIXES:
        answers = [
            painted(bundle, noisy(), 0.5, mixed(bundle, weights, blend), guidance)
            for bundle in (cached, plain)
        ]
        torch.testing.assert_close(answers[0], answers[1], atol=1e-4, rtol=0.0)


@torch.inference_mode()
def test_the_prompt_still_decides_the_picture(folders: dict[str, Path]) -> None:
    bundle = opened(folders["sd-turbo"])
    first, second = (
        painted(bundle, noisy(), 0.5, bundle.encode_prompt(text), 1.0) for text in TEXTS[:2]
    )
    assert (first - second).abs().max() > 1e-4


@torch.inference_mode()
def test_the_buffer_never_moves_and_an_unchanged_prompt_costs_nothing(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = opened(folders["sd-turbo"])
    cache, bank = bundle._keys, PromptBank(bundle)
    assert cache is not None
    where = cache.buffer.data_ptr()
    calls: list[int] = []
    inner = cache._packed
    monkeypatch.setattr(cache, "_packed", lambda parts: calls.append(len(parts)) or inner(parts))
    for share in (0.0, 0.0, 0.5, 0.5, 0.6, 1.0, 1.0):
        prompt = bank.blend([PromptWeight("lower", 1.0 - share), PromptWeight("low", share)], 0)
        painted(bundle, noisy(), 0.5, prompt, 1.0)
        assert cache.buffer.data_ptr() == where
        assert cache._layers[0].attention.processor._key.data_ptr() == where
    assert calls == [1, 2, 2, 1]


@torch.inference_mode()
def test_a_blend_that_changes_takes_no_new_memory(folders: dict[str, Path]) -> None:
    bundle = opened(folders["sdxl-turbo"])
    bank = PromptBank(bundle)

    def glide(share: float) -> None:
        parts = [PromptWeight("lower", 1.0 - share), PromptWeight("low", share)]
        bundle.hold(bank.blend(parts, 1))

    glide(0.3)
    with profile(profile_memory=True) as profiled:
        for step in range(4, 8):
            glide(step / 10)
    taken = sum(max(event.self_cpu_memory_usage, 0) for event in profiled.function_events or [])
    assert taken < 1024, "bytes; the tokens of one prompt are 19 712"


@torch.inference_mode()
def test_keys_are_made_once_per_prompt_and_the_oldest_make_room(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = opened(folders["sd-turbo"])
    cache = bundle._keys
    assert cache is not None
    made: list[int] = []
    inner = cache._project
    monkeypatch.setattr(cache, "_project", lambda *given: made.append(1) or inner(*given))
    prompts = [bundle.encode_prompt(f"low {'er ' * k}") for k in range(12)]
    for prompt in (*prompts[:4], *prompts[:4]):
        bundle.hold(prompt)
    assert len(made) == 4
    for prompt in prompts:
        bundle.hold(prompt)
    assert len(made) == 12
    assert cache.bytes == (2 + cache._most + 1) * cache.buffer[0].numel() * 4
    bundle.hold(prompts[0])
    assert len(made) == 13


@torch.inference_mode()
def test_weights_that_change_in_place_make_the_keys_anew(folders: dict[str, Path]) -> None:
    bundle = opened(folders["sd-turbo"])
    prompt = bundle.encode_prompt("lower")
    before = painted(bundle, noisy(), 0.5, prompt, 1.0)
    assert bundle._keys is not None
    where = bundle._keys.buffer.data_ptr()
    for layer in bundle._keys._layers:
        layer.attention.to_k.weight.mul_(3.0)
    assert torch.equal(painted(bundle, noisy(), 0.5, prompt, 1.0), before)  # still the old keys
    bundle.weights_changed()
    after = painted(bundle, noisy(), 0.5, prompt, 1.0)
    assert not torch.equal(after, before)
    assert bundle._keys.buffer.data_ptr() == where
    bundle._unet.set_attn_processor(AttnProcessor2_0())
    exact = painted(bundle, noisy(), 0.5, prompt, 1.0)
    torch.testing.assert_close(after, exact, atol=1e-4, rtol=0.0)


@torch.inference_mode()
def test_half_precision_stays_near(folders: dict[str, Path]) -> None:
    answers = [
        painted(bundle, noisy(), 0.5, mixed(bundle, (0.3, 0.7), 1), 1.0)
        for bundle in (opened(folders["sd-turbo"], "bfloat16"), opened(folders["sd-turbo"]))
    ]
    torch.testing.assert_close(answers[0], answers[1], atol=0.1, rtol=0.0)


def test_attention_of_another_kind_is_left_as_it_is() -> None:
    from diffusers import UNet2DConditionModel

    shape = {
        "sample_size": 8, "block_out_channels": (32, 64), "norm_num_groups": 8,
        "layers_per_block": 1, "cross_attention_dim": 32, "attention_head_dim": 8,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }  # fmt: skip
    plain = UNet2DConditionModel(**shape)
    assert can_cache(plain)
    attention = plain.mid_block.attentions[0].transformer_blocks[0].attn2
    attention.to_k = torch.nn.Linear(32, 64, bias=True)
    assert not can_cache(plain)
    assert not can_cache(UNet2DConditionModel(**shape, encoder_hid_dim=24))
    assert not isinstance(attention.processor, CachedCrossAttention)
