"""Colour: named hues, graded palettes, ramps, and the way from linear light to a finished picture.

Painters compute in linear light, where lights add up as they do in a camera, and end with
`finish`. A colour has shape `(b, 3)`, a palette `(b, n, 3)`, both linear light.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import Figure, bloom, canvas, lookup

HUES: tuple[tuple[str, str], ...] = (
    ("red", "#e0242f"),
    ("orange", "#f5761a"),
    ("golden", "#f7b52c"),
    ("yellow", "#f7e34a"),
    ("green", "#37b34a"),
    ("teal", "#12a594"),
    ("cyan", "#35cdf0"),
    ("blue", "#2b62e8"),
    ("violet", "#7a3ee0"),
    ("magenta", "#d832b8"),
    ("pink", "#f78fb9"),
    ("white", "#f2f0ea"),
)
"""Colour words and what they look like (sRGB), in the order of the hue attribute."""

HUE_WORDS: tuple[tuple[str, ...], ...] = (
    ("red", "crimson", "scarlet"),
    ("orange", "amber"),
    ("golden", "gold"),
    ("yellow", "lemon"),
    ("green", "emerald"),
    ("teal", "turquoise"),
    ("cyan", "light blue"),
    ("blue", "deep blue"),
    ("violet", "purple"),
    ("magenta", "fuchsia"),
    ("pink", "rose"),
    ("white", "pale"),
)
"""Caption words for `Attribute("hue", HUE_WORDS)` together with `hue`."""


def rgb(code: str) -> Tensor:
    """Return the linear-light colour `(3,)` of an sRGB code like "#f5761a"."""
    digits = code.removeprefix("#")
    return to_linear(torch.tensor([int(digits[i : i + 2], 16) / 255.0 for i in (0, 2, 4)]))


def palette_table(rows: Sequence[Sequence[str]]) -> Tensor:
    """Return `(palettes, n, 3)` linear light from rows of sRGB codes, all of one length."""
    return torch.stack([torch.stack([rgb(code) for code in row]) for row in rows])


def pick(table: Tensor, value: Tensor) -> Tensor:
    """Choose from a table `(k, ...)` by an attribute `(b,)` in [0, 1]: shape `(b, ...)`.

    The attribute's k equal ranges each belong to one row; only near a border do neighbours blend,
    so that the word for a range stays true while the attribute remains continuous.
    """
    table = table.to(value.device)
    count = table.shape[0]
    position = (value * count - 0.5).clamp(0.0, count - 1.0)
    low = torch.floor(position).long().clamp(max=max(count - 2, 0))
    share = ((position - low - 0.36) / 0.28).clamp(0.0, 1.0)
    share = (share * share * (3.0 - 2.0 * share)).view(-1, *([1] * (table.dim() - 1)))
    high = (low + 1).clamp(max=count - 1)
    return from_lab(to_lab(table[low]) * (1.0 - share) + to_lab(table[high]) * share)


def hue(value: Tensor) -> Tensor:
    """Return the colour `(b, 3)` that `HUE_WORDS` names for the attribute `(b,)` in [0, 1]."""
    return pick(torch.stack([rgb(code) for _, code in HUES]), value)


def shade(
    colour: Tensor, *, light: Figure = 1.0, vivid: Figure = 1.0, turn: Figure = 0.0
) -> Tensor:
    """Vary a colour `(b, ..., 3)`: `light` and `vivid` multiply, `turn` is in radians of hue.

    Figures per picture have the shape of the colour without its last axis, so `(b,)` or `(b, n)`.
    Analogous colours are turns of about 0.5, complementary ones of 3.14.
    """
    lab = to_lab(colour)
    angle = torch.as_tensor(turn, device=colour.device)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    a, b = lab[..., 1] * vivid, lab[..., 2] * vivid
    first, second = a * cosine - b * sine, a * sine + b * cosine
    bright = lab[..., 0] * light + 0.0 * first
    return from_lab(torch.stack((bright, first + 0.0 * bright, second + 0.0 * bright), dim=-1))


def ramp(stops: Tensor, field: Tensor, places: Sequence[float] | None = None) -> Tensor:
    """Colour a field in [0, 1] `(b, h, w)` with stops `(b, n, 3)`; shape `(b, 3, h, w)`.

    Blends evenly to the eye (Oklab). `places` says where in [0, 1] the stops lie, rising from 0 to
    1 (default: even). The field is clipped.
    """
    count = stops.shape[1]
    entries = 1024
    spots = torch.linspace(0.0, 1.0, entries, device=stops.device)
    known = torch.tensor(
        places if places is not None else [i / (count - 1) for i in range(count)],
        device=stops.device,
    )
    low = (torch.searchsorted(known, spots, right=True) - 1).clamp(0, count - 2)
    share = ((spots - known[low]) / (known[low + 1] - known[low])).view(1, -1, 1)
    lab = to_lab(stops)
    table = from_lab(lab[:, low] * (1.0 - share) + lab[:, low + 1] * share)  # (b, entries, 3)
    index = (field.clamp(0.0, 1.0) * (entries - 1)).long()
    return lookup(table.transpose(1, 2), index)


def tint(colour: Tensor) -> Tensor:
    """View a colour `(b, 3)` or `(3,)` as a picture `(b, 3, 1, 1)` that broadcasts."""
    return colour.reshape(-1, 3, 1, 1)


def paint_flat(colour: Tensor, field: Tensor) -> Tensor:
    """Multiply a colour `(b, 3)` by a field `(b, h, w)`: light of that colour, `(b, 3, h, w)`."""
    return tint(colour) * field.unsqueeze(1)


def finish(
    linear: Tensor,
    *,
    exposure: Figure = 1.0,
    vignette: float = 0.18,
    shine: float = 0.3,
    saturation: float = 1.06,
) -> Tensor:
    """Develop linear light into sRGB in [0, 1]: bloom, vignette, soft shoulder, gamma.

    `exposure` multiplies the light; `shine` is the bloom's strength, 0 for none.
    """
    height, width = linear.shape[-2:]
    picture = bloom(linear, strength=shine) if shine > 0.0 else linear
    x, y = canvas(height, width, linear.device)
    corner = (x / (width / height)) ** 2 + y * y
    dim = 1.0 / (1.0 + vignette * corner) ** 1.5
    picture = picture * (dim * exposure).unsqueeze(1)
    if saturation != 1.0:
        grey = picture.mean(dim=1, keepdim=True)
        picture = grey + (picture - grey) * saturation
    return to_srgb(shoulder(picture.clamp_(min=0.0)))


def shoulder(light: Tensor) -> Tensor:
    """Compress light in [0, inf) to [0, 1): straight below 0.45, rolling off like film above."""
    knee = 0.45
    room = 1.0 - knee
    above = (light - knee).clamp(min=0.0)
    return torch.minimum(light, torch.full_like(light, knee)) + room * above / (room + above)


def to_srgb(linear: Tensor) -> Tensor:
    """Encode linear light in [0, 1] as sRGB (square roots instead of a power; error < 0.001)."""
    first = torch.sqrt(linear.clamp(1e-8, 1.0))
    second = torch.sqrt(first)
    third = torch.sqrt(second)
    curve = (
        0.662002687 * first + 0.684122060 * second - 0.323583601 * third - 0.0225411470 * linear
    )
    return curve.clamp_(0.0, 1.0)


def to_linear(srgb: Tensor) -> Tensor:
    """Decode sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    return torch.where(
        srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.0) + 0.055) / 1.055) ** 2.4
    )


_LMS = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_lab(linear: Tensor) -> Tensor:
    """Convert linear sRGB `(..., 3)` to Oklab (Ottosson 2020)."""
    lms = linear.clamp(min=0.0) @ _LMS.to(linear.device).T
    return lms.pow(1.0 / 3.0) @ _LAB.to(linear.device).T


def from_lab(lab: Tensor) -> Tensor:
    """Convert Oklab `(..., 3)` to linear sRGB, clipped below at 0."""
    lms = lab @ torch.linalg.inv(_LAB).to(lab.device).T
    linear: Tensor = lms**3 @ torch.linalg.inv(_LMS).to(lab.device).T
    return linear.clamp(min=0.0)
