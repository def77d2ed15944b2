"""Opens the autoencoder that was chosen: a KL or a Tiny one of diffusers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.diffusion.models.components import Parts, diffusers_network
from engine.diffusion.models.family import read_json
from engine.diffusion.models.weights import FileWeights
from engine.weights_file import component_files


@dataclass(frozen=True, slots=True)
class AutoencoderFacts:
    """What its callers need to know: latents are (z - shift) * scale, as denoisers know them."""

    scale: float
    shift: float
    factor: int
    """Pixels of one latent cell, along each side."""
    dtype: torch.dtype


def autoencoder_facts(network: Any) -> AutoencoderFacts:
    """Read them off a KL or a Tiny autoencoder of diffusers."""
    config = network.config
    tiny = type(network).__name__ == "AutoencoderTiny"
    levels = config.encoder_block_out_channels if tiny else config.block_out_channels
    return AutoencoderFacts(
        float(config.get("scaling_factor") or 1.0),
        float(config.get("shift_factor") or 0.0),
        2 ** (len(levels) - 1),
        next(network.parameters()).dtype,
    )


def open_autoencoder(parts: Parts, tiny: Path | None, *, overflows: bool) -> Any:
    """Open the small autoencoder in the folder `tiny`, or the checkpoint's own.

    `overflows` is true of SDXL, whose own one overflows in float16 unless its configuration takes
    `force_upcast` back: then it computes in float32.
    """
    if tiny is None:
        network = parts.autoencoder()
        if overflows and parts.dtype == torch.float16 and network.config.get("force_upcast"):
            network = network.to(torch.float32)
        return network
    half = parts.dtype in (torch.float16, torch.bfloat16)
    weights = FileWeights(component_files(tiny, "diffusion_pytorch_model", half=half))
    config = read_json(tiny / "config.json", "it is needed")
    return diffusers_network(
        "AutoencoderTiny", config, weights, f"{tiny.name}: vae", parts.device, parts.dtype
    )
