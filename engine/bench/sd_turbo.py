"""The yardstick: SD-Turbo's U-Net and TAESD, in their exact architecture, with random weights.

Speed does not depend on what was learned, so nothing is downloaded. The configurations are those
of the published checkpoints (865.9 M parameters in the U-Net).
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.bench.area import Result
from engine.bench.runner_case import median_ms
from engine.bench.runners import FORMATS

if TYPE_CHECKING:
    from torch import nn

SIDE = 512
FRAMES = 3

UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
TAESD: dict[str, Any] = {
    "latent_channels": 4,
    "encoder_block_out_channels": (64, 64, 64, 64),
    "decoder_block_out_channels": (64, 64, 64, 64),
    "num_encoder_blocks": (1, 3, 3, 3),
    "num_decoder_blocks": (3, 3, 3, 1),
    "upsampling_scaling_factor": 2,
}
TEXT: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "max_position_embeddings": 77,
    "projection_dim": 512,
    "hidden_act": "gelu",
    "eos_token_id": 49407,
}
_WORDS = (1, 77, 1024)


def sd_turbo_case(short: str, device: str, frames: int = FRAMES) -> list[Result]:
    """Return `sd-turbo/512x512/eager-<format>`: encode, one call, decode, as ember is measured.

    Needs 2 GB of memory in bf16 and 4 GB in fp32.
    """
    import torch

    from engine.diffusion.device import choose_device, set_threads

    where = choose_device(device)
    set_threads(0)
    dtype = getattr(torch, FORMATS[short])
    unet, taesd = build_networks()
    for network in (unet, taesd):
        give_random_weights(network, where, dtype)
    like = {"device": where, "dtype": dtype}
    with torch.inference_mode():
        picture = torch.zeros(1, 3, SIDE, SIDE, **like)
        picture = picture.contiguous(memory_format=torch.channels_last)
        latent = taesd.encode(picture).latents
        words = torch.zeros(_WORDS, **like)
        time = torch.tensor(499, device=where)
        ms = median_ms(
            {
                "encode": partial(taesd.encode, picture),
                "denoise": partial(unet, latent, time, words),
                "decode": partial(taesd.decode, latent),
            },
            frames,
        )
    count = sum(parameter.numel() for parameter in unet.parameters())
    return [
        {
            "name": f"sd-turbo/{SIDE}x{SIDE}/eager-{short}",
            "fps": round(1000.0 / sum(ms.values()), 3),
            "ms": ms,
            "unet_parameters": count,
            "threads": torch.get_num_threads(),
        }
    ]


def build_networks() -> tuple[Any, Any]:
    """Return U-Net and TAESD without any memory behind their weights."""
    import torch

    diffusers: Any = import_module("diffusers")
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**UNET)
        taesd = diffusers.AutoencoderTiny(**TAESD)
    return unet.eval(), taesd.eval()


def build_text_encoder() -> Any:
    """Return the text encoder (340.4 M parameters) without any memory behind its weights."""
    import torch

    transformers: Any = import_module("transformers")
    with torch.device("meta"):
        encoder = transformers.CLIPTextModel(transformers.CLIPTextConfig(**TEXT))
    return encoder.eval()


def give_random_weights(network: nn.Module, device: Any, dtype: Any) -> None:
    """Fill a network that `build_networks` made, so that signals neither vanish nor explode."""
    import torch

    generator = torch.Generator(device).manual_seed(0)
    network.to(dtype).to_empty(device=device)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                spread = parameter[0].numel() ** -0.5
                parameter.normal_(0.0, spread, generator=generator)
            else:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
    network.requires_grad_(requires_grad=False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
