"""Fields that pictures are painted from: coordinates, noise, profiles, shapes, points of light.

A *field* has shape `(b, h, w)` or broadcasts to it: `(b, 1, 1)` is one figure per picture, `(b, 1,
w)` a profile. A *picture* has shape `(b, 3, h, w)`. The canvas has y from -1 (bottom) to 1 (top)
and x from -aspect to aspect, so that shapes keep their proportions at every size. Everything lives
on the generator's device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Figure = float | Tensor
"""One number, or a field with one number per picture."""

_FINEST_PIXELS = 4.0  # a finer octave would not survive the autoencoder


def canvas(height: int, width: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return the coordinates of the pixel centres: x `(1, 1, w)` right, y `(1, h, 1)` up."""
    aspect = width / height
    x = ((torch.arange(width, device=device) + 0.5) / width * 2.0 - 1.0) * aspect
    y = 1.0 - (torch.arange(height, device=device) + 0.5) / height * 2.0
    return x.view(1, 1, width), y.view(1, height, 1)


def knob(value: Tensor, low: float, high: float) -> Tensor:
    """Stretch an attribute `(b,)` in [0, 1] to [low, high], shape `(b, 1, 1)`."""
    return (low + (high - low) * value).view(-1, 1, 1)


def uniform(generator: torch.Generator, batch: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Draw one figure per picture, shape `(b, 1, 1)`, uniform in [low, high)."""
    return low + (high - low) * draw(generator, batch, 1, 1)


def draw(generator: torch.Generator, *shape: int) -> Tensor:
    """Draw any shape, uniform in [0, 1), on the generator's device."""
    return torch.rand(shape, generator=generator, device=generator.device)


def draw_normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Draw any shape, normal and clipped to two standard deviations."""
    return torch.randn(shape, generator=generator, device=generator.device).clamp_(-2.0, 2.0)


def lookup(table: Tensor, index: Tensor) -> Tensor:
    """Read tables `(b, c, n)` at places `(b or 1, h, w)`, int64: shape `(b, c, h, w)`."""
    batch, channels, _ = table.shape
    height, width = index.shape[-2:]
    flat = index.expand(batch, -1, -1).reshape(batch, 1, -1).expand(-1, channels, -1)
    return table.gather(2, flat).view(batch, channels, height, width)


def smoothstep(low: Figure, high: Figure, value: Tensor) -> Tensor:
    """Rise from 0 at `low` to 1 at `high` with flat ends; `low` > `high` falls instead."""
    t = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Blend two fields (or two pictures): `share` 0 gives the first, 1 the second."""
    return first + (second - first) * share


def over(base: Tensor, layer: Tensor, alpha: Tensor) -> Tensor:
    """Lay a picture or colour `(b, 3, ...)` over a picture with opacity `alpha` in [0, 1]."""
    return base + (layer - base) * alpha.unsqueeze(1)


def soft_abs(value: Tensor, radius: Figure = 0.08) -> Tensor:
    """Absolute value with a rounded foot: crests stay smooth when they are sampled coarsely."""
    return torch.sqrt(value * value + radius * radius) - radius


def glow(distance: Tensor, radius: Figure) -> Tensor:
    """Light around a source: 1 at `distance` 0, a quarter at `radius`, long tail."""
    ratio = distance / radius
    return 1.0 / (1.0 + ratio * ratio) ** 2


def rotate(x: Tensor, y: Tensor, angle: Figure) -> tuple[Tensor, Tensor]:
    """Return the coordinates as seen by an observer turned by `angle` radians."""
    turn = torch.as_tensor(angle, device=x.device)
    cosine, sine = torch.cos(turn), torch.sin(turn)
    return x * cosine + y * sine, y * cosine - x * sine


def polar(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return distance from the origin and angle in (-pi, pi]."""
    return torch.sqrt(x * x + y * y), torch.atan2(y, x)


# --- noise -------------------------------------------------------------------------------------


def noise(generator: torch.Generator, rows: Tensor, columns: Tensor, batch: int) -> Tensor:
    """Smooth random field on a product grid: Catmull-Rom over a lattice of normal values.

    `rows` `(b or 1, h)` and `columns` `(b or 1, w)` are coordinates in lattice cells. Shape `(b,
    h, w)`, mean 0, standard deviation about 0.5, mostly in [-1, 1]. Two small matrix products:
    about 1 ms.
    """
    down, across = _spline_weights(rows), _spline_weights(columns)
    lattice = draw_normal(generator, batch, down.shape[-1], across.shape[-1]) * 0.72
    return down @ lattice @ across.transpose(-1, -2)


def fbm(
    generator: torch.Generator,
    batch: int,
    height: int,
    width: int,
    *,
    cells: Figure = 3.0,
    octaves: int = 5,
    gain: float = 0.5,
    stretch: Figure = 1.0,
) -> Tensor:
    """Fractional Brownian noise `(b, h, w)`: mean 0, standard deviation about 0.5.

    `cells` over the picture's height (may be one per picture), halved and weighted by `gain` per
    octave; features are `stretch` times wider than high. Octaves finer than 4 pixels are left out.
    """
    total = torch.zeros(1, 1, 1, device=generator.device)
    for weight, rows, columns in _octaves(
        generator, batch, (height, width), cells, octaves, gain, stretch
    ):
        total = total + weight * noise(generator, rows, columns, batch)
    return total


def ridged(
    generator: torch.Generator,
    batch: int,
    height: int,
    width: int,
    *,
    cells: Figure = 3.0,
    octaves: int = 5,
    gain: float = 0.5,
    stretch: Figure = 1.0,
) -> Tensor:
    """Ridged noise `(b, h, w)` in about [0, 1]: sharp bright crests, for rock and veins."""
    total = torch.zeros(1, 1, 1, device=generator.device)
    norm = 0.0
    for weight, rows, columns in _octaves(
        generator, batch, (height, width), cells, octaves, gain, stretch
    ):
        crest = 1.0 - noise(generator, rows, columns, batch).abs().clamp(max=1.0)
        total = total + weight * crest * crest
        norm += weight
    return total / norm


def profile(
    generator: torch.Generator,
    batch: int,
    x: Tensor,
    *,
    cells: Figure = 2.0,
    octaves: int = 6,
    gain: float = 0.5,
    sharp: bool = False,
) -> Tensor:
    """Noise along x: `x` `(1 or b, 1, w)` gives `(b, 1, w)`, mean about 0, mostly in [-1, 1].

    `cells` per unit of x. `sharp` makes peaks pointed (mountain ridges) instead of round (hills).
    """
    coordinates = (x * cells).flatten(1)
    rows = torch.zeros(1, 1, device=x.device)
    total = torch.zeros(1, 1, 1, device=x.device)
    power = 0.0
    finest = x.shape[-1] / _FINEST_PIXELS
    for octave in range(octaves):
        scaled = coordinates * 2.0**octave + draw(generator, batch, 1)
        if octave and float(scaled.amax() - scaled.amin()) > finest:
            break
        wave = noise(generator, rows, scaled, batch)
        total = total + gain**octave * (0.7 - 1.8 * wave.abs() if sharp else wave)
        power += gain ** (2 * octave)
    return total / math.sqrt(power)


def texture(
    generator: torch.Generator,
    batch: int,
    size: int = 256,
    *,
    cells: int = 8,
    octaves: int = 4,
    gain: float = 0.5,
) -> Tensor:
    """Noise that tiles, shape `(b, size, size)`, for `sample`: mean 0, deviation about 0.5."""
    steps = (torch.arange(size, device=generator.device) + 0.5) / size
    total = torch.zeros(1, 1, 1, device=generator.device)
    power = 0.0
    for octave in range(octaves):
        count = cells * 2**octave
        lattice = draw_normal(generator, batch, 1, count, count) * 0.72
        lattice = F.pad(lattice, (1, 2, 1, 2), mode="circular").squeeze(1)
        weights = _kernel(
            (steps * count).view(-1, 1) + 1.0 - torch.arange(count + 3, device=steps.device)
        )
        total = total + gain**octave * (weights @ lattice @ weights.T)
        power += gain ** (2 * octave)
    return total / math.sqrt(power)


def sample(tile: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Read a tiling texture `(b, n, n)` anywhere: u, v `(b or 1, h, w)` in periods; bilinear."""
    batch, size, _ = tile.shape
    shape = _common(u, v)
    u, v = u.expand(shape), v.expand(shape)
    padded = F.pad(tile.unsqueeze(1), (1, 1, 1, 1), mode="circular")
    places = torch.stack((u - torch.floor(u), v - torch.floor(v)), dim=-1)
    places = (places * size + 0.5) * (2.0 / (size + 1)) - 1.0
    if places.shape[0] != batch:
        places = places.expand(batch, -1, -1, -1)
    return F.grid_sample(padded, places, mode="bilinear", align_corners=True).squeeze(1)


def warp(picture: Tensor, dx: Tensor, dy: Tensor, *, mode: str = "bilinear") -> Tensor:
    """Read a picture `(b, c, h, w)` at displaced places: dx right, dy up, in canvas units.

    The border pixel is repeated outside. A mirror at the horizon is `dy = 2 * (horizon - y)`.
    """
    batch, _, height, width = picture.shape
    x, y = canvas(height, width, picture.device)
    across = (x + dx) * (height / width)
    down = -(y + dy)
    shape = (batch, height, width)
    places = torch.stack((across.expand(shape), down.expand(shape)), dim=-1)
    return F.grid_sample(picture, places, mode=mode, padding_mode="border", align_corners=False)


def voronoi(
    generator: torch.Generator, batch: int, u: Tensor, v: Tensor, *, jitter: float = 0.9
) -> tuple[Tensor, Tensor, Tensor]:
    """Cells around jittered lattice points; u, v `(b or 1, h, w)` in cells (any values).

    Returns the distance to the nearest point, the distance to the cell's border (0 at the border)
    and a random figure in [0, 1) per cell, each `(b, h, w)`. About 30 ms for 512x512.
    """
    period = 32
    points = draw(generator, batch, 3, period * period)
    points[:, :2] = 0.5 + (points[:, :2] - 0.5) * jitter
    shape = (batch, *_common(u, v)[1:])
    u, v = u.expand(shape), v.expand(shape)
    left, low = torch.floor(u), torch.floor(v)
    near = torch.full_like(u, 9.0)
    second = torch.full_like(u, 9.0)
    label = torch.zeros_like(u)
    for step_y in (-1, 0, 1):
        row = torch.remainder(low + step_y, period) * period
        for step_x in (-1, 0, 1):
            here = lookup(points, (row + torch.remainder(left + step_x, period)).long())
            distance = torch.sqrt(
                (left + step_x + here[:, 0] - u) ** 2 + (low + step_y + here[:, 1] - v) ** 2
            )
            closer = distance < near
            second = torch.where(closer, near, torch.minimum(second, distance))
            label = torch.where(closer, here[:, 2], label)
            near = torch.minimum(near, distance)
    return near, second - near, label


# --- shapes ------------------------------------------------------------------------------------


def sdf_circle(x: Tensor, y: Tensor, radius: Figure) -> Tensor:
    """Signed distance to a circle about the origin, negative inside."""
    return torch.sqrt(x * x + y * y) - radius


def sdf_box(x: Tensor, y: Tensor, half_width: Figure, half_height: Figure) -> Tensor:
    """Signed distance to a box about the origin, negative inside."""
    dx, dy = x.abs() - half_width, y.abs() - half_height
    outside = torch.sqrt(dx.clamp(min=0.0) ** 2 + dy.clamp(min=0.0) ** 2)
    return outside + torch.maximum(dx, dy).clamp(max=0.0)


def sdf_segment(
    x: Tensor, y: Tensor, start: tuple[Figure, Figure], end: tuple[Figure, Figure]
) -> Tensor:
    """Distance to the line from `start` to `end`, each (x, y); subtract a radius to fill."""
    run_x, run_y = end[0] - start[0], end[1] - start[1]
    length = torch.as_tensor(run_x * run_x + run_y * run_y, device=x.device).clamp(min=1e-9)
    px, py = x - start[0], y - start[1]
    along = ((px * run_x + py * run_y) / length).clamp(0.0, 1.0)
    return torch.sqrt((px - along * run_x) ** 2 + (py - along * run_y) ** 2)


def fill(distance: Tensor, softness: Figure = 0.008) -> Tensor:
    """Opacity of a shape from its signed distance: 1 inside, 0 outside, a soft edge between.

    0.008 is two pixels at 512: no stair-steps.
    """
    return (0.5 - distance / softness).clamp(0.0, 1.0)


def smooth_minimum(first: Tensor, second: Tensor, radius: Figure) -> Tensor:
    """Union of two signed distances with a fillet of about `radius`."""
    blend = (0.5 + 0.5 * (second - first) / radius).clamp(0.0, 1.0)
    return second + (first - second) * blend - radius * blend * (1.0 - blend)


# --- light -------------------------------------------------------------------------------------


def splats(
    x: Tensor, y: Tensor, places: Tensor, radius: Tensor, light: Tensor, *, tall: Figure = 1.0
) -> Tensor:
    """Sum of Gaussian points of light as matrix products: hundreds cost a few milliseconds.

    `places` `(b, n, 2)` x and y, `radius` `(b, n)` standard deviations, `light` `(b, n, c)` peak
    values; each is `tall` times higher than wide. Shape `(b, c, h, w)`.
    """
    reach = radius.unsqueeze(-1)
    across = torch.exp(-0.5 * ((x.view(1, 1, -1) - places[..., :1]) / reach) ** 2)
    down = torch.exp(-0.5 * ((y.view(1, 1, -1) - places[..., 1:]) / (reach * tall)) ** 2)
    lit = down.unsqueeze(1) * light.permute(0, 2, 1).unsqueeze(-1)  # (b, c, n, h)
    return lit.transpose(-1, -2) @ across.unsqueeze(1)


def stars(
    generator: torch.Generator,
    batch: int,
    x: Tensor,
    y: Tensor,
    *,
    count: int = 90,
    size: Figure = 1.0,
    tint: float = 0.35,
) -> Tensor:
    """A starry sky in linear light, shape `(b, 3, h, w)`: few bright stars, many faint ones.

    Radii of 2 to 5 pixels at 512 (`size` scales them), so that they survive the autoencoder;
    `tint` in [0, 1] says how blue and orange they are.
    """
    places = draw(generator, batch, count, 2) * 2.0 - 1.0
    places[..., 0] *= float(x.abs().max()) + 0.01
    rank = draw(generator, batch, count)
    scale = size.view(-1, 1) if isinstance(size, Tensor) else size
    radius = (0.0042 + 0.0075 * rank**8) * scale
    warmth = draw_normal(generator, batch, count) * tint
    colour = torch.stack((1.0 + warmth, torch.ones_like(warmth), 1.0 - warmth), dim=-1)
    light = (0.18 + 1.6 * rank**4).unsqueeze(-1) * colour.clamp(min=0.1)
    return splats(x, y, places, radius, light)


def blur(picture: Tensor, radius: float) -> Tensor:
    """Gaussian blur of `(b, c, h, w)` by about `radius` canvas units, computed on a small copy."""
    _, channels, height, width = picture.shape
    sigma = radius * height / 2.0
    shrink = max(1, int(sigma / 1.5))
    if shrink > 1:
        size = (max(2, height // shrink), max(2, width // shrink))
        small = F.interpolate(picture, size=size, mode="area")
    else:
        small = picture
    sigma = max(sigma / shrink, 0.3)
    reach = min(math.ceil(2.5 * sigma), min(small.shape[-2:]) - 1)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=picture.device) / sigma) ** 2)
    taps = (taps / taps.sum()).expand(channels, 1, -1)
    small = F.pad(small, (reach, reach, reach, reach), mode="replicate")
    small = F.conv2d(small, taps.unsqueeze(2), groups=channels)
    small = F.conv2d(small, taps.unsqueeze(3), groups=channels)
    if shrink == 1:
        return small
    return F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)


def bloom(
    picture: Tensor, *, strength: float = 0.35, threshold: float = 0.7, radius: float = 0.06
) -> Tensor:
    """Let the bright parts of a linear-light picture shine over their surroundings."""
    bright = (picture - threshold).clamp(min=0.0, max=4.0)
    small = F.interpolate(
        bright, size=(picture.shape[-2] // 4, picture.shape[-1] // 4), mode="area"
    )
    halo = blur(small, radius) + 0.6 * blur(small, radius * 3.0)
    halo = F.interpolate(halo, size=picture.shape[-2:], mode="bilinear", align_corners=False)
    return picture + strength * halo


def plane(
    x: Tensor, y: Tensor, horizon: Figure, *, nearest: float = 0.02
) -> tuple[Tensor, Tensor]:
    """Coordinates on a flat floor (or, above the horizon, ceiling) seen in perspective.

    Returns sideways position and depth, both growing without limit towards the horizon, clipped
    there by `nearest` (smallest distance from the horizon in canvas units).
    """
    depth = 1.0 / (y - horizon).abs().clamp(min=nearest)
    return x * depth, depth


def stack_colours(colours: Sequence[Tensor]) -> Tensor:
    """Join colours `(b, 3)` to a ramp's stops `(b, n, 3)`."""
    return torch.stack(tuple(colours), dim=1)


# --- private -----------------------------------------------------------------------------------


def _common(first: Tensor, second: Tensor) -> tuple[int, int, int]:
    """The shape that two fields broadcast to."""
    batch, height, width = (max(a, b) for a, b in zip(first.shape, second.shape, strict=True))
    return batch, height, width


def _octaves(
    generator: torch.Generator,
    batch: int,
    size: tuple[int, int],
    cells: Figure,
    octaves: int,
    gain: float,
    stretch: Figure,
) -> list[tuple[float, Tensor, Tensor]]:
    """Return weight, row and column coordinates of each octave that is coarse enough to keep."""
    height, width = size
    device = generator.device
    rows = torch.arange(height, device=device).view(1, -1) / height
    columns = torch.arange(width, device=device).view(1, -1) / height
    tall = torch.as_tensor(cells, device=device).float().view(-1, 1)
    wide = tall / torch.as_tensor(stretch, device=device).float().view(-1, 1)
    tall, wide = tall.expand(batch, 1), wide.expand(batch, 1)
    finest = float(torch.minimum(tall, wide).max())
    power = math.sqrt(sum(gain ** (2 * octave) for octave in range(octaves)))
    found = []
    for octave in range(octaves):
        if octave and finest * 2.0**octave > height / _FINEST_PIXELS:
            break
        offset = draw(generator, batch, 2)
        found.append(
            (
                gain**octave / power,
                rows * tall * 2.0**octave + offset[:, :1],
                columns * wide * 2.0**octave + offset[:, 1:],
            )
        )
    return found


def _spline_weights(coordinates: Tensor) -> Tensor:
    """Catmull-Rom weights `(b, n, count)` of lattice points for coordinates `(b, n)`."""
    shifted = coordinates - torch.floor(coordinates.amin()) + 1.0
    count = int(float(shifted.amax())) + 3
    return _kernel(shifted.unsqueeze(-1) - torch.arange(count, device=coordinates.device))


def _kernel(distance: Tensor) -> Tensor:
    """Catmull and Rom's interpolating cubic (1974)."""
    d = distance.abs()
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return torch.where(d < 1.0, near, torch.where(d < 2.0, far, torch.zeros_like(d)))
