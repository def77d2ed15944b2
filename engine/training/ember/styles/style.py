"""What a style is, and what several styles are made of: scale, tone, flat patches, edges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.ember.scenes.fields import blur


class Treatment(Protocol):
    """Renders pictures in a style; pure: the same arguments give the same pixels."""

    def __call__(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """Return `(b, 3, h, w)` from sRGB pictures `(b, 3, h, w)` in [0, 1], in the same range.

        The generator is on the pictures' device.
        """
        ...


@dataclass(frozen=True, slots=True)
class Style:
    """One way to render any picture.

    `phrases` are what people say, "in watercolour" behind a subject or, ending in " of", "an oil
    painting of" before it. `keeps_colours` is false where the style has colours of its own, so
    that words for the subject's colours would not be true.
    """

    name: str
    phrases: tuple[str, ...]
    treat: Treatment
    keeps_colours: bool = True


def unit_px(pictures: Tensor) -> float:
    """Pixels per pixel of a 512 x 512 picture of the same area: features scale with it."""
    return math.sqrt(pictures.shape[-1] * pictures.shape[-2]) / 512.0


def shrink(pictures: Tensor, factor: int = 2) -> Tensor:
    """Return pictures `factor` times smaller, each pixel the mean of those it covers."""
    height, width = pictures.shape[-2:]
    size = (max(8, height // factor), max(8, width // factor))
    return F.interpolate(pictures, size=size, mode="area")


def enlarge(pictures: Tensor, like: Tensor) -> Tensor:
    """Return pictures of any size at the height and width of `like`."""
    size = like.shape[-2:]
    return F.interpolate(pictures, size=size, mode="bilinear", align_corners=False)


def grey(pictures: Tensor) -> Tensor:
    """Lightness `(b, 1, h, w)` in [0, 1] of sRGB pictures (weights of ITU-R BT.601)."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=pictures.device)
    return (pictures * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)


def vivid(pictures: Tensor, amount: float) -> Tensor:
    """Pictures with their colourfulness multiplied, in [0, 1]."""
    tone = grey(pictures)
    return (tone + (pictures - tone) * amount).clamp(0.0, 1.0)


def spread(tone: Tensor) -> Tensor:
    """Stretch lightness `(b, 1, h, w)` so that each picture uses all of [0, 1]."""
    small = shrink(tone, max(1, min(tone.shape[-2:]) // 48)).flatten(1)
    low = torch.quantile(small, 0.03, dim=1).view(-1, 1, 1, 1)
    high = torch.quantile(small, 0.97, dim=1).view(-1, 1, 1, 1)
    return ((tone - low) / (high - low).clamp(min=0.15)).clamp(0.0, 1.0)


def lift(pictures: Tensor, middle: float, *, least: float = 0.4, most: float = 1.3) -> Tensor:
    """Bend the tones so that each picture's mean lightness comes near `middle`.

    The exponent stays between `least` (brightens) and `most` (darkens), so that night stays night.
    """
    mean = grey(pictures).mean((1, 2, 3), keepdim=True).clamp(0.03, 0.97)
    exponent = (math.log(middle) / torch.log(mean)).clamp(least, most)
    return pictures.clamp(1e-4, 1.0) ** exponent


def patches(pictures: Tensor, radius: int) -> Tensor:
    """Flat patches with kept edges: each pixel the mean of the calmest of four squares about it.

    A smooth variant of Kuwahara's filter (1976); `radius` in pixels.
    """
    height, width = pictures.shape[-2:]
    tone = grey(pictures)
    both = torch.cat((pictures, tone, tone * tone), dim=1)
    padded = F.pad(both, (radius, radius, radius, radius), mode="replicate")
    means = F.avg_pool2d(padded, radius + 1, stride=1)
    total = torch.zeros_like(pictures)
    norm = torch.zeros_like(tone)
    for top in (0, radius):
        for left in (0, radius):
            mean = means[..., top : top + height, left : left + width]
            unrest = (mean[:, 4:] - mean[:, 3:4] ** 2).clamp(min=0.0)
            weight = 1.0 / (unrest + 2e-4) ** 3
            total = total + mean[:, :3] * weight
            norm = norm + weight
    return total / norm


def edges(pictures: Tensor, width: float = 0.006) -> Tensor:
    """Strength of the edges `(b, 1, h, w)`, in units of lightness per pixel of 512.

    The strongest colour channel counts; `width` is the blur in canvas units before.
    """
    soft = blur(pictures, width)
    soft = F.pad(soft, (1, 1, 1, 1), mode="replicate")
    across = soft[..., 1:-1, 2:] - soft[..., 1:-1, :-2]
    down = soft[..., 2:, 1:-1] - soft[..., :-2, 1:-1]
    slope = torch.sqrt(across * across + down * down).amax(1, keepdim=True)
    return slope * unit_px(pictures) * 0.5


def relieved(tone: Tensor, share: float = 0.5) -> Tensor:
    """Lightness `(b, 1, h, w)` with local contrast: form shows in the darkest and lightest parts.

    `share` in [0, 1] says how much of the tone is relative to its surroundings.
    """
    around = blur(tone, 0.16)
    unrest = torch.sqrt(blur((tone - around) ** 2, 0.16) + 6e-4)
    local = 0.5 + 0.5 * torch.tanh(0.9 * (tone - around) / unrest)
    return tone * (1.0 - share) + local * share
