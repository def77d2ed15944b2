"""Tiny checkpoints in one file, in the layout of the original code ("ldm"), and their originals.

Networks of diffusers and transformers are made at random and renamed by a table of our own, the
reverse of what the loader does, so that outputs can be compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

Layout = Literal["sd1", "sd2", "sdxl"]
WORDS = 49_408  # CLIP's own vocabulary, for the tokenizer that ships
WIDTH = 64


@dataclass(frozen=True)
class Original:
    """What a file was made from."""

    path: Path
    unet: Any
    vae: Any
    encoders: tuple[Any, ...]


def write_single_file(
    path: Path, layout: Layout = "sd1", *, metadata: Mapping[str, str] | None = None,
    extra: Mapping[str, Tensor] | None = None, seed: int = 0,
) -> Original:  # fmt: skip
    torch.manual_seed(seed)
    unet, vae = _unet(layout), _vae()
    first = _encoder("quick_gelu" if layout != "sd2" else "gelu", projected=False)
    encoders = [first]
    tensors = {**_unet_names(unet), **_vae_names(vae), **(extra or {})}
    if layout == "sd1":
        tensors |= _clip_names(first, "cond_stage_model.transformer.")
    elif layout == "sd2":
        tensors |= _open_clip_names(first, "cond_stage_model.model.", spare_layer=True)
    else:
        second = _encoder("gelu", projected=True)
        encoders.append(second)
        tensors |= _clip_names(first, "conditioner.embedders.0.transformer.")
        tensors |= _open_clip_names(second, "conditioner.embedders.1.model.", spare_layer=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, path, metadata)
    return Original(path, unet.eval(), vae.eval(), tuple(e.eval() for e in encoders))


def _unet(layout: Layout) -> Any:
    from diffusers import UNet2DConditionModel

    shared: dict[str, Any] = {
        "sample_size": 8, "layers_per_block": 2, "block_out_channels": (32, 64),
        "cross_attention_dim": WIDTH,
    }  # fmt: skip
    if layout == "sdxl":
        return UNet2DConditionModel(
            **shared | {"cross_attention_dim": 2 * WIDTH}, attention_head_dim=(1, 1),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), use_linear_projection=True,
            transformer_layers_per_block=[1, 2], addition_embed_type="text_time",
            addition_time_embed_dim=16, projection_class_embeddings_input_dim=WIDTH + 6 * 16,
        )  # fmt: skip
    linear = layout == "sd2"
    return UNet2DConditionModel(
        **shared, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), use_linear_projection=linear,
        attention_head_dim=(1, 1) if linear else 8,
    )  # fmt: skip


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 32, 64, 64), layers_per_block=2, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip


def _encoder(activation: str, *, projected: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=WORDS, hidden_size=WIDTH, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=1, max_position_embeddings=77, projection_dim=WIDTH,
        hidden_act=activation, bos_token_id=WORDS - 2, eos_token_id=WORDS - 1,
        pad_token_id=WORDS - 1,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


_RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
           "norm2": "out_layers.0", "conv2": "out_layers.3",
           "conv_shortcut": "skip_connection"}  # fmt: skip
_OUTER = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
          "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
          "add_embedding.linear_1": "label_emb.0.0",
          "add_embedding.linear_2": "label_emb.0.2"}  # fmt: skip


def _unet_names(unet: Any) -> dict[str, Tensor]:
    layers = int(unet.config.layers_per_block)
    crossed = ["CrossAttn" in kind for kind in unet.config.up_block_types]
    names = {}
    for name, tensor in unet.state_dict().items():
        names[f"model.diffusion_model.{_unet_name(name, layers, crossed)}"] = tensor
    return names


def _unet_name(name: str, layers: int, crossed: list[bool]) -> str:
    for ours, theirs in _OUTER.items():
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs, 1)
    place = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name)
    if place:
        way, block, kind, layer, rest = place.groups()
        home, index = ("input_blocks", 1 + int(block) * (layers + 1) + int(layer))
        if way == "up":
            home, index = ("output_blocks", int(block) * (layers + 1) + int(layer))
        return f"{home}.{index}.{_inner(kind, rest)}"
    middle = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name)
    if middle:
        kind, layer, rest = middle.groups()
        index = 1 if kind == "attentions" else 2 * int(layer)
        return f"middle_block.{index}.{_inner(kind, rest).split('.', 1)[1]}"
    sampler = re.match(r"(down|up)_blocks\.(\d+)\.\w+samplers\.0\.conv\.(.*)", name)
    assert sampler, name
    way, block, rest = sampler.groups()
    index = (int(block) + 1) * (layers + 1)
    if way == "down":
        return f"input_blocks.{index}.0.op.{rest}"
    return f"output_blocks.{index - 1}.{2 if crossed[int(block)] else 1}.conv.{rest}"


def _inner(kind: str, rest: str) -> str:
    if kind == "attentions":
        return f"1.{rest}"
    part, _, leaf = rest.rpartition(".")
    return f"0.{_RESNET[part]}.{leaf}"


_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def _vae_names(vae: Any) -> dict[str, Tensor]:
    last = len(vae.config.block_out_channels) - 1
    names = {}
    for name, tensor in vae.state_dict().items():
        new = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        new = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", new)
        new = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", new)
        new = re.sub(r"up_blocks\.(\d+)\.resnets\.(\d+)",
                     lambda m: f"up.{last - int(m[1])}.block.{m[2]}", new)  # fmt: skip
        new = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0",
                     lambda m: f"up.{last - int(m[1])}.upsample", new)  # fmt: skip
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        if "mid_block.attentions.0" in new:
            for ours, theirs in _ATTENTION.items():
                new = new.replace(f"mid_block.attentions.0.{ours}.", f"mid.attn_1.{theirs}.")
            if tensor.dim() == 2:  # the original code projects with 1x1 convolutions
                tensor = tensor[:, :, None, None]
        names[f"first_stage_model.{new}"] = tensor
    return names


def _clip_names(encoder: Any, prefix: str) -> dict[str, Tensor]:
    state = encoder.state_dict().items()
    return {f"{prefix}text_model.{name.removeprefix('text_model.')}": t for name, t in state}


_OPEN = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
         "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj"}  # fmt: skip


def _open_clip_names(encoder: Any, prefix: str, *, spare_layer: bool) -> dict[str, Tensor]:
    state = {n.removeprefix("text_model."): t for n, t in encoder.state_dict().items()}
    layers = int(encoder.config.num_hidden_layers)
    names = {
        "token_embedding.weight": state["embeddings.token_embedding.weight"],
        "positional_embedding": state["embeddings.position_embedding.weight"],
        "ln_final.weight": state["final_layer_norm.weight"],
        "ln_final.bias": state["final_layer_norm.bias"],
    }
    if "text_projection.weight" in state:
        names["text_projection"] = state["text_projection.weight"].T
    # The original keeps one layer more than is read: the last but one is what SD 2.x takes.
    for layer in range(layers + spare_layer):
        source = f"encoder.layers.{min(layer, layers - 1)}."
        target = f"transformer.resblocks.{layer}."
        for ours, theirs in _OPEN.items():
            for leaf in ("weight", "bias"):
                names[f"{target}{theirs}.{leaf}"] = state[f"{source}{ours}.{leaf}"]
        for leaf in ("weight", "bias"):
            joint = [state[f"{source}self_attn.{p}_proj.{leaf}"] for p in "qkv"]
            names[f"{target}attn.in_proj_{leaf}"] = torch.cat(joint)
    return {f"{prefix}{name}": tensor for name, tensor in names.items()}
