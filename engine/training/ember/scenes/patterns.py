"""Patterns of light: kaleidoscope, mandala, peacock feathers, fractal, and those of cells."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.training.ember.scenes.cellular import SCENES_CELLULAR, VARIETY
from engine.training.ember.scenes.fields import (
    canvas,
    fill,
    glow,
    knob,
    over,
    polar,
    rotate,
    sample,
    smoothstep,
    stack_colours,
    texture,
    uniform,
    voronoi,
)
from engine.training.ember.scenes.main_colour import main_colour
from engine.training.ember.scenes.palettes import (
    HUE_WORDS,
    finish,
    paint_flat,
    ramp,
    shade,
    tint,
)
from engine.training.ember.scenes.scene import Attribute, Scene, Values


def paint_kaleidoscope(
    values: Values, generator: torch.Generator, height: int, width: int
) -> Tensor:
    """Paint a kaleidoscope: faceted jewels mirrored round the centre, lit from behind."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    radius, angle = polar(x, y)
    fold = torch.round(knob(values["symmetry"], 2.6, 8.4))
    sector = math.pi / fold
    local = (
        torch.remainder(angle + uniform(generator, batch, 0.0, 6.2), 2.0 * sector) - sector
    ).abs()
    scale = knob(values["scale"], 3.6, 1.7)
    u, v = radius * torch.cos(local) * scale, radius * torch.sin(local) * scale
    u, v = rotate(u, v, uniform(generator, batch, 0.0, 6.2))
    near, border, label = voronoi(generator, batch, u + 7.3, v + 9.1, jitter=0.95)
    bend = texture(generator, batch, cells=3, octaves=2)
    tone = sample(bend, u * 0.07, v * 0.07)
    # every facet leans its own way, as a cut stone does
    lean = label * 41.0
    slope = torch.cos(lean) * (u - torch.floor(u) - 0.5) + torch.sin(lean) * (
        v - torch.floor(v) - 0.5
    )
    colour = main_colour(values["hue"])
    turn = knob(values["variety"], 0.25, 1.7).view(-1)
    stops = stack_colours(
        (
            shade(colour, light=0.3, turn=-turn),
            shade(colour, light=0.8, turn=-0.6 * turn),
            colour,
            shade(colour, light=1.15, vivid=0.9, turn=0.5 * turn),
            shade(colour, light=1.0, turn=turn),
            shade(colour, light=1.4, vivid=0.35, turn=0.3 * turn),
        )
    )
    place = 0.5 + 0.62 * (label - 0.5) + 0.3 * tone
    stone = ramp(stops, place)
    cut = smoothstep(0.62, 0.05, near)
    shine = 0.4 + 0.55 * cut + 0.35 * label
    light = stone * (shine * (1.0 + 0.0 * slope)).unsqueeze(1)
    bevel = smoothstep(0.0, 0.16, border)
    inner = smoothstep(0.22, 0.16, border) * bevel
    light = light * (0.25 + 0.75 * bevel).unsqueeze(1) * (1.0 + 0.5 * inner).unsqueeze(1)
    spark = shade(colour, light=1.5, vivid=0.3, turn=0.3 * turn)
    light = light + paint_flat(spark, 0.7 * smoothstep(0.2, 0.02, near) * (label > 0.35))
    edge = smoothstep(0.05, 0.0, border)
    gold = shade(colour, light=1.35, vivid=0.5, turn=0.7 * turn)
    light = light + paint_flat(gold, knob(values["glow"], 0.05, 0.8) * edge)
    light = light + paint_flat(spark, knob(values["glow"], 0.15, 0.7) * glow(radius, 0.35))
    return finish(light, shine=0.3, vignette=0.3)


def paint_mandala(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a mandala: rings of petals, each outlined in light, opening from a jewelled heart."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    radius, angle = polar(x, y)
    colour = main_colour(values["hue"])
    turn = knob(values["variety"], 0.2, 1.5).view(-1)
    count = torch.round(knob(values["symmetry"], 5.6, 14.4))
    glowing = knob(values["glow"], 0.25, 1.1)
    size = knob(values["size"], 0.8, 1.08)
    haze = glow(radius, 0.9)
    light = paint_flat(shade(colour, light=0.42, turn=0.8 * turn), 0.25 + 0.9 * haze)
    light = light.expand(batch, 3, height, width)
    line = shade(colour, light=1.35, vivid=0.55, turn=0.5)
    layers = 7
    for layer in range(layers):
        reach = size * (1.0 - layer / layers) ** 0.92
        depth = size * (0.3 + 0.12 * (layer % 2)) * (0.6 + 0.4 * (1.0 - layer / layers))
        share = torch.round(uniform(generator, batch, 0.0, 0.75)) + 1.0
        petals = count * share if layer < 4 else count
        sector = 2.0 * math.pi / petals
        local = torch.remainder(angle + 0.5 * sector * (layer % 2), sector) - 0.5 * sector
        across = (local / (0.5 * sector)).abs()
        along = (reach - radius) / depth
        point = uniform(generator, batch, 0.55, 1.5)
        bulge = uniform(generator, batch, 0.75, 0.98)
        lip = across / bulge - (along.clamp(0.0, 1.0) ** (0.5 * point) * 1.12)
        distance = torch.maximum(lip * 0.5 * sector * radius.clamp(min=0.06), radius - reach)
        petal = fill(distance, 0.012)
        here = shade(
            colour, light=1.0 - 0.35 * (layer % 3 == 1), turn=turn * (1.3 * math.sin(2.1 * layer))
        )
        dark = shade(here, light=0.35, vivid=1.0, turn=-0.3)
        pale = shade(here, light=1.35, vivid=0.55, turn=0.2)
        skin = ramp(
            stack_colours((dark, here, pale)),
            0.12 + 0.8 * along.clamp(0.0, 1.0) * (1.0 - 0.4 * across),
        )
        vein = smoothstep(0.16, 0.02, across) * smoothstep(0.02, 0.4, along)
        skin = skin * (0.55 + 0.45 * smoothstep(0.0, 0.7, -lip)).unsqueeze(1)
        skin = skin + paint_flat(line, 0.22 * vein)
        pearl = fill(
            torch.sqrt((local * reach) ** 2 + (radius - reach + 0.42 * depth) ** 2)
            - 0.12 * sector * reach,
            0.012,
        )
        skin = over(skin, tint(shade(line, light=1.05)), 0.9 * pearl)
        shadow = smoothstep(0.06, 0.0, distance) * 0.55
        light = light * (1.0 - shadow).unsqueeze(1)
        light = over(light, skin, petal)
        rim = smoothstep(0.014, 0.004, distance.abs())
        light = light + paint_flat(line, glowing * rim)
    heart = fill(radius - 0.075 * size, 0.012)
    light = over(light, tint(shade(line, light=1.1)), heart)
    light = light + paint_flat(
        line, glowing * (0.5 * glow(radius, 0.16) + 0.06 * glow(radius, 0.8))
    )
    return finish(light, shine=0.3, vignette=0.25)


def paint_peacock(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a fan of peacock feathers: rows of eyes on shimmering barbs, spread from below."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    cx = uniform(generator, batch, -0.35, 0.35)
    cy = knob(values["centre"], -1.9, -0.7)
    radius, angle = polar(y - cy, x - cx)
    colour = main_colour(values["hue"])
    per_turn = torch.round(knob(values["density"], 13.0, 26.0))
    pitch = 2.0 * math.pi / per_turn
    rows = per_turn / (2.0 * math.pi) * 0.8
    tile = texture(generator, batch, cells=8, octaves=3)
    sway = 0.1 * sample(tile, angle * 0.05, radius * 0.08)
    spine = (torch.remainder(angle, 0.5 * pitch) / pitch * 4.0 - 1.0).abs()
    barb = torch.sin(34.0 * (torch.log(radius + 0.3) * rows - 0.45 * spine + sway))
    gloss = sample(tile, angle * per_turn / 40.0, radius * 0.35)
    green = shade(colour, light=0.6, turn=0.25)
    base = ramp(
        stack_colours(
            (shade(colour, light=0.16, turn=-0.4), green, shade(colour, light=1.0, turn=0.5))
        ),
        0.26 + 0.2 * barb + 0.25 * gloss,
    )
    light = base * (0.3 + 0.17 * barb + 0.2 * gloss).clamp(min=0.03).unsqueeze(1)
    for layer in range(2):
        light = _feather_eyes(
            values, light, radius, angle + 0.5 * pitch * layer, pitch, rows, 0.5 * layer
        )
    shine = knob(values["glow"], 0.1, 0.9)
    lamp = glow(torch.sqrt((x - cx) ** 2 + (y + 0.1) ** 2), 1.0)
    light = light * (0.75 + 0.7 * shine * lamp).unsqueeze(1)
    return finish(light, shine=0.4, vignette=0.3)


def _feather_eyes(
    values: Values,
    light: Tensor,
    radius: Tensor,
    angle: Tensor,
    pitch: Tensor,
    rows: Tensor,
    shift: float,
) -> Tensor:
    """Lay one staggered set of eyes over the fan: rings of bronze and green round a dark heart."""
    colour = main_colour(values["hue"])
    accent = knob(values["accent"], 0.7, 2.4).view(-1)
    across = (torch.remainder(angle, pitch) - 0.5 * pitch) / pitch * 2.0
    walk = torch.log(radius + 0.3) * rows + shift
    along = (torch.remainder(walk, 1.0) - 0.5) * 2.0
    barb = torch.sin(36.0 * (walk - 0.5 * across.abs()))
    # egg-shaped: broader towards the outside
    egg = torch.sqrt((across * (1.15 - 0.22 * along)) ** 2 + (along * 0.92) ** 2)
    pupil = torch.sqrt((across * 1.05) ** 2 + ((along + 0.1) * 1.0) ** 2)
    notch = smoothstep(0.0, 0.5, along) * glow(across, 0.12)
    fringe = smoothstep(1.04, 0.78, egg + 0.13 * barb)
    plume = shade(colour, light=0.85, turn=0.35)
    light = over(light, tint(plume) * (0.5 + 0.34 * barb).unsqueeze(1), 0.85 * fringe)
    for reach, soft, tone, power in (
        (0.78, 0.06, shade(colour, light=1.2, vivid=0.9, turn=0.6), 0.75),
        (0.68, 0.06, shade(colour, light=0.95, turn=accent), 0.95),
        (0.52, 0.06, shade(colour, light=1.25, vivid=0.95, turn=-0.2), 1.05),
    ):
        mask = smoothstep(reach + soft, reach - soft, egg)
        light = over(light, tint(tone) * (power * (0.95 + 0.32 * barb * egg)).unsqueeze(1), mask)
    core = shade(colour, light=0.42, turn=-0.9)
    dark = smoothstep(0.38, 0.3, pupil + 0.3 * notch)
    light = over(light, tint(core) * (0.7 + 0.5 * (1.0 - along)).unsqueeze(1), dark)
    spark = glow(torch.sqrt((across + 0.1) ** 2 + (along + 0.22) ** 2), 0.09)
    return light + paint_flat(shade(colour, light=1.4, vivid=0.4), 0.5 * spark * dark)


def paint_fractal(values: Values, generator: torch.Generator, height: int, width: int) -> Tensor:
    """Paint a Julia set of z^2 + c, smoothly coloured outside by escape, inside by orbit traps."""
    batch = values["hue"].shape[0]
    x, y = canvas(height, width, generator.device)
    zoom = knob(values["zoom"], 1.5, 0.85)
    re, im = rotate(x * zoom, y * zoom, uniform(generator, batch, 0.0, 6.2))
    # c walks just outside the main cardioid of the Mandelbrot set, where Julia sets are rich
    walk = knob(values["shape"], 0.35, 2.75) * torch.sign(uniform(generator, batch, -1.0, 1.0))
    push = 1.035
    c_re = push * (0.5 * torch.cos(walk) - 0.25 * torch.cos(2.0 * walk))
    c_im = push * (0.5 * torch.sin(walk) - 0.25 * torch.sin(2.0 * walk))
    re, im = re.expand(batch, height, width).clone(), im.expand(batch, height, width).clone()
    level = torch.zeros(batch, height, width, device=x.device)
    trap = torch.full_like(level, 4.0)
    line = torch.full_like(level, 4.0)
    for _ in range(36):
        square_re, square_im = re * re, im * im
        size = square_re + square_im
        inside = size < 64.0
        level += inside
        trap = torch.where(inside, torch.minimum(trap, size), trap)
        line = torch.where(inside, torch.minimum(line, (re + im * 0.6).abs()), line)
        im = torch.where(inside, 2.0 * re * im + c_im, im)
        re = torch.where(inside, square_re - square_im + c_re, re)
    size = (re * re + im * im).clamp(min=1.0)
    smooth = level - torch.log2((0.5 * torch.log2(size)).clamp(min=1e-3) / 3.0)
    escape = torch.log1p(smooth.clamp(min=0.0)) / math.log(38.0)
    colour = main_colour(values["hue"])
    turn = knob(values["variety"], 0.4, 2.2).view(-1)
    stops = stack_colours(
        (
            shade(colour, light=0.12, turn=turn),
            shade(colour, light=0.35, turn=0.6 * turn),
            shade(colour, light=0.75, turn=0.2 * turn),
            colour,
            shade(colour, light=1.3, vivid=0.6, turn=-0.4 * turn),
            shade(colour, light=0.6, turn=-turn),
            shade(colour, light=0.25, turn=-turn),
        )
    )
    escape = ((escape - 0.3) / 0.7).clamp(0.0, 1.0)
    light = ramp(stops, escape) * (0.4 + 0.9 * escape).unsqueeze(1)
    core = level >= 36.0
    calm = ramp(stops[:, :5], 0.95 - 1.4 * torch.sqrt(trap))
    light = torch.where(core.unsqueeze(1), calm, light)
    shine = knob(values["glow"], 0.2, 1.2)
    light = light + paint_flat(
        shade(colour, light=1.4, vivid=0.5, turn=-0.4 * turn),
        0.7 * shine * glow(torch.sqrt(trap), 0.07),
    )
    light = light + paint_flat(
        shade(colour, light=1.1, turn=0.6 * turn), 0.35 * shine * glow(line, 0.035)
    )
    return finish(light, shine=0.4, vignette=0.25)


SCENES_PATTERNS: tuple[Scene, ...] = (
    *SCENES_CELLULAR,
    Scene(
        "kaleidoscope",
        (
            "a kaleidoscope",
            "mirrored jewels",
            "a kaleidoscope of gems",
            "a symmetrical crystal pattern",
        ),
        (
            Attribute("hue", HUE_WORDS, natural=("violet", "magenta")),
            Attribute("symmetry", (("three-fold",), (), ("many-sided", "many-fold"))),
            Attribute(
                "scale", (("with small facets", "intricate"), (), ("with big facets", "bold"))
            ),
            VARIETY,
            Attribute("glow", ((), (), ("glowing", "with shining edges"))),
        ),
        paint_kaleidoscope,
    ),
    Scene(
        "mandala",
        ("a mandala", "a sacred geometry flower", "a round ornament of petals", "a lotus mandala"),
        (
            Attribute("hue", HUE_WORDS, natural=("orange", "golden")),
            Attribute(
                "symmetry", (("with few petals", "simple"), (), ("with many petals", "intricate"))
            ),
            VARIETY,
            Attribute("size", (("small",), (), ("filling the picture", "huge"))),
            Attribute("glow", ((), (), ("glowing", "with outlines of light"))),
        ),
        paint_mandala,
    ),
    Scene(
        "peacock feathers",
        ("peacock feathers", "a peacock's tail", "a fan of feathers with eyes", "a peacock"),
        (
            Attribute("hue", HUE_WORDS, natural=("teal", "cyan")),
            Attribute(
                "density", (("with large eyes", "close up"), (), ("with many eyes", "dense"))
            ),
            Attribute("centre", ((), (), ("fanned", "opening like a fan"))),
            Attribute("accent", ((),)),
            Attribute("glow", ((), (), ("shimmering", "glowing"))),
        ),
        paint_peacock,
    ),
    Scene(
        "fractal",
        ("a fractal", "a julia set", "an infinite fractal spiral", "fractal lightning flowers"),
        (
            Attribute("hue", HUE_WORDS, natural=("cyan", "blue")),
            Attribute(
                "shape", (("spiralling", "like spirals"), (), ("like lace", "like a dendrite"))
            ),
            Attribute("zoom", (("whole", "from afar"), (), ("close up", "seen up close"))),
            VARIETY,
            Attribute("glow", ((), (), ("glowing", "electric"))),
        ),
        paint_fractal,
    ),
)
