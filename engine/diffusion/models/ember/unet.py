"""Ember's flow network: a small U-Net that predicts the velocity of a rectified flow.

x_t = (1 - t) x_0 + t n, the network predicts v = n - x_0, so that x_0 = x_t - t v in one call and
`t` in (0, 1] is continuous. Source of the formulation: Liu et al. (2022), "Flow Straight and
Fast".

Three levels (latent size, 1/2, 1/4). Residual blocks are modulated (FiLM) by t and the pooled
text; attention over the picture happens at 1/4, attention to the words at 1/4 and 1/2. Latent
sides must be multiples of `LATENT_MULTIPLE`, that is, picture sides multiples of 64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.diffusion.attention_memory import AttentionMemory, AttentionShape, LayerMemory
from engine.diffusion.models.ember.autoencoder import LATENT_CHANNELS

LATENT_MULTIPLE = 4
"""Latent height and width must be multiples of this."""

_GROUPS = 16
_TIME_FREQUENCIES = 64
_PLACE_CHANNELS = 12
_LAYOUT_WIDTH = 256


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """Widths and blocks of the three levels, finest first."""

    widths: tuple[int, int, int] = (96, 192, 288)
    blocks_down: tuple[int, int] = (1, 1)
    blocks_middle: int = 2
    blocks_up: tuple[int, int] = (1, 2)
    conditioning_width: int = 256
    text_width: int = 256
    head_width: int = 32


class _Film(nn.Module):
    """Group norm whose scale and shift come from the conditioning."""

    def __init__(self, width: int, conditioning_width: int) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(conditioning_width, 2 * width)
        _start_at_zero(self.project)

    def forward(self, x: Tensor, conditioning: Tensor) -> Tensor:
        scale, shift = self.project(conditioning).chunk(2, dim=1)
        if x.shape[0] == 1:  # the affine part of the norm kernel does the modulation for free
            return F.group_norm(x, _GROUPS, 1 + scale[0], shift[0])
        h = F.group_norm(x, _GROUPS)
        return torch.addcmul(shift[:, :, None, None], h, 1 + scale[:, :, None, None])


class _ResBlock(nn.Module):
    """Two convolutions around a skip, each after a norm; the second norm is modulated."""

    def __init__(self, width: int, conditioning_width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.film = _Film(width, conditioning_width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        _start_at_zero(self.second)

    def forward(self, x: Tensor, conditioning: Tensor) -> Tensor:
        h = self.first(F.silu(self.norm(x)))
        out: Tensor = x + self.second(F.silu(self.film(h, conditioning)))
        return out


class _Attention(nn.Module):
    """Multi-head attention of picture cells to the words and, with `own`, to each other."""

    def __init__(self, width: int, text_width: int, head_width: int, *, own: bool) -> None:
        super().__init__()
        self.heads = width // head_width
        self.own = nn.Linear(width, 2 * width, bias=False) if own else None
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.words = nn.Linear(text_width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.memory: LayerMemory | None = None
        _start_at_zero(self.out)

    def forward(self, x: Tensor, tokens: Tensor) -> Tensor:
        b, c, height, width = x.shape
        cells = x.permute(0, 2, 3, 1).reshape(b, height * width, c)
        normed = self.norm(cells)
        key_value = self.words(tokens)
        if self.own is not None:  # one attention over words and cells together
            key_value = torch.cat([key_value, self.own(normed)], dim=1)
        q = self._split(self.query(normed))
        k, v = (self._split(part) for part in key_value.chunk(2, dim=2))
        bias = None
        if self.memory is not None:
            k, v, bias = self.memory.beside(k, v)
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        h = h.transpose(1, 2).reshape(b, height * width, c)
        out: Tensor = x + self.out(h).reshape(b, height, width, c).permute(0, 3, 1, 2)
        return out

    def _split(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        return x.reshape(b, n, self.heads, c // self.heads).transpose(1, 2)


class _Level(nn.Module):
    """Residual blocks at one resolution, each followed by attention where the level has it."""

    def __init__(self, config: UNetConfig, level: int, blocks: int) -> None:
        super().__init__()
        width = config.widths[level]
        self.blocks = nn.ModuleList(
            _ResBlock(width, config.conditioning_width) for _ in range(blocks)
        )
        self.attention = nn.ModuleList(
            _Attention(width, config.text_width, config.head_width, own=level == 2)
            for _ in range(blocks if level else 0)
        )

    def forward(self, x: Tensor, conditioning: Tensor, tokens: Tensor) -> Tensor:
        for index, block in enumerate(self.blocks):
            x = block(x, conditioning)
            if len(self.attention):
                x = self.attention[index](x, tokens)
        return x


class FlowUNet(nn.Module):
    """Velocity v = n - x_0 of a rectified flow in latent space, for any t in (0, 1]."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        w0, w1, w2 = config.widths
        cond = config.conditioning_width
        self.time_in = nn.Linear(2 * _TIME_FREQUENCIES, cond)
        self.text_in = nn.Linear(config.text_width, cond)
        self.mix = nn.Linear(cond, cond)
        self.latent_in = nn.Conv2d(LATENT_CHANNELS, w0, 3, padding=1)
        self.place_fine = nn.Conv2d(_PLACE_CHANNELS, w0, 1)
        self.place_coarse = nn.Conv2d(_PLACE_CHANNELS, w2, 1)
        self.down = nn.ModuleList(_Level(config, i, n) for i, n in enumerate(config.blocks_down))
        self.shrink = nn.ModuleList(
            [nn.Conv2d(w0, w1, 3, stride=2, padding=1), nn.Conv2d(w1, w2, 3, stride=2, padding=1)]
        )
        self.middle = _Level(config, 2, config.blocks_middle)
        self.grow = nn.ModuleList([nn.Conv2d(w1, 4 * w0, 1), nn.Conv2d(w2, 4 * w1, 1)])
        self.fuse = nn.ModuleList([nn.Conv2d(2 * w0, w0, 1), nn.Conv2d(2 * w1, w1, 1)])
        self.up = nn.ModuleList(_Level(config, i, n) for i, n in enumerate(config.blocks_up))
        self.film_out = _Film(w0, cond)
        self.out = nn.Conv2d(w0, LATENT_CHANNELS, 3, padding=1)
        _start_at_zero(self.out)
        # What the words alone say about each place, and a short way out for the coarse picture:
        # both only make learning faster, the long way through the levels could do the same.
        self.layout_text = nn.Linear(config.text_width, _LAYOUT_WIDTH)
        self.layout_place = nn.Conv2d(_PLACE_CHANNELS, _LAYOUT_WIDTH, 1)
        self.layout_out = nn.Conv2d(_LAYOUT_WIDTH, w2, 1)
        _start_at_zero(self.layout_out)
        self.coarse = nn.Conv2d(w2, LATENT_CHANNELS, 1)
        _start_at_zero(self.coarse)

    def forward(self, x_t: Tensor, t: Tensor, tokens: Tensor, pooled: Tensor) -> Tensor:
        """Return v, the shape of `x_t`: `(b, 16, h, w)`, h and w multiples of `LATENT_MULTIPLE`.

        `t` has shape `(b,)` in (0, 1]; `tokens` `(b, slots, text_width)` and `pooled`
        `(b, text_width)` are what `TextEncoder` returns.
        """
        wide, power = _powers(x_t, t)
        levels = self.features(x_t, t, tokens, pooled)
        middle = levels[len(self.down)]
        coarse = F.interpolate(self.coarse(middle), scale_factor=LATENT_MULTIPLE, mode="bilinear")
        conditioning = self._conditioning(t, pooled.to(x_t.dtype))
        h = self.out(F.silu(self.film_out(levels[-1], conditioning)))
        # What is linear in x_t needs no network: the best guess of v from x_t alone, cell by cell
        # (the preconditioning of Karras et al. 2022, written for the velocity).
        velocity: Tensor = h + coarse + (2 * wide - 1) / power * x_t
        return velocity

    def features(self, x_t: Tensor, t: Tensor, tokens: Tensor, pooled: Tensor) -> list[Tensor]:
        """Return what the levels see on the way down, in the middle and on the way up.

        Arguments as for `forward`. Five maps at 1, 1/2, 1/4, 1/2 and 1 of the latent size.
        """
        conditioning = self._conditioning(t, pooled.to(x_t.dtype))
        tokens = tokens.to(x_t.dtype)
        _, power = _powers(x_t, t)
        h = self.latent_in(x_t * power.rsqrt()) + self.place_fine(_places(x_t))
        skips: list[Tensor] = []
        for level, shrink in zip(self.down, self.shrink, strict=True):
            h = level(h, conditioning, tokens)
            skips.append(h)
            h = shrink(h)
        h = h + self._layout(h, pooled)
        h = self.middle(h, conditioning, tokens)
        levels = [*skips, h]
        for index in (1, 0):
            h = F.pixel_shuffle(self.grow[index](h), 2)
            h = self.fuse[index](torch.cat([h, skips[index]], dim=1))
            h = self.up[index](h, conditioning, tokens)
            levels.append(h)
        return levels

    def attention_shapes(self, height: int, width: int) -> list[AttentionShape]:
        """The layers that look at the picture itself, for latents of a size in cells."""
        cells = (height // LATENT_MULTIPLE) * (width // LATENT_MULTIPLE)
        head = self.config.head_width
        return [AttentionShape(a.heads, cells, head) for a in self._looking_at_itself()]

    @contextmanager
    def remembering(self, memory: AttentionMemory) -> Iterator[None]:
        """Have it see, inside, what `memory` has beside the picture; afterwards it is plain."""
        layers = self._looking_at_itself()
        for attention, layer in zip(layers, memory.layers, strict=True):
            attention.memory = layer
        try:
            yield
        finally:
            for attention in layers:
                attention.memory = None

    def _looking_at_itself(self) -> list[_Attention]:
        return [a for a in self.modules() if isinstance(a, _Attention) and a.own is not None]

    def _layout(self, h: Tensor, pooled: Tensor) -> Tensor:
        """What place and words say about each cell of the coarsest level, before the noise."""
        places = _places(h)
        words = self.layout_text(pooled.to(h.dtype))[:, :, None, None]
        layout: Tensor = self.layout_out(F.silu(self.layout_place(places) + words))
        coarse: Tensor = self.place_coarse(places)
        return layout + coarse

    def _conditioning(self, t: Tensor, pooled: Tensor) -> Tensor:
        """Features of t (sines of 64 log-spaced frequencies) and of the text, `(b, width)`."""
        rate = torch.exp(torch.linspace(0, math.log(1000.0), _TIME_FREQUENCIES, device=t.device))
        angle = t.float()[:, None] * rate
        waves = torch.cat([angle.sin(), angle.cos()], dim=1).to(pooled.dtype)
        h = F.silu(self.time_in(waves) + self.text_in(pooled))
        return F.silu(self.mix(h))


def _powers(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Time as `(b, 1, 1, 1)`, and the power of x_t, as x_0 and n have unit variance."""
    wide = t.to(x_t.dtype)[:, None, None, None]
    return wide, wide.square() + (1 - wide).square()


def _places(x: Tensor) -> Tensor:
    """Where each cell lies: waves of its relative x and y, shape `(1, 12, h, w)`."""
    axes = [torch.linspace(-1, 1, side, device=x.device) for side in x.shape[2:]]
    y, x_place = torch.meshgrid(*axes, indexing="ij")
    angles = [math.pi / 2 * rate * axis for rate in (1, 2, 4) for axis in (y, x_place)]
    waves = torch.stack([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)])
    return waves[None].to(x.dtype).contiguous(memory_format=torch.channels_last)


def _start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """A branch that ends in this layer adds nothing at first."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
