"""Things that flow: ink in water, silk smoke, marble, oil film and liquid metal."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.fields import (
    blur,
    canvas,
    fbm,
    knob,
    mix,
    over,
    rotate,
    sample,
    sdf_segment,
    smooth_minimum,
    smoothstep,
    stack_colours,
    texture,
    uniform,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    ramp,
    rgb,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values


def paint_ink(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint ink let into water: a billowing cloud that sinks from above, lit from the side."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    tile = texture(generator, batch, cells=4, octaves=2, gain=0.4)
    rough = texture(generator, batch, cells=6, octaves=2, gain=0.5)
    stir = knob(values["swirl"], 0.2, 0.75)
    px, py = x, y
    for step in range(2):
        strength, rate = stir * (0.42, 0.16)[step], (0.16, 0.36)[step]
        du = sample(tile, px * rate + 0.13 * step, py * rate)
        dv = sample(tile, px * rate + 0.5, py * rate + 0.41 + 0.2 * step)
        px = px + strength * (du - du.mean(dim=(1, 2), keepdim=True))
        py = py + strength * (dv - dv.mean(dim=(1, 2), keepdim=True))
    reach = knob(values["density"], 0.6, 1.15)
    cx = uniform(generator, batch, -0.3, 0.3)
    distance = sdf_segment(px, py, (cx, 1.3), (cx, 0.5)) - 0.16 * reach
    for _ in range(4):
        hx = cx + reach * uniform(generator, batch, -0.7, 0.7)
        hy = uniform(generator, batch, -0.55, 0.35)
        stem = sdf_segment(px, py, (cx, 0.75), (hx, hy)) - 0.09 * reach
        head = torch.sqrt((px - hx) ** 2 + (py - hy) ** 2)
        head = head - reach * uniform(generator, batch, 0.2, 0.42)
        distance = smooth_minimum(distance, torch.minimum(stem, head), 0.18)
    shape = -distance / (0.3 + 0.3 * reach)
    # the absolute value of noise has round lobes and sharp creases, as billows have
    billow = (
        sample(rough, px * 0.2, py * 0.2).abs() + 0.5 * sample(rough, px * 0.45, py * 0.45).abs()
    )
    billow = billow + 0.3 * sample(rough, px * 0.9 + 0.3, py * 0.9).abs()
    fold = 1.0 - sample(tile, px * 0.5 + 0.4, py * 0.5).abs() * 1.7
    depth = shape + 0.85 * billow - 0.22
    body = smoothstep(-0.25, 0.5, depth)
    relief = _relief(depth, 0.035)
    dark = smoothstep(0.45, 0.55, values["background"].view(-1, 1, 1))
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.5, 1.5).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    water = shade(colour, light=1.0, vivid=0.12, turn=math.pi)
    pale = 0.25 * water + 0.75 * rgb("#eef2f4").to(x.device)
    deep = shade(colour, light=0.16, vivid=0.6, turn=0.5 * turn)
    slope = 0.78 + 0.3 * y + 0.0 * x
    back = paint_flat(pale, slope * (1.0 - dark)) + paint_flat(deep, (0.25 + 0.6 * slope) * dark)
    stops = stack_colours(
        (
            shade(colour, light=1.15, turn=0.4 * turn),
            colour,
            shade(colour, light=0.7, turn=-0.2 * turn),
            shade(colour, light=0.42, turn=turn),
        )
    )
    ink = ramp(stops, 0.12 + 0.62 * body + 0.12 * fold - 0.34 * relief)
    ink = ink * (0.85 + 0.8 * relief).clamp(min=0.16).unsqueeze(1)
    inner = paint_flat(
        shade(colour, light=1.3, vivid=0.7, turn=-0.5 * turn),
        0.3 * dark * (fold.clamp(min=0.0) ** 3) * body,
    )
    light = over(back, ink + inner, smoothstep(0.0, 0.7, body) * 0.97)
    return finish(light, shine=0.22, vignette=0.2)


def _relief(depth: Tensor, reach: float) -> Tensor:
    """Light on a cloud's folds from its slope towards the upper left, about [-1, 1]."""
    step = max(1, round(reach * depth.shape[-2] / 4.0))
    lit = depth - torch.roll(depth, (step, step), dims=(-2, -1))
    lit[:, :step] = lit[:, step : 2 * step]
    lit[..., :step] = lit[..., step : 2 * step]
    return (lit * 3.2).clamp(-1.0, 1.0)


def paint_smoke(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint silk smoke: many thin sheets of light that wander together and cross."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    lean = knob(values["direction"], 0.0, 0.5 * math.pi)
    u, v = rotate(x, y, lean + uniform(generator, batch, -0.25, 0.25))
    tile = texture(generator, batch, cells=3, octaves=2, gain=0.4)
    v_bent = v + 0.25 * sample(tile, u * 0.2, v * 0.2 + 0.4)
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, 0.7, 1.9).view(-1)
    turn = turn * torch.sign(uniform(generator, batch, -1.0, 1.0)).view(-1)
    second = shade(colour, light=1.05, turn=turn)
    back = fbm(generator, batch, height, width, cells=1.5, octaves=3)
    light = paint_flat(
        shade(colour, light=0.35, turn=0.6 * turn), 0.1 + 0.14 * smoothstep(-0.6, 1.0, back)
    )
    amount = knob(values["swirl"], 0.25, 0.7)
    spread = knob(values["density"], 0.12, 0.34)
    shine = knob(values["glow"], 0.5, 1.25)
    for ribbon in range(3):
        start = uniform(generator, batch, -0.3, 0.3)
        near = sample(tile, v_bent * 0.09 + 0.31 * ribbon, 0.1 + 0.02 * u)
        wander = (
            start + amount * near + 0.35 * amount * torch.sin(2.1 * v + 2.0 * ribbon + start * 9.0)
        )
        width_here = spread * (
            0.25
            + 1.1 * sample(tile, v_bent * 0.11 + 0.2 + 0.3 * ribbon, 0.6 + 0.01 * u).abs() * 2.0
        )
        s = (u - wander) / width_here
        # a sheet folded like cloth: bright where it turns away from us
        fold = sample(tile, v_bent * 0.12 + 0.7 * ribbon, s * 0.06 + 0.33 * ribbon)
        phase = 2.6 * s + 3.2 * fold + 1.4 * torch.sin(1.3 * v + ribbon)
        cloth = 0.16 / (0.13 + (torch.sin(phase)).abs()) + 0.25 * torch.cos(0.5 * phase) ** 2
        veil = torch.exp(-0.6 * s * s) * smoothstep(2.6, 1.2, s.abs())
        tone = ramp(
            stack_colours((second, colour, shade(colour, light=1.3, vivid=0.6))),
            0.5 + 0.28 * s + 0.3 * fold,
        )
        light = light + tone * (veil * cloth * shine * (0.95, 0.65, 0.45)[ribbon]).unsqueeze(1)
    return finish(light, shine=0.45, vignette=0.3)


def paint_marble(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint polished marble: clouded stone cut by folded veins, some of them metal."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    tile = texture(generator, batch, cells=4, octaves=5, gain=0.5)
    other = texture(generator, batch, cells=4, octaves=4, gain=0.5)
    scale = knob(values["scale"], 0.36, 0.22)
    u, v = rotate(x * scale, y * scale, uniform(generator, batch, 0.0, 6.2))
    stretch = knob(values["flow"], 1.0, 0.42)
    v = v * stretch
    amount = 0.075
    bend = sample(tile, u, v)
    lean = sample(tile, u + 0.43, v + 0.21)
    u, v = u + amount * bend, v + amount * lean
    cloud = sample(other, u + 0.3, v)
    bands = sample(tile, u * 1.15 + 0.1, v * 1.15 + 0.6)
    thin = sample(other, u * 1.9 + 0.7, v * 1.9 + 0.2)
    far, near = _line_distance(bands), _line_distance(thin)
    thick = 0.01 + 0.1 * smoothstep(-0.5, 1.0, cloud) ** 2
    vein = smoothstep(thick, 0.45 * thick, far)
    edge = smoothstep(0.22, 0.0, far)
    hair = smoothstep(0.012, 0.004, near) * smoothstep(0.1, 0.6, bend + 0.5 * cloud)
    dark = smoothstep(0.4, 0.6, values["stone"].view(-1, 1, 1))
    colour = main_colour(values["hue"])
    turn = uniform(generator, batch, -0.7, 0.7).view(-1)
    deep = stack_colours(
        (
            shade(colour, light=0.2),
            shade(colour, light=0.42, vivid=0.95),
            shade(colour, light=0.75, turn=turn),
            shade(colour, light=1.15, vivid=0.6, turn=turn),
        )
    )
    ivory = rgb("#f1ede6").to(x.device)
    pale = stack_colours(
        (
            0.75 * shade(colour, light=0.85, vivid=0.8) + 0.05,
            0.6 * shade(colour, light=1.15, vivid=0.8) + 0.3 * ivory,
            0.3 * colour + 0.65 * ivory,
            ivory.expand(batch, 3),
        )
    )
    agate = torch.cos(8.0 * bands + 4.0 * cloud)
    tone = 0.5 + 0.4 * cloud + 0.2 * bend + 0.13 * agate
    stone = mix(ramp(pale, tone + 0.12), ramp(deep, tone + 0.02), dark.unsqueeze(1))
    stone = stone * (1.0 - 0.5 * edge * (1.0 - 0.4 * dark)).unsqueeze(1)
    metal = knob(values["gold"], 0.0, 1.0)
    share = smoothstep(0.35, 0.55, metal)
    sheen = 0.5 + 0.5 * torch.sin(9.0 * bend + 3.0 * thin + 2.0 * x + 2.5 * y)
    gold = ramp(
        torch.stack([rgb(c) for c in ("#5e3607", "#c98a1f", "#ffdc7d", "#fff6d5")])
        .to(x.device)
        .expand(batch, -1, -1),
        0.25 + 0.6 * sheen,
    )
    plain = mix(
        tint(shade(colour, light=0.28, vivid=0.7)),
        tint(shade(colour, light=1.4, vivid=0.25)),
        dark.unsqueeze(1),
    )
    line = mix(plain.expand_as(gold), gold * 1.15, share.unsqueeze(1))
    light = over(stone, line, (vein + 0.75 * hair).clamp(max=1.0))
    polish = 0.82 + 0.28 * smoothstep(-1.2, 1.2, y + 0.5 * x + 0.25 * cloud)
    return finish(light * polish.unsqueeze(1), shine=0.25, vignette=0.12)


def _line_distance(field: Tensor) -> Tensor:
    """Distance in canvas units to the curve where a smooth field is 0, near that curve."""
    gx, gy = _slope(field, field.shape[-2])
    return field.abs() / torch.sqrt(gx * gx + gy * gy + 0.35)


def paint_liquid(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint liquid metal or an oil film: folds that mirror a bright sky, with rainbow films."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    tile = texture(generator, batch, cells=4, octaves=2, gain=0.32)
    scale = knob(values["scale"], 0.55, 0.28)
    u, v = rotate(x * scale, y * scale, uniform(generator, batch, 0.0, 6.2))
    v = v * knob(values["flow"], 1.0, 0.4)
    stir = 0.07
    bend, lean = sample(tile, u, v), sample(tile, u + 0.37, v + 0.61)
    u2, v2 = u + stir * bend, v + stir * lean
    deep, turned = sample(tile, u2 + 0.2, v2 + 0.8), sample(tile, u2 + 0.71, v2 + 0.13)
    high = sample(tile, u2 + 0.06 * deep, v2 + 0.06 * turned)
    high = blur(high.unsqueeze(1), 0.012).squeeze(1)
    gx, gy = _slope(high, height)
    steep = 0.16 / scale
    nx, ny = -gx * steep, gy * steep
    nz = torch.rsqrt(1.0 + nx * nx + ny * ny)
    nx, ny = nx * nz, ny * nz
    mirror_y = 2.0 * nz * ny
    mirror_x = 2.0 * nz * nx
    colour = main_colour(values["hue"])
    sky = stack_colours(
        (
            shade(colour, light=0.12, vivid=0.7),
            shade(colour, light=0.34),
            shade(colour, light=0.1, vivid=0.8),
            shade(colour, light=0.85),
            shade(colour, light=1.25, vivid=0.7),
            shade(colour, light=1.5, vivid=0.3),
            shade(colour, light=0.8),
        )
    )
    mirror = ramp(sky, 0.5 + 0.46 * mirror_y + 0.12 * mirror_x + 0.06 * deep)
    # thin film: the colour turns with the thickness and the angle of view
    film = 5.0 * (0.6 * high + 0.5 * deep + 0.7 * (1.0 - nz)) + uniform(generator, batch, 0.0, 6.2)
    bow = iridescence(film)
    amount = knob(values["rainbow"], 0.0, 1.0)
    amount = smoothstep(0.15, 0.9, amount)
    bright = mirror.mean(dim=1, keepdim=True)
    cast = (
        bow
        * (0.22 + 1.35 * bright)
        * (0.55 + 0.45 * tint(colour / colour.amax(dim=1, keepdim=True)))
    )
    light = mix(mirror * 1.25, cast, 0.85 * amount.unsqueeze(1))
    lamp = (nx * -0.45 + ny * 0.55 + nz * 0.7).clamp(min=0.0)
    spark = smoothstep(0.965, 0.997, lamp)
    light = light + paint_flat(
        shade(colour, light=1.5, vivid=0.25), knob(values["glow"], 0.3, 1.5) * spark
    )
    return finish(light, shine=0.4, vignette=0.2)


def _slope(high: Tensor, height: int) -> tuple[Tensor, Tensor]:
    """Central differences of a height field `(b, h, w)` per canvas unit."""
    gx, gy = torch.zeros_like(high), torch.zeros_like(high)
    gx[..., 1:-1] = high[..., 2:] - high[..., :-2]
    gy[..., 1:-1, :] = high[..., 2:, :] - high[..., :-2, :]
    gx[..., 0], gx[..., -1] = gx[..., 1], gx[..., -2]
    gy[..., 0, :], gy[..., -1, :] = gy[..., 1, :], gy[..., -2, :]
    return gx * (0.25 * height), gy * (0.25 * height)


def iridescence(phase: Tensor) -> Tensor:
    """Colours of a thin film along its thickness, `(b, 3, h, w)`, after a cosine palette."""
    shifts = torch.tensor([0.0, 2.1, 4.2], device=phase.device).view(1, 3, 1, 1)
    wave = 0.5 + 0.5 * torch.cos(phase.unsqueeze(1) + shifts)
    return wave * wave * 0.95 + 0.04


SCENES_FLUIDS: tuple[Scene, ...] = (
    Scene(
        "ink in water",
        ("ink in water", "a cloud of ink", "coloured ink billowing in water", "a plume of dye"),
        (
            Attribute("hue", HUE_WORDS, natural=("blue", "violet")),
            Attribute(
                "background", (("on white", "in clear water"), ("on black", "in dark water"))
            ),
            Attribute("density", (("thin", "in thin wisps"), (), ("dense", "in a great cloud"))),
            Attribute("swirl", (("soft", "calm"), (), ("swirling", "turbulent"))),
        ),
        paint_ink,
    ),
    Scene(
        "smoke",
        ("curling smoke", "ribbons of silk smoke", "wisps of incense smoke", "flowing silk"),
        (
            Attribute("hue", HUE_WORDS, natural=("cyan", "blue")),
            Attribute(
                "direction", (("rising", "upright"), ("drifting sideways", "flowing across"))
            ),
            Attribute("density", (("thin", "delicate"), (), ("thick", "broad"))),
            Attribute("swirl", (("calm", "straight"), (), ("curling", "swirling"))),
            Attribute("glow", (("dim",), (), ("glowing", "luminous"))),
        ),
        paint_smoke,
    ),
    Scene(
        "marble",
        ("marble", "polished marble stone", "veined marble", "a slab of marble"),
        (
            Attribute("hue", HUE_WORDS, natural=("white",)),
            Attribute("stone", (("pale", "light"), ("dark", "deep"))),
            Attribute("gold", (("with plain veins",), ("with gold veins", "veined with gold"))),
            Attribute("scale", (("finely veined",), (), ("with broad veins", "close up"))),
            Attribute("flow", (("clouded",), (), ("streaked", "flowing"))),
        ),
        paint_marble,
    ),
    Scene(
        "liquid metal",
        ("liquid metal", "molten chrome", "an oil film on water", "iridescent liquid"),
        (
            Attribute("hue", HUE_WORDS, natural=("white",)),
            Attribute("rainbow", (("polished", "like chrome"), (), ("rainbow", "iridescent"))),
            Attribute("scale", (("rippled",), (), ("in broad folds", "smooth"))),
            Attribute("flow", (("pooling",), (), ("flowing", "streaming"))),
            Attribute("glow", ((), (), ("glinting", "shining"))),
        ),
        paint_liquid,
    ),
)
