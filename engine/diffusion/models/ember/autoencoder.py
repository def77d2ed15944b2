"""Ember's autoencoder: 512x512x3 pictures <-> 32x32x16 latents, nearly all work at low resolution.

Both halves are fully convolutional: any size whose sides are multiples of `PIXELS_PER_LATENT`
works. Neither holds a normalisation layer, because those are memory traffic and nothing else at
these sizes. Run them in `torch.channels_last`: it is the faster layout in float32 and in bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT_CHANNELS = 16
PIXELS_PER_LATENT = 16
"""One latent cell covers this many pixels per side."""

_PATCH = 8
_FINAL_PATCH = 4


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """Widths and the normalisation of the latents.

    `latents_mean` and `latents_std` hold one figure per latent channel and turn the raw output of
    the encoder's last convolution into latents of zero mean and unit variance.
    """

    encoder_width: int = 96
    encoder_blocks: int = 2
    decoder_widths: tuple[int, int, int] = (128, 64, 32)
    decoder_blocks: tuple[int, int, int] = (3, 1, 1)
    latents_mean: tuple[float, ...] = (0.0,) * LATENT_CHANNELS
    latents_std: tuple[float, ...] = (1.0,) * LATENT_CHANNELS


class _Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))), or one convolution when `deep` is false."""

    def __init__(self, width: int, *, deep: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1) if deep else None

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(F.relu(x))
        if self.second is not None:
            h = self.second(F.relu(h))
        out: Tensor = x + h
        return out


class Encoder(nn.Module):
    """Pictures to latents."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.patch_in = nn.Conv2d(3 * _PATCH * _PATCH, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(
            _Residual(width, deep=False) for _ in range(config.encoder_blocks)
        )
        self.out = nn.Conv2d(width, LATENT_CHANNELS, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return latents of shape `(b, 16, h/16, w/16)`, about zero mean and unit variance.

        `pictures` has shape `(b, 3, h, w)` in [-1, 1], h and w multiples of 16.
        """
        h = self.patch_in(F.pixel_unshuffle(pictures, _PATCH))  # (b, width, h/16, w/16)
        for block in self.blocks:
            h = block(h)
        latents: Tensor = self.out(F.relu(h))
        return latents

    @torch.no_grad()
    def fold_normalisation(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Make the last convolution give (raw - mean) / std by itself."""
        shift = torch.as_tensor(mean, dtype=self.out.weight.dtype, device=self.out.weight.device)
        scale = 1 / torch.as_tensor(std, dtype=shift.dtype, device=shift.device)
        assert self.out.bias is not None
        self.out.bias.copy_((self.out.bias - shift) * scale)
        self.out.weight.mul_(scale[:, None, None, None])


class Decoder(nn.Module):
    """Latents to pictures: convolutions at 1/16, 1/8 and 1/4 of the size, then a pixel shuffle."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        widths = config.decoder_widths
        self.latent_in = nn.Conv2d(LATENT_CHANNELS, widths[0], 3, padding=1)
        self.stages = nn.ModuleList()
        self.grow = nn.ModuleList()
        for level, (width, blocks) in enumerate(zip(widths, config.decoder_blocks, strict=True)):
            deep = level > 0
            stage = [_Residual(width, deep=deep) for _ in range(blocks)]
            self.stages.append(nn.Sequential(*stage))
            if level + 1 < len(widths):
                self.grow.append(nn.Conv2d(width, 4 * widths[level + 1], 1))
        self.out = nn.Conv2d(widths[-1], 3 * _FINAL_PATCH * _FINAL_PATCH, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Return pictures of shape `(b, 3, 16 h, 16 w)`, about [-1, 1] (clamp before showing)."""
        # A soft limit: what the flow overshoots must stay in the range the decoder was trained on.
        h = self.latent_in(3 * torch.tanh(latents / 3))
        for level, stage in enumerate(self.stages):
            h = stage(h)
            if level < len(self.grow):
                h = F.pixel_shuffle(self.grow[level](h), 2)
        return F.pixel_shuffle(self.out(F.relu(h)), _FINAL_PATCH)


def count_flops(module: nn.Module, *inputs: Tensor) -> int:
    """Floating point operations (2 per multiply-add) of the matrix work of one call."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return int(counter.get_total_flops())
