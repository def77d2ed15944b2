"""What ember's networks see while they paint: from it int8 takes its ranges."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from engine.diffusion.models.ember.autoencoder import LATENT_CHANNELS
from engine.diffusion.models.ember.weights import EmberNetworks
from engine.diffusion.runners.int8 import quantised

_PROMPTS = (
    "",
    "northern lights over a frozen lake",
    "a burning campfire at night",
    "neon city in the rain",
    "sunset over the sea",
    "stars of a galaxy, black and white",
    "a white mountain in fog",
    "stained glass window in red and gold",
)
_TIMES = (1.0, 0.8, 0.6, 0.45, 0.3, 0.15)
_LATENT_SIDE = 16


def quantised_ember(networks: EmberNetworks) -> EmberNetworks:
    """Return float32 ember with its wide convolutions in int8; about 50 small calls.

    The ranges are those of pictures painted from noise in shrinking steps, each fed back as in
    the picture loop, from fixed noise: the same weights always give the same numbers.
    """
    encoder: list[tuple[Tensor, ...]] = []
    decoder: list[tuple[Tensor, ...]] = []
    unet: list[tuple[Tensor, ...]] = []
    generator = torch.Generator().manual_seed(0)
    shape = (1, LATENT_CHANNELS, _LATENT_SIDE, _LATENT_SIDE)
    for prompt in _PROMPTS:
        words = networks.text.encode([prompt])
        latent = torch.zeros(shape)
        for t in _TIMES:
            noise = torch.randn(shape, generator=generator)
            noisy = (1.0 - t) * latent + t * noise
            unet.append((noisy, torch.full((1,), t), words.tokens, words.pooled))
            clean = noisy - t * networks.unet(*unet[-1])
            decoder.append((clean,))
            encoder.append((networks.decoder(clean).clamp(-1.0, 1.0),))
            latent = networks.encoder(*encoder[-1])
    return replace(
        networks,
        encoder=quantised(networks.encoder, encoder),
        decoder=quantised(networks.decoder, decoder),
        unet=quantised(networks.unet, unet),
    )
