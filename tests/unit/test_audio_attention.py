"""Gated audio attention in tiny and in full-size U-Nets; the full ones have no memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from engine.conditioning.adapter_file import AdapterCard
from engine.conditioning.projector.projector_file import save_projector
from engine.conditioning.sound_embedding import TargetSpec
from engine.diffusion.bundle import HeardRows, HearsSound
from engine.diffusion.models.audio_attention import AudioAttention
from engine.diffusion.models.components import Components
from engine.diffusion.models.family import family_of_folder
from engine.diffusion.models.sound_hearing import open_sound_hearing
from engine.diffusion.models.stable_diffusion import StableDiffusionBundle
from engine.diffusion.models.text_bending import BentText, TextBend
from engine.diffusion.noise_level import on_device
from engine.errors import ModelLoadError
from tests.checkpoints import write_sd, write_sdxl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CPU = torch.device("cpu")
Hears = TypeVar("Hears", AudioAttention, BentText)
FULL = {
    "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8,
    "block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2,
}  # fmt: skip
"""SD 1.x; diffusers has its block types as defaults."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("audio_attention")
    write_sd(home / "sd")
    write_sd(home / "wide", width=64)
    write_sdxl(home / "sdxl")
    return home


def load_unet(home: Path, name: str = "sd") -> Any:
    return Components(home / name, CPU, torch.float32).network("unet", "UNet2DConditionModel")


def full_unet() -> Any:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(**FULL)


def shaken(attention: Hears, seed: int = 0) -> Hears:
    """Weights with which a sound is seen."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return attention


def painted(unet: Any, rows: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    noisy = torch.randn(rows, 4, 8, 8, generator=generator)
    text = torch.randn(rows, 77, unet.config.cross_attention_dim, generator=generator)
    with torch.no_grad():
        return unet(noisy, 500, encoder_hidden_states=text, return_dict=False)[0]


def sound(seed: int, width: int = 32, tokens: int = 77) -> Tensor:
    return torch.randn(3, tokens, width, generator=torch.Generator().manual_seed(seed))


def test_sd_1_hears_in_ten_blocks_with_28_491_210_parameters() -> None:
    with torch.device("meta"):
        attention = AudioAttention(full_unet())
        everywhere = AudioAttention(full_unet(), ("down", "mid", "up"))
    sizes = [sum(p.numel() for p in layer.parameters()) for layer in attention.layers]
    assert len(sizes) == 10
    assert set(sizes) == {697_281, 1_804_161, 5_246_721}
    assert sum(sizes) == 28_491_210
    assert sum(p.numel() for p in everywhere.parameters()) == 43_987_536


def test_its_weights_have_the_names_of_sonic_diffusion() -> None:
    with torch.device("meta"):
        names = AudioAttention(full_unet()).named_tensors()
    parts = ("attn_adapter.to_q.weight", "attn_adapter.to_k.weight", "attn_adapter.to_v.weight",
             "attn_adapter.to_out.0.weight", "attn_adapter.to_out.0.bias", "norm_adapter.weight",
             "norm_adapter.bias", "gate_adapter")  # fmt: skip
    blocks = ["mid_block.attentions.0"] + [
        f"up_blocks.{block}.attentions.{layer}" for block in (1, 2, 3) for layer in (0, 1, 2)
    ]
    assert set(names) == {f"{b}.transformer_blocks.0.{part}" for b in blocks for part in parts}


@pytest.mark.parametrize("name", ["sd", "sdxl"])
def test_a_zero_gate_is_the_plain_unet_to_the_last_bit(home: Path, name: str) -> None:
    unet = load_unet(home, name)
    width = int(unet.config.cross_attention_dim)
    if name == "sdxl":
        added = {"text_embeds": torch.ones(1, 32), "time_ids": torch.ones(1, 6)}
        unet.forward = _with(unet.forward, added_cond_kwargs=added)
    plain = painted(unet)
    attention = shaken(AudioAttention(unet, ("down", "mid", "up")))
    attention.hear(sound(1, width))
    assert float((painted(unet) - plain).abs().max()) > 1e-3
    with torch.no_grad():
        for layer in attention.layers:
            layer.gate_adapter.zero_()
    attention.weigh(1.0)
    assert float((painted(unet) - plain).abs().max()) == 0.0


def _with(forward: Any, **more: Any) -> Any:
    return lambda *inputs, **options: forward(*inputs, **options, **more)


def test_strength_zero_silence_and_withdrawal_are_the_plain_unet(home: Path) -> None:
    unet = load_unet(home)
    plain = painted(unet)
    attention = shaken(AudioAttention(unet))
    assert torch.equal(painted(unet), plain)  # nothing was heard yet
    attention.hear(sound(1))
    attention.weigh(0.0)
    assert torch.equal(painted(unet), plain)
    attention.weigh(0.5)
    half = (painted(unet) - plain).abs().mean()
    attention.weigh(1.0)
    assert 0.0 < float(half) < float((painted(unet) - plain).abs().mean())
    attention.hear(None)
    assert torch.equal(painted(unet), plain)
    attention.hear(sound(1))
    attention.withdraw()
    assert torch.equal(painted(unet), plain)


def test_it_is_what_a_block_with_a_third_attention_computes(home: Path) -> None:
    """Against the sequence h -> h + f tanh(g) A(LN(h), sound) -> feed-forward, block by block."""
    unet = load_unet(home)
    attention = shaken(AudioAttention(unet))
    stages = sound(1)
    attention.hear(stages)
    attention.weigh(0.7)
    heard = painted(unet)
    attention.withdraw()
    pairs = zip(attention.names, attention.layers, attention._places, strict=True)
    for name, layer, place in pairs:
        block = unet.get_submodule(name)
        block.attn2.register_forward_hook(_sequential(block, layer, stages[place.stage][None]))
    torch.testing.assert_close(painted(unet), heard, rtol=1e-5, atol=1e-5)


def _sequential(block: Any, layer: Any, rows: Tensor) -> Any:
    """Return a hook that adds the layer's share to what attn2 returns, given what attn1 left."""
    state: dict[str, Tensor] = {}

    def keep(_norm: Any, inputs: tuple[Tensor, ...]) -> None:
        state["h"] = inputs[0]

    block.norm2.register_forward_pre_hook(keep)

    def add(_attention: Any, _inputs: Any, out: Tensor) -> Tensor:
        h = out + state["h"]
        key, value = layer.keys_values(rows)
        return out + layer(h, key, value, 0.7 * torch.tanh(layer.gate_adapter))

    return add


def test_keys_and_values_are_computed_once_per_sound_and_stay_in_place(home: Path) -> None:
    unet = load_unet(home)
    attention = shaken(AudioAttention(unet))
    calls = []
    for layer in attention.layers:
        layer.attn_adapter.to_k.register_forward_hook(lambda *_: calls.append(1))
    first = sound(1)
    attention.hear(first)
    places = [place.key.data_ptr() for place in attention._places]
    assert len(calls) == len(attention.layers)
    for _ in range(3):
        attention.hear(first)
        painted(unet)
    assert len(calls) == len(attention.layers)
    attention.hear(sound(2))
    assert len(calls) == 2 * len(attention.layers)
    assert [place.key.data_ptr() for place in attention._places] == places


def test_the_second_row_hears_silence(home: Path) -> None:
    unet = load_unet(home)
    attention = shaken(AudioAttention(unet))
    attention.hear(sound(2))
    other = painted(unet, rows=2)
    attention.hear(sound(1), sound(2))
    both = painted(unet, rows=2)
    torch.testing.assert_close(both[1], other[1])
    assert not torch.allclose(both[0], other[0], atol=1e-3)


def test_every_stage_reaches_the_blocks_that_its_routing_says(home: Path) -> None:
    def stages(routing: str) -> dict[str, int]:
        with torch.device("meta"):
            attention = AudioAttention(full_unet(), ("down", "mid", "up"), routing)
        return {
            ".".join(name.split(".")[:2]): place.stage
            for name, place in zip(attention.names, attention._places, strict=True)
        }

    assert stages("published") == {
        "down_blocks.0": 0, "down_blocks.1": 0, "down_blocks.2": 2, "mid_block.attentions": 1,
        "up_blocks.1": 2, "up_blocks.2": 1, "up_blocks.3": 1,
    }  # fmt: skip
    planned = stages("planned")
    assert {name: planned[name] for name in planned if name.startswith("down")} == {
        "down_blocks.0": 0, "down_blocks.1": 0, "down_blocks.2": 0,
    }  # fmt: skip
    assert {planned[name] for name in planned if name.startswith("up")} == {2}


def saved(path: Path, tensors: Mapping[str, Tensor]) -> Path:
    card = AdapterCard("projector", "ear", 384, TargetSpec(77, 32), "SD 1.x")
    save_projector(path, card, {}, tensors)
    return path


def written(home: Path, path: Path, name: str = "sd") -> Path:
    return saved(path, shaken(AudioAttention(load_unet(home, name))).named_tensors())


def test_a_file_comes_back_to_the_last_bit(home: Path, tmp_path: Path) -> None:
    unet = load_unet(home)
    attention = shaken(AudioAttention(unet))
    attention.hear(sound(1))
    expected = painted(unet)
    again = load_unet(home)
    open_sound_hearing(written(home, tmp_path / "a.safetensors"), again).hear(sound(1))
    assert torch.equal(painted(again), expected)


def test_a_file_for_another_unet_is_refused_and_leaves_the_unet_alone(
    home: Path, tmp_path: Path
) -> None:
    path = written(home, tmp_path / "a.safetensors")
    unet = load_unet(home, "wide")
    plain = painted(unet)
    with pytest.raises(ModelLoadError, match=r"another family.*needs"):
        open_sound_hearing(path, unet)
    assert torch.equal(painted(unet), plain)
    saved(path, {"mid_block.attentions.9.gate_adapter": torch.zeros(1)})
    with pytest.raises(ModelLoadError, match=r"another U-Net \(lacks mid_block"):
        open_sound_hearing(path, load_unet(home))
    saved(path, {})
    with pytest.raises(ModelLoadError, match="has no audio attention"):
        open_sound_hearing(path, load_unet(home))


def test_a_bend_of_texts_has_99_137_parameters_and_begins_as_none(home: Path) -> None:
    with torch.device("meta"):
        bend, bent = TextBend(), BentText(full_unet())
    assert sum(p.numel() for p in bend.parameters()) == 99_137
    assert sum(p.numel() for p in bent.parameters()) == 3 * 99_137
    unet = load_unet(home)
    plain = painted(unet)
    BentText(unet).hear(sound(1))
    assert torch.equal(painted(unet), plain)


@pytest.mark.parametrize("tokens", [77, 8])
def test_bent_texts_are_heard_and_strength_zero_is_the_plain_unet(home: Path, tokens: int) -> None:
    unet = load_unet(home)
    plain = painted(unet)
    bent = shaken(BentText(unet))
    bent.hear(sound(1, tokens=tokens))
    loud = painted(unet)
    assert not torch.allclose(loud, plain, atol=1e-4)
    bent.weigh(0.0)
    assert torch.equal(painted(unet), plain)
    bent.weigh(1.0)
    bent.hear(sound(2, tokens=tokens))
    assert not torch.equal(painted(unet), loud)
    bent.hear(None)
    assert torch.equal(painted(unet), plain)
    bent.hear(sound(1, tokens=tokens))
    bent.withdraw()
    assert torch.equal(painted(unet), plain)


def heard(stages: Tensor) -> HeardRows:
    return HeardRows(stages[0], None, stages, torch.zeros_like(stages))


@torch.inference_mode()
def test_a_bundle_hears_by_bent_texts_though_it_keeps_keys(home: Path, tmp_path: Path) -> None:
    bent = shaken(BentText(load_unet(home)))
    path = saved(tmp_path / "bent.safetensors", bent.named_tensors())
    parts = Components(home / "sd", CPU, torch.float32)
    bundle = StableDiffusionBundle(parts, family_of_folder(home / "sd"))
    prompt = bundle.encode_prompt("lower")
    bundle.hold(prompt)
    level = on_device(bundle.noise_level(0.6), CPU)
    noisy = torch.randn(bundle.latent_shape(64, 64), generator=torch.Generator().manual_seed(1))
    plain = bundle.denoised(noisy, level, prompt, None)
    bundle.attach_sound(path)
    bundle.hear(heard(sound(1)), 1.0)
    assert not torch.allclose(bundle.denoised(noisy, level, prompt, None), plain, atol=1e-4)
    bundle.hear(heard(sound(1)), 0.0)
    torch.testing.assert_close(bundle.denoised(noisy, level, prompt, None), plain)
    with pytest.raises(ModelLoadError, match="bends texts of another model"):
        open_sound_hearing(path, load_unet(home, "wide"))
    bundle.close()


@pytest.mark.parametrize("routing", ["published", "planned"])
def test_the_routing_of_a_file_is_the_one_it_was_trained_with(
    home: Path, tmp_path: Path, routing: str
) -> None:
    tensors = AudioAttention(load_unet(home)).named_tensors()
    card = AdapterCard("projector", "ear", 384, TargetSpec(77, 32), "SD 1.x", {"routing": routing})
    save_projector(tmp_path / "a.safetensors", card, {}, tensors)
    hearing = open_sound_hearing(tmp_path / "a.safetensors", load_unet(home))
    assert isinstance(hearing, AudioAttention)
    fresh = AudioAttention(load_unet(home), routing=routing)
    assert [place.stage for place in hearing._places] == [p.stage for p in fresh._places]


@torch.inference_mode()
def test_a_bundle_hears_and_forgets(home: Path, tmp_path: Path) -> None:
    parts = Components(home / "sd", CPU, torch.float32)
    bundle = StableDiffusionBundle(parts, family_of_folder(home / "sd"))
    assert isinstance(bundle, HearsSound)
    prompt = bundle.encode_prompt("lower")
    bundle.hold(prompt)
    level = on_device(bundle.noise_level(0.6), CPU)
    noisy = torch.randn(bundle.latent_shape(64, 64), generator=torch.Generator().manual_seed(1))

    def call() -> Tensor:
        return bundle.denoised(noisy, level, prompt, None)

    plain = call()
    bundle.attach_sound(written(home, tmp_path / "a.safetensors"))
    assert torch.equal(call(), plain)
    bundle.hear(heard(sound(1)), 1.0)
    loud = call()
    assert not torch.equal(loud, plain)
    bundle.hear(heard(sound(1)), 0.0)
    assert torch.equal(call(), plain)
    bundle.hear(heard(sound(1)), 1.0)
    assert "unet" not in bundle.parts(64, 64)  # a compiled one would keep the sound of now
    assert torch.equal(call(), loud)
    bundle.attach_sound(None)
    assert torch.equal(call(), plain)
    bundle.close()
