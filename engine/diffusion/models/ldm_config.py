"""The configurations of a single-file checkpoint, read from the shapes of its tensors.

A `.safetensors` file in the layout of the original code ("ldm": SD 1.x, SD 2.x, SDXL) holds no
configuration. Channels, levels, depths and widths are in the shapes; heads are not: SD 1.x has 8
everywhere, its successors one for every 64 channels, and only SD 1.x projects with convolutions.
Imports no torch.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from engine.weights_file import TensorFacts

UNET = "model.diffusion_model."
VAE = "first_stage_model."
_CHANNELS_PER_HEAD = 64
_HEADS_OF_SD1 = 8
_TIME_EMBEDDING = 256  # width of each of SDXL's six numbers about the size

Facts = Mapping[str, TensorFacts]


def unet_config(facts: Facts) -> dict[str, Any]:
    """Return the configuration of `UNet2DConditionModel`."""
    levels = _levels(facts)
    channels = [level[0][0] for level in levels]
    depths = [max(depth for _, depth in level) for level in levels]
    middle = _depth(facts, f"{UNET}middle_block.1.")
    block = next(name for name in facts if name.startswith(UNET) and ".attn2.to_k." in name)
    linear = len(facts[f"{UNET}middle_block.1.proj_in.weight"].shape) == 2
    crossed = [depth > 0 for depth in depths]
    config: dict[str, Any] = {
        "_class_name": "UNet2DConditionModel",
        "in_channels": facts[f"{UNET}input_blocks.0.0.weight"].shape[1],
        "out_channels": facts[f"{UNET}out.2.weight"].shape[0],
        "sample_size": 64,
        "layers_per_block": len(levels[0]),
        "block_out_channels": channels,
        "down_block_types": ["CrossAttnDownBlock2D" if c else "DownBlock2D" for c in crossed],
        "up_block_types": ["CrossAttnUpBlock2D" if c else "UpBlock2D" for c in reversed(crossed)],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "cross_attention_dim": facts[block].shape[1],
        "attention_head_dim": [max(1, n // _CHANNELS_PER_HEAD) for n in channels]
        if linear
        else _HEADS_OF_SD1,
        "transformer_layers_per_block": [*(max(1, depth) for depth in depths[:-1]), middle],
        "use_linear_projection": linear,
    }
    label = facts.get(f"{UNET}label_emb.0.0.weight")
    if label is not None:
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (label.shape[1] - _pooled_width(facts)) // 6,
            "projection_class_embeddings_input_dim": label.shape[1],
        }
    return config


def vae_config(facts: Facts, *, xl: bool) -> dict[str, Any]:
    """Return the configuration of `AutoencoderKL`."""
    channels = []
    for level in itertools.count():
        first = facts.get(f"{VAE}encoder.down.{level}.block.0.conv1.weight")
        if first is None:
            break
        channels.append(first.shape[0])
    layers = _count(facts, f"{VAE}encoder.down.0.block.")
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": channels,
        "layers_per_block": layers,
        "latent_channels": facts[f"{VAE}decoder.conv_in.weight"].shape[1],
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "scaling_factor": 0.13025 if xl else 0.18215,
    }


def clip_config(facts: Facts, prefix: str) -> dict[str, Any]:
    """Return the configuration of a CLIP text encoder kept as transformers keep it."""
    words, width = facts[f"{prefix}embeddings.token_embedding.weight"].shape
    return _text_config(
        words, width, facts[f"{prefix}embeddings.position_embedding.weight"].shape[0],
        layers=_count(facts, f"{prefix}encoder.layers."),
        middle=facts[f"{prefix}encoder.layers.0.mlp.fc1.weight"].shape[0],
        activation="quick_gelu",
    )  # fmt: skip


def open_clip_config(facts: Facts, prefix: str, *, drop_last: bool) -> dict[str, Any]:
    """Return the configuration of a text encoder kept as OpenCLIP keeps it.

    SD 2.x reads the last layer but one through the final norm: the last is left out.
    """
    words, width = facts[f"{prefix}token_embedding.weight"].shape
    layers = _count(facts, f"{prefix}transformer.resblocks.") - int(drop_last)
    config = _text_config(
        words, width, facts[f"{prefix}positional_embedding"].shape[0], layers=layers,
        middle=facts[f"{prefix}transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
        activation="gelu",
    )  # fmt: skip
    projection = facts.get(f"{prefix}text_projection")
    return config | {"projection_dim": projection.shape[1] if projection else width}


def _text_config(
    words: int, width: int, places: int, *, layers: int, middle: int, activation: str
) -> dict[str, Any]:
    return {
        "vocab_size": words, "hidden_size": width, "intermediate_size": middle,
        "num_hidden_layers": layers, "num_attention_heads": max(1, width // _CHANNELS_PER_HEAD),
        "max_position_embeddings": places, "hidden_act": activation, "projection_dim": width,
        "bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": words - 1,
    }  # fmt: skip


def _levels(facts: Facts) -> list[list[tuple[int, int]]]:
    """Channels and transformer depth of every residual block on the way down, by level."""
    levels: list[list[tuple[int, int]]] = [[]]
    for k in range(1, _count(facts, f"{UNET}input_blocks.")):
        block = f"{UNET}input_blocks.{k}."
        if f"{block}0.op.weight" in facts:
            levels.append([])
            continue
        channels = facts[f"{block}0.out_layers.3.weight"].shape[0]
        levels[-1].append((channels, _depth(facts, f"{block}1.")))
    return levels


def _depth(facts: Facts, prefix: str) -> int:
    return _count(facts, f"{prefix}transformer_blocks.")


def _count(facts: Facts, prefix: str) -> int:
    """How many different numbers follow a prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in facts if name.startswith(prefix)})


def _pooled_width(facts: Facts) -> int:
    projection = facts.get("conditioner.embedders.1.model.text_projection")
    label = facts[f"{UNET}label_emb.0.0.weight"].shape[1]
    return projection.shape[1] if projection else label - 6 * _TIME_EMBEDDING
