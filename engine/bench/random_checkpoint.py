"""Published checkpoints in their exact architecture and layout, with random weights.

Speed does not depend on what was learned. They are written as a folder of safetensors, so that
what is measured is opened, compiled and run by the very code that runs the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.bench.sd_turbo import TAESD, TEXT, UNET, give_random_weights
from engine.quiet_loaders import quiet_loaders

_CLIP_L: dict[str, Any] = {
    **TEXT,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
_CLIP_G: dict[str, Any] = {
    **TEXT,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
}
_XL_UNET: dict[str, Any] = {
    **UNET,
    "block_out_channels": (320, 640, 1280),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "down_block_types": ("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
    "up_block_types": ("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_SCHEDULER: dict[str, Any] = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "timestep_spacing": "trailing",
}
_OPENAI_PAD, _OPENCLIP_PAD = "<|endoftext|>", "!"


@dataclass(frozen=True, slots=True)
class Architecture:
    """Configurations of one checkpoint's networks; TAESD stands for its own autoencoder."""

    unet: Mapping[str, Any]
    texts: tuple[tuple[Mapping[str, Any], str], ...]
    """Of each text encoder: its configuration and what its tokenizer pads with."""
    pipeline: str = "StableDiffusionPipeline"


ARCHITECTURES: dict[str, Architecture] = {
    "sd-turbo": Architecture(UNET, ((TEXT, _OPENCLIP_PAD),)),
    "sdxl-turbo": Architecture(
        _XL_UNET, ((_CLIP_L, _OPENAI_PAD), (_CLIP_G, _OPENCLIP_PAD)), "StableDiffusionXLPipeline"
    ),
}
"""By the names of `known_models`."""


def write_random_checkpoint(architecture: Architecture, folder: Path) -> Path:
    """Write a checkpoint in diffusers layout and float16: 2.4 GB for SD-Turbo, 7 for SDXL."""
    import torch

    quiet_loaders("diffusers", "transformers")
    diffusers: Any = import_module("diffusers")
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**architecture.unet)
        vae = diffusers.AutoencoderTiny(**TAESD)
    _save(unet, folder / "unet")
    _save(vae, folder / "vae")
    for index, (config, pad_token) in enumerate(architecture.texts):
        _write_text(folder, config, pad_token, index)
    _write_json(folder / "scheduler" / "scheduler_config.json", _SCHEDULER)
    _write_json(folder / "model_index.json", {"_class_name": architecture.pipeline})
    return folder


def _write_text(folder: Path, config: Mapping[str, Any], pad_token: str, index: int) -> None:
    """The second encoder of an SDXL is the one with a projection."""
    import torch

    from engine.diffusion.models.clip_tokens import write_tokenizer

    transformers: Any = import_module("transformers")
    kind = transformers.CLIPTextModelWithProjection if index else transformers.CLIPTextModel
    suffix = f"_{index + 1}" if index else ""
    with torch.device("meta"):
        encoder = kind(transformers.CLIPTextConfig(**config))
    _save(encoder, folder / f"text_encoder{suffix}")
    tokenizer = folder / f"tokenizer{suffix}"
    tokenizer.mkdir()
    write_tokenizer(tokenizer, pad_token)


def _save(network: Any, folder: Path) -> None:
    import torch

    give_random_weights(network, torch.device("cpu"), torch.float16)
    network.to(memory_format=torch.contiguous_format)
    network.save_pretrained(folder, safe_serialization=True)


def _write_json(path: Path, table: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table), "utf-8")
