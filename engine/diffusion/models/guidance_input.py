"""Guidance as an input of the U-Net, as LCM checkpoints have it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def guidance_input(guidance: float, width: int, device: torch.device) -> Tensor:
    """Return the embedding `(1, width)` of a guidance, float32.

    Sines and cosines of 1000 (w - 1) at falling frequencies: the Fourier embedding of the LCM
    paper (Luo et al. 2023, section 4.2), with the constants that diffusers' LCM pipeline uses.
    """
    half = width // 2
    frequencies = torch.exp(
        torch.arange(half, dtype=torch.float32) * (-math.log(10_000.0) / (half - 1))
    )
    angles = 1000.0 * (guidance - 1.0) * frequencies
    embedding = torch.cat((angles.sin(), angles.cos()))
    return torch.nn.functional.pad(embedding, (0, width % 2))[None].to(device)
