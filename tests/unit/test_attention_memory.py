"""What attention sees of earlier pictures is what an attention over all of them would see."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.diffusion.attention_memory import AttentionMemory, AttentionShape
from engine.diffusion.frame_params import FrameParams
from engine.diffusion.models.ember.unet import FlowUNet, UNetConfig
from engine.diffusion.models.self_attention import SelfAttentions

CONFIG = UNetConfig(widths=(32, 64, 96), conditioning_width=32, text_width=32)
NEVER = -math.inf


@pytest.fixture(autouse=True)
def _inference() -> Any:
    torch.manual_seed(0)
    with torch.inference_mode():
        yield


def dial(memory: AttentionMemory, params: FrameParams, slot: int, *bias: float) -> AttentionMemory:
    """Have the next calls written into `slot`, each slot counting e to its bias."""
    memory.keeping = True
    params.set("memory_slot", slot)
    params.set("memory_bias", bias)
    return memory


def ember() -> FlowUNet:
    unet = FlowUNet(CONFIG).eval()
    for parameter in unet.parameters():
        parameter.copy_(0.1 * torch.randn(parameter.shape))
    return unet


def diffusers_unet(kind: str) -> Any:
    from diffusers import UNet2DConditionModel

    kinds: dict[str, dict[str, Any]] = {
        "sd": {},
        "sdxl": {"transformer_layers_per_block": (1, 2, 1), "use_linear_projection": True},
        "sdxs": {"mid_block_type": None},
        "wide heads": {"attention_head_dim": 2, "layers_per_block": 2},
    }
    settings: dict[str, Any] = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "layers_per_block": 1,
        "block_out_channels": (32, 64, 64), "norm_num_groups": 8, "attention_head_dim": 8,
        "cross_attention_dim": 16,
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    }  # fmt: skip
    unet = UNet2DConditionModel(**settings | kinds[kind]).eval()
    for name, parameter in unet.named_parameters():
        if "attn1" in name and parameter.ndim == 2:  # loud enough for a difference to show
            parameter.copy_(torch.randn(parameter.shape) / math.sqrt(parameter.shape[1]) * 2.0)
    return unet


def predicted(unet: Any, noisy: Tensor, tokens: Tensor) -> Tensor:
    result: Tensor = unet(
        noisy, torch.tensor(400.0), encoder_hidden_states=tokens, return_dict=False
    )[0]
    return result


class SeeingAlso:
    """diffusers' own attention over a picture's states and those that were noted before."""

    def __init__(self, plain: Any) -> None:
        self.plain = plain
        self.noted: list[Tensor] = []
        self.seen: list[int] = []

    def __call__(self, attn: Any, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        others = [self.noted[index] for index in self.seen]
        self.noted.append(hidden_states)
        out: Tensor = self.plain(attn, hidden_states, torch.cat((hidden_states, *others), dim=1))
        return out


@pytest.mark.parametrize("kind", ["sd", "sdxl", "sdxs", "wide heads"])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_unet_sees_what_attention_over_all_pictures_sees(kind: str, rows: int) -> None:
    unet = diffusers_unet(kind)
    pictures = [torch.randn(rows, 4, 16, 8) for _ in range(3)]
    tokens = torch.randn(rows, 5, 16)
    attentions = SelfAttentions(unet)
    params = FrameParams(torch.device("cpu"))
    memory = AttentionMemory(attentions.shapes(16, 8), 2, rows, unet.conv_in.weight, params)
    bias = ((NEVER, NEVER), (0.0, NEVER), (0.0, 0.0))
    answers = []
    for slot, (picture, loud) in enumerate(zip(pictures, bias, strict=True)):
        dial(memory, params, slot % 2, *loud).keeping = slot < 2
        with attentions.remembering(memory):
            answers.append(predicted(unet, picture, tokens))
    explicit = {}
    for name, layer in unet.named_modules():
        if name.endswith("attn1"):
            explicit[name] = SeeingAlso(layer.processor)
            layer.set_processor(explicit[name])
    assert len(explicit) == len(memory.layers)
    for index, answer in enumerate(answers):
        for processor in explicit.values():
            processor.seen = list(range(index))
        torch.testing.assert_close(
            predicted(unet, pictures[index], tokens), answer, rtol=1e-4, atol=1e-5
        )
    for processor in explicit.values():
        processor.seen = []
    assert (predicted(unet, pictures[2], tokens) - answers[2]).abs().max() > 1e-3


def test_a_unet_is_plain_again_after_the_call() -> None:
    unet = diffusers_unet("sd")
    noisy, tokens = torch.randn(1, 4, 8, 8), torch.randn(1, 5, 16)
    before, processors = predicted(unet, noisy, tokens), dict(unet.attn_processors)
    attentions = SelfAttentions(unet)
    params = FrameParams(torch.device("cpu"))
    memory = AttentionMemory(attentions.shapes(8, 8), 2, 1, unet.conv_in.weight, params)
    with attentions.remembering(memory):
        predicted(unet, noisy, tokens)
    with pytest.raises(RuntimeError, match="shape"), attentions.remembering(memory):
        predicted(unet, noisy, tokens[:, :, :3])  # whatever goes wrong inside
    assert dict(unet.attn_processors) == processors
    assert torch.equal(predicted(unet, noisy, tokens), before)


def test_a_unet_whose_attention_is_of_another_kind_cannot_remember() -> None:
    assert SelfAttentions(diffusers_unet("sd")).can_remember
    odd = diffusers_unet("sd")
    odd.mid_block.attentions[0].transformer_blocks[0].attn1.to_k = torch.nn.Linear(64, 64)
    assert not SelfAttentions(odd).can_remember


def test_embers_attention_weighs_remembered_keys_by_their_bias() -> None:
    unet = ember()
    layer: Any = unet.get_submodule("middle.attention.0")
    pictures = [torch.randn(2, 96, 2, 3) for _ in range(3)]
    words = torch.randn(2, 4, 32)
    params = FrameParams(torch.device("cpu"))
    memory = AttentionMemory([AttentionShape(3, 6, 32)], 2, 2, unet.coarse.weight, params)
    layer.memory = memory.layers[0]
    dial(memory, params, 0, NEVER, NEVER)
    layer(pictures[0], words)
    dial(memory, params, 1, NEVER, NEVER)
    layer(pictures[1], words)
    dial(memory, params, 0, math.log(3.0), math.log(0.2)).keeping = False
    seen = layer(pictures[2], words)
    torch.testing.assert_close(
        seen, explicitly(layer, pictures, words, (3.0, 0.2)), rtol=1e-4, atol=1e-5
    )
    layer.memory = None
    assert (layer(pictures[2], words) - seen).abs().max() > 1e-2


def explicitly(
    layer: Any, pictures: list[Tensor], words: Tensor, counts: tuple[float, float]
) -> Tensor:
    """Softmax over words, own and earlier cells, those of a picture counted so many times."""
    cells = [picture.flatten(2).transpose(1, 2) for picture in pictures]
    normed = [layer.norm(each) for each in cells]
    parts = [layer.words(words), layer.own(normed[2]), layer.own(normed[0]), layer.own(normed[1])]
    weights = [torch.full((part.shape[1],), count) for part, count in
               zip(parts, (1.0, 1.0, *counts), strict=True)]  # fmt: skip

    def split(x: Tensor) -> Tensor:
        return x.unflatten(2, (layer.heads, -1)).transpose(1, 2).double()

    key, value = (split(x) for x in torch.cat(parts, dim=1).chunk(2, dim=2))
    query = split(layer.query(normed[2]))
    likeness = (query @ key.transpose(2, 3) / math.sqrt(query.shape[3])).exp()
    likeness = likeness * torch.cat(weights).double()
    mixed = (likeness / likeness.sum(dim=3, keepdim=True)) @ value
    out = layer.out(mixed.transpose(1, 2).flatten(2).float())
    added: Tensor = pictures[2] + out.transpose(1, 2).unflatten(2, pictures[2].shape[2:])
    return added


def test_nothing_remembered_is_the_plain_network_but_for_rounding() -> None:
    unet = ember()
    noisy, tokens, pooled = torch.randn(1, 16, 8, 8), torch.randn(1, 4, 32), torch.randn(1, 32)
    plain = unet(noisy, torch.tensor([0.7]), tokens, pooled)
    params = FrameParams(torch.device("cpu"))
    memory = AttentionMemory(unet.attention_shapes(8, 8), 4, 2, unet.coarse.weight, params)
    memory.buffer.normal_()
    dial(memory, params, 0, NEVER, NEVER, NEVER, NEVER)
    with unet.remembering(memory):
        seen = unet(noisy, torch.tensor([0.7]), tokens, pooled)
    torch.testing.assert_close(seen, plain, rtol=1e-4, atol=1e-5)
    assert torch.equal(unet(noisy, torch.tensor([0.7]), tokens, pooled), plain)


def test_of_several_calls_the_last_is_kept_and_none_sees_the_one_before() -> None:
    params = FrameParams(torch.device("cpu"))
    memory = AttentionMemory([AttentionShape(1, 2, 4)], 2, 1, torch.zeros(1), params)
    layer = memory.layers[0]
    dial(memory, params, 1, 0.0, NEVER)
    calls = [(torch.full((1, 1, 3, 4), 1.0 + k), torch.full((1, 1, 3, 4), -1.0 - k))
             for k in range(2)]  # fmt: skip
    for key, value in calls:
        _, _, bias = layer.beside(key, value)
        assert bias.flatten().tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, NEVER, NEVER]
    assert torch.equal(layer.keys[:, :, 1], calls[1][0][:, :, 1:])
    assert torch.equal(layer.values[:, :, 1], calls[1][1][:, :, 1:])
    assert not layer.keys[:, :, 0].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_what_is_kept_comes_back_bit_for_bit_in_every_format(dtype: torch.dtype) -> None:
    params = FrameParams(torch.device("cpu"))
    shapes = [AttentionShape(2, 3, 4), AttentionShape(1, 5, 8)]
    one, two = (AttentionMemory(shapes, 2, 2, torch.zeros(1, dtype=dtype), params) for _ in "ab")
    one.buffer.normal_()
    two.restore(one.state())
    assert torch.equal(two.layers[1].values, one.layers[1].values)
    assert two.layers[0].keys.any()
    two.forget()
    assert not two.layers[0].keys.any()
