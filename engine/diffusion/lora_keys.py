"""What trainers call the layers of a network, and which layer of ours that is.

Four spellings are met: kohya's (`lora_unet_down_blocks_0_..._to_q.lora_up.weight`, `lora_te_`,
`lora_te1_`, `lora_te2_`), the same with the block names of the original release
(`lora_unet_input_blocks_4_1_...`, all of kohya's SDXL), peft's (`unet.down_blocks.0...to_q.
lora_A.weight`) and diffusers' before peft (`....lora.up.weight`, `...processor.to_q_lora.up...`).
Dots and underlines are made one, so that one table of names per network reads all of them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

COMPONENTS = (
    ("lora_unet_", "unet"),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te_", "text_encoder"),
    ("lora_transformer_", "transformer"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder.", "text_encoder"),
    ("transformer.", "transformer"),
    ("diffusion_model.", "unet"),
    ("unet.", "unet"),
)
"""How a key begins -> the component of a checkpoint it belongs to; without any: the U-Net."""

_PEFT_ROOT = "base_model.model."

_PARTS = (
    re.compile(r"[._]lora(?:_linear_layer)?[._](?P<part>up|down|mid)\.weight$"),
    re.compile(r"\.lora_(?P<part>[AB])(?:\.[^.]+)?\.weight$"),
    re.compile(r"(?:[._]lora)?\.(?P<part>alpha)$"),
    re.compile(r"\.(?P<part>hada_w[12]_[ab])$"),
    re.compile(r"\.(?P<part>lokr_w[12](?:_[ab])?)$"),
)
_PEFT_NAMES = {"A": "down", "B": "up"}

_UNREAD = (
    (re.compile(r"dora_scale|lora_magnitude_vector"), "DoRA"),
    (re.compile(r"hada_t[12]$|lokr_t[12]$"), "LyCORIS in Tucker form"),
    (re.compile(r"\.oft_|\.boft_"), "OFT"),
    (re.compile(r"\.(?:diff|diff_b|set_weight)$"), "whole differences of weights"),
    (re.compile(r"lora_embedding_|^bundle_emb"), "new words for the text encoder"),
    (re.compile(r"lora_(?:up|B)(?:\.[^.]+)?\.bias$|lora_bias"), "biases"),
)
"""What exists beside LoRA, LoHa and LoKr, by name, so that it can be refused by name."""


@dataclass(frozen=True, slots=True)
class LoraKey:
    """One tensor of a file: part `part` of the change of one layer."""

    component: str
    layer: str
    """With underlines for dots, as the file spells it."""
    part: str
    """`up`, `down`, `mid`, `alpha`, `hada_*` or `lokr_*`."""


def read_key(key: str) -> LoraKey | None:
    """Take the name of a tensor apart; None for what belongs to no LoRA."""
    rest, component = key.removeprefix(_PEFT_ROOT), "unet"
    for prefix, name in COMPONENTS:
        if rest.startswith(prefix):
            rest, component = rest[len(prefix) :], name
            break
    for pattern in _PARTS:
        found = pattern.search(rest)
        if found:
            layer = rest[: found.start()].replace(".processor.", ".").replace(".", "_")
            part = found["part"]
            return LoraKey(component, layer, _PEFT_NAMES.get(part, part))
    return None


def unread_kind(key: str) -> str | None:
    """Name what a tensor belongs to that is no LoRA; None where that is not known."""
    return next((kind for pattern, kind in _UNREAD if pattern.search(key)), None)


def layer_table(component: str, network: nn.Module) -> Mapping[str, nn.Linear | nn.Conv2d]:
    """Return every spelling, with underlines for dots, of every layer a LoRA may change."""
    layers = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d))
    }
    text = component.startswith("text_encoder")
    blocks = {} if text else original_names([name for name, _ in network.named_modules()])
    table: dict[str, nn.Linear | nn.Conv2d] = {}
    for name, module in layers.items():
        for spelled in _text_names(name) if text else _picture_names(name, blocks):
            table[spelled.replace(".", "_")] = module
    return table


def original_names(modules: list[str]) -> Mapping[str, str]:
    """Names of diffusers' blocks -> their names in the original release of Stable Diffusion.

    Read off the modules: its `input_blocks` count every residual block and every shrinking one,
    `output_blocks` every residual block.
    """
    there = set(modules)
    names = {
        "conv_in": "input_blocks.0.0", "conv_out": "out.2",
        "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
        "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }  # fmt: skip
    number = 1
    for block in _counted("down_blocks", there):
        for unit in _counted(f"{block}.resnets", there):
            names[unit] = f"input_blocks.{number}.0"
            names[unit.replace("resnets", "attentions")] = f"input_blocks.{number}.1"
            number += 1
        if f"{block}.downsamplers.0" in there:
            names[f"{block}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
            number += 1
    number = 0
    for block in _counted("up_blocks", there):
        for unit in _counted(f"{block}.resnets", there):
            names[unit] = f"output_blocks.{number}.0"
            names[unit.replace("resnets", "attentions")] = f"output_blocks.{number}.1"
            number += 1
        place = 2 if f"{block}.attentions.0" in there else 1
        names[f"{block}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{place}.conv"
    return {name: other for name, other in names.items() if name in there}


_ORIGINAL_RESIDUAL = {
    "conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}  # fmt: skip

_OLD_TEXT = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}
"""What diffusers called the layers of CLIP's attention before peft."""


def _picture_names(name: str, blocks: Mapping[str, str]) -> list[str]:
    names = [name]
    for block, original in blocks.items():
        if name == block:
            names.append(original)
        elif name.startswith(f"{block}."):
            inner = name[len(block) + 1 :]
            names.append(f"{original}.{_ORIGINAL_RESIDUAL.get(inner, inner)}")
    # diffusers' attention processors knew one output layer, whose second half is dropout.
    return names + [each.removesuffix(".0") for each in names if each.endswith(".to_out.0")]


def _text_names(name: str) -> list[str]:
    """With `text_model.` and without: transformers 5 has dropped it from one of two classes."""
    bare = name.removeprefix("text_model.")
    names = [bare, f"text_model.{bare}"]
    stem, _, last = bare.rpartition(".")
    if last in _OLD_TEXT:
        names += [f"{root}{stem}.{_OLD_TEXT[last]}" for root in ("", "text_model.")]
    return names


def _counted(stem: str, there: set[str]) -> list[str]:
    return list(
        itertools.takewhile(there.__contains__, (f"{stem}.{k}" for k in itertools.count()))
    )
